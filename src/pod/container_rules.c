/*
 * container_rules.c - guards, steps, deadline and invariants of states/container.sm: pure
 * functions of a record and an event.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_container.h"

bool ctr_guard_stop_now(const Crisp__State__Container *row, const struct sm_event *ev,
			const struct payload_stop *stop)
{
	(void)ev;
	(void)row;
	return stop->now;
}

bool ctr_guard_stop_sooner(const Crisp__State__Container *row, const struct sm_event *ev,
			   const struct payload_stop *stop)
{
	(void)ev;
	return stop->kill_at_ns < row->kill_at_ns;
}

static void note_pid(Crisp__State__Container *draft, const struct payload_init *f)
{
	draft->pid = f->pid;
	draft->pid_ticks = f->ticks;
}

void ctr_step_note_prepared(Crisp__State__Container *draft, const struct sm_event *ev,
			    const struct payload_init *init)
{
	(void)ev;
	note_pid(draft, init);
	row_set_str(&draft->boot_id, clock_boot_id());
	if (!init->has_user)
		return;
	draft->uid = init->uid;
	draft->gid = init->gid;
	draft->stop_signal = init->stop_signal;
	draft->may_trace = init->may_trace;
	free(draft->groups);
	draft->n_groups = init->n_groups;
	draft->groups = init->n_groups ? xmemdup(init->groups,
						 init->n_groups * sizeof(*init->groups))
				       : NULL;
}

void ctr_step_note_started(Crisp__State__Container *draft, const struct sm_event *ev,
			   const struct payload_init *init)
{
	note_pid(draft, init);
	draft->started_ns = init->started_ns ? init->started_ns : ev->at_ns;
}

void ctr_step_note_pid(Crisp__State__Container *draft, const struct sm_event *ev,
		       const struct payload_init *init)
{
	(void)ev;
	note_pid(draft, init);
}

/* As the kubelet shows it: what could not be started has ended with 128 and says why. */
void ctr_step_note_start_failed(Crisp__State__Container *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
	draft->exit_code = 128;
	draft->exit_known = true;
	draft->finished_ns = ev->at_ns;
	row_set_str(&draft->reason, "StartError");
	row_set_str(&draft->message, ev->err.text);
}

void ctr_step_note_stop(Crisp__State__Container *draft, const struct sm_event *ev,
			const struct payload_stop *stop)
{
	(void)ev;
	draft->kill_at_ns = stop->kill_at_ns;
}

void ctr_step_note_exit(Crisp__State__Container *draft, const struct sm_event *ev,
			const struct payload_exit *exit)
{
	draft->exit_code = exit->code;
	draft->exit_known = true;
	draft->oom_killed = exit->oom;
	draft->finished_ns = exit->exited_ns ? exit->exited_ns : ev->at_ns;
	if (!draft->started_ns)
		draft->started_ns = exit->started_ns;
	row_set_str(&draft->reason, exit->oom ? "OOMKilled" : exit->code ? "Error" : "Completed");
}

void ctr_step_note_exit_unknown(Crisp__State__Container *draft, const struct sm_event *ev)
{
	bool reboot = *draft->boot_id && strcmp(draft->boot_id, clock_boot_id()) != 0;

	draft->exit_code = 255;
	draft->exit_known = false;
	draft->finished_ns = ev->at_ns;
	row_set_str(&draft->reason, reboot ? "NodeReboot" : "ContainerStatusUnknown");
	row_set_str(&draft->message, reboot
					 ? "the node was rebooted while the container was there; "
					   "its exit code is not known"
					 : "the container's monitor died; its exit code is not "
					   "known");
}

void ctr_step_note_resources(Crisp__State__Container *draft, const struct sm_event *ev,
			     const struct payload_resources *resources)
{
	(void)ev;
	free(draft->resources.data);
	draft->resources.data = xmemdup(resources->packed, resources->size);
	draft->resources.len = resources->size;
}

void ctr_step_note_error(Crisp__State__Container *draft, const struct sm_event *ev)
{
	/* The first reason is the one that explains. */
	if (!draft->failure || draft->pid)
		row_fail(&draft->failure, ev);
}

int64_t ctr_deadline_grace(const Crisp__State__Container *row)
{
	return row->kill_at_ns;
}

bool ctr_invariant_has_pid(const Crisp__State__Container *row)
{
	return row->pid > 0;
}

bool ctr_invariant_has_exit(const Crisp__State__Container *row)
{
	return row->finished_ns > 0;
}
