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
#include "gen/api.pb-c.h"
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

bool ctr_guard_is_restored(const Crisp__State__Container *row, const struct sm_event *ev)
{
	(void)ev;
	return *row->restore_source;
}

static void note_pid(Crisp__State__Container *draft, const struct payload_init *f)
{
	draft->pid = f->pid;
	draft->pid_ticks = f->ticks;
}

void ctr_step_note_origin(Crisp__State__Container *draft, const struct sm_event *ev,
			  const struct payload_origin *origin)
{
	Crisp__State__Container *from = origin->found;

	(void)ev;
	row_set_str(&draft->image_id, from->image_id);
	row_set_str(&draft->image_name, from->image_name);
	row_set_str(&draft->image_ref, from->image_ref);
	row_set_str(&draft->image_runtime_handler, from->image_runtime_handler);
	for (size_t i = 0; i < from->n_diff_ids; i++)
		row_add_str(&draft->diff_ids, &draft->n_diff_ids, from->diff_ids[i]);
	draft->image_config.len = from->image_config.len;
	draft->image_config.data = xmemdup(from->image_config.data, from->image_config.len);
	draft->checkpointed_ns = origin->checkpointed_ns;
	draft->holds_connections = origin->holds_connections;
}

void ctr_step_note_saved(Crisp__State__Container *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->saved = true;
	row_set_str(&draft->boot_id, clock_boot_id());
}

/* As of a container whose start failed. */
void ctr_step_note_not_restored(Crisp__State__Container *draft, const struct sm_event *ev)
{
	draft->exit_code = 128;
	draft->exit_known = true;
	draft->finished_ns = ev->at_ns;
	row_set_str(&draft->reason, "StartError");
	row_set_str(&draft->message, "it was ended before its processes were restored");
}

void ctr_step_note_prepared(Crisp__State__Container *draft, const struct sm_event *ev,
			    const struct payload_bundle *bundle)
{
	size_t size = bundle->n_groups * sizeof(*bundle->groups);

	(void)ev;
	draft->uid = bundle->uid;
	draft->gid = bundle->gid;
	draft->stop_signal = bundle->stop_signal;
	draft->may_trace = bundle->may_trace;
	free(draft->groups);
	draft->n_groups = bundle->n_groups;
	draft->groups = size ? xmemdup(bundle->groups, size) : NULL;
}

void ctr_step_note_created(Crisp__State__Container *draft, const struct sm_event *ev,
			   const struct payload_init *init)
{
	(void)ev;
	note_pid(draft, init);
	row_set_str(&draft->boot_id, clock_boot_id());
}

void ctr_step_note_refused(Crisp__State__Container *draft, const struct sm_event *ev)
{
	row_fail(&draft->refused, ev);
	row_set_str(&draft->boot_id, clock_boot_id());
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

/* Record a failed start as the kubelet shows it: exit code 128 and the error. */
void ctr_step_note_start_failed(Crisp__State__Container *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
	draft->exit_code = 128;
	draft->exit_known = true;
	draft->finished_ns = ev->at_ns;
	row_set_str(&draft->reason, "StartError");
	row_set_str(&draft->message, ev->err.text);
}

void ctr_step_note_refused_start(Crisp__State__Container *draft, const struct sm_event *ev)
{
	struct sm_event why = { .at_ns = ev->at_ns };

	row_failure_err(draft->refused, &why.err);
	ctr_step_note_start_failed(draft, &why);
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
	row_set_str(&draft->message,
		    reboot ? "the node was rebooted while the container was there; "
			     "its exit code is not known"
			   : "the container's monitor died; its exit code is not "
			     "known");
}

/* --- UpdateContainerResources --- */

typedef Runtime__V1__LinuxContainerResources Resources;

/* Merge numbers and CPU lists: 0 and "" keep the current value.  A memory limit without a swap
 * limit resets the swap limit: no swap beyond the new memory limit. */
static void merge_scalars(Resources *to, const Resources *change)
{
#define TAKE(field) \
	do { \
		if (change->field) \
			to->field = change->field; \
	} while (0)
	TAKE(cpu_period);
	TAKE(cpu_quota);
	TAKE(cpu_shares);
	TAKE(oom_score_adj);
	TAKE(memory_limit_in_bytes);
#undef TAKE
	if (change->memory_limit_in_bytes || change->memory_swap_limit_in_bytes)
		to->memory_swap_limit_in_bytes = change->memory_swap_limit_in_bytes;
	if (*change->cpuset_cpus)
		to->cpuset_cpus = change->cpuset_cpus;
	if (*change->cpuset_mems)
		to->cpuset_mems = change->cpuset_mems;
}

/* Merge lists by the key at key_offset of each entry: replace equal keys, append others.  The
 * caller owns the returned list, but not its entries. */
static void **merge_list(void **base, size_t n_base, void **change, size_t n_change,
			 size_t key_offset, size_t *ret_n)
{
#define KEY(entry) (*(char *const *)((const char *)(entry) + key_offset))
	void **all = xcalloc(n_base + n_change + 1, sizeof(void *));
	size_t n = n_base;

	if (n_base)
		memcpy(all, base, n_base * sizeof(void *));
	for (size_t i = 0; i < n_change; i++) {
		size_t k = 0;

		while (k < n && strcmp(KEY(all[k]), KEY(change[i])) != 0)
			k++;
		all[k] = change[i];
		n = MAX(n, k + 1);
	}
	*ret_n = n;
	return all;
#undef KEY
}

static ProtobufCBinaryData merge(const Resources *base, const Resources *change)
{
	Resources all = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	_cleanup_free_ void **pages = NULL, **unified = NULL;
	ProtobufCBinaryData packed;

	if (base)
		all = *base;
	merge_scalars(&all, change);
	pages = merge_list((void **)all.hugepage_limits, all.n_hugepage_limits,
			   (void **)change->hugepage_limits, change->n_hugepage_limits,
			   offsetof(Runtime__V1__HugepageLimit, page_size), &all.n_hugepage_limits);
	all.hugepage_limits = (Runtime__V1__HugepageLimit **)pages;
	unified = merge_list(
		(void **)all.unified, all.n_unified, (void **)change->unified, change->n_unified,
		offsetof(Runtime__V1__LinuxContainerResources__UnifiedEntry, key), &all.n_unified);
	all.unified = (Runtime__V1__LinuxContainerResources__UnifiedEntry **)unified;
	packed.len = runtime__v1__linux_container_resources__get_packed_size(&all);
	packed.data = xmalloc(packed.len + 1);
	runtime__v1__linux_container_resources__pack(&all, packed.data);
	return packed;
}

static void clear_bytes(ProtobufCBinaryData *b)
{
	free(b->data);
	*b = (ProtobufCBinaryData){ .len = 0 };
}

void ctr_step_merge_resources(Crisp__State__Container *draft, const struct sm_event *ev,
			      const struct payload_resources *resources)
{
	Runtime__V1__ContainerConfig *c =
		runtime__v1__container_config__unpack(NULL, draft->config.len, draft->config.data);
	Resources *change = runtime__v1__linux_container_resources__unpack(NULL, resources->size,
									   resources->packed);
	Resources *last = NULL;

	(void)ev;
	if (draft->resources.len)
		last = runtime__v1__linux_container_resources__unpack(NULL, draft->resources.len,
								      draft->resources.data);
	draft->wanted_resources = merge(last		? last
					: c && c->linux ? c->linux->resources
							: NULL,
					change);
	row_clear_failure(&draft->update_failure);
	runtime__v1__linux_container_resources__free_unpacked(last, NULL);
	runtime__v1__linux_container_resources__free_unpacked(change, NULL);
	runtime__v1__container_config__free_unpacked(c, NULL);
}

void ctr_step_note_updated(Crisp__State__Container *draft, const struct sm_event *ev)
{
	(void)ev;
	clear_bytes(&draft->resources);
	draft->resources = draft->wanted_resources;
	draft->wanted_resources = (ProtobufCBinaryData){ .len = 0 };
}

void ctr_step_note_not_updated(Crisp__State__Container *draft, const struct sm_event *ev)
{
	clear_bytes(&draft->wanted_resources);
	row_fail(&draft->update_failure, ev);
}

void ctr_step_drop_update(Crisp__State__Container *draft, const struct sm_event *ev)
{
	struct sm_event why = { .at_ns = ev->at_ns };

	err_set(&why.err, ERR_PRECONDITION,
		"the container was ended before its new limits were in force");
	ctr_step_note_not_updated(draft, &why);
}

/* --- CheckpointContainer --- */

void ctr_step_note_dump(Crisp__State__Container *draft, const struct sm_event *ev,
			const struct payload_checkpoint *checkpoint)
{
	(void)ev;
	row_set_str(&draft->checkpoint_location, checkpoint->location);
	draft->checkpoint_until_ns = checkpoint->until_ns;
	row_clear_failure(&draft->checkpoint_failure);
}

/* The location stays in the row until all that is unfinished there is removed. */
void ctr_step_note_dumped(Crisp__State__Container *draft, const struct sm_event *ev)
{
	(void)ev;
	row_set_str(&draft->checkpoint_location, NULL);
}

void ctr_step_note_not_dumped(Crisp__State__Container *draft, const struct sm_event *ev)
{
	row_set_str(&draft->checkpoint_location, NULL);
	row_fail(&draft->checkpoint_failure, ev);
}

void ctr_step_drop_dump(Crisp__State__Container *draft, const struct sm_event *ev)
{
	struct sm_event why = { .at_ns = ev->at_ns };

	err_set(&why.err, ERR_PRECONDITION, "the container was ended during its checkpoint");
	row_fail(&draft->checkpoint_failure, &why);
}

void ctr_step_note_error(Crisp__State__Container *draft, const struct sm_event *ev)
{
	/* Until the container has a process, keep the first failure: the cause of later ones. */
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

bool ctr_invariant_has_refusal(const Crisp__State__Container *row)
{
	return row->refused;
}

bool ctr_invariant_is_saved(const Crisp__State__Container *row)
{
	return row->saved;
}

bool ctr_invariant_nothing_wanted(const Crisp__State__Container *row)
{
	return !row->wanted_resources.len;
}
