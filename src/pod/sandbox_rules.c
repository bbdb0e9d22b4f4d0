/*
 * sandbox_rules.c - guards, steps and invariants of states/sandbox.sm: pure functions of a
 * record and an event.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/api.pb-c.h"
#include "gen/sm_sandbox.h"

bool sbx_guard_host_network(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	(void)ev;
	return row->host_network;
}

bool sbx_guard_own_init(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	(void)ev;
	return row->pod_pid;
}

/* No CNI DEL is due.  The record has cni_conf from before the first ADD until a successful DEL. */
bool sbx_guard_unwired(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	(void)ev;
	return row->host_network || !*row->cni_conf;
}

bool sbx_guard_maps_ports(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	(void)ev;
	return row->maps_ports;
}

bool sbx_guard_restores(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	(void)ev;
	return *row->restore_path;
}

bool sbx_guard_restores_unwired(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	return sbx_guard_host_network(row, ev) && sbx_guard_restores(row, ev);
}

bool sbx_guard_undoing(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	(void)ev;
	return row->undo;
}

#define STABLE_NS NSEC_PER_SEC /* a shim that lived longer is no part of a crash loop */
#define REVIVE_TRIES 8

bool sbx_guard_rebooted(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	(void)ev;
	return strcmp(row->boot_id, clock_boot_id()) != 0;
}

static bool died_young(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	return ev->at_ns - row->revived_ns < STABLE_NS;
}

bool sbx_guard_shim_crash_loop(const Crisp__State__Sandbox *row, const struct sm_event *ev)
{
	return row->revive_tries >= REVIVE_TRIES &&
	       (ev->event != SBX_EVENT_SHIM_LOST || died_young(row, ev));
}

void sbx_step_note_lost(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	draft->revive_tries = died_young(draft, ev) ? draft->revive_tries + 1 : 1;
}

void sbx_step_note_retry(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
	draft->revive_tries++;
}

void sbx_step_note_new_shim(Crisp__State__Sandbox *draft, const struct sm_event *ev,
			    const struct payload_setup *setup)
{
	draft->shim_pid = setup->shim_pid;
	draft->revived_ns = ev->at_ns;
	draft->shims_replaced++;
	row_clear_failure(&draft->failure);
}

void sbx_step_note_netns(Crisp__State__Sandbox *draft, const struct sm_event *ev,
			 const struct payload_netns *netns)
{
	(void)ev;
	row_set_str(&draft->netns, netns->path);
	row_set_str(&draft->cni_conf, netns->cni_conf);
	draft->maps_ports = netns->maps_ports;
}

void sbx_step_note_shim(Crisp__State__Sandbox *draft, const struct sm_event *ev,
			const struct payload_init *init)
{
	(void)ev;
	draft->shim_pid = init->pid;
	row_set_str(&draft->boot_id, clock_boot_id());
}

void sbx_step_note_init(Crisp__State__Sandbox *draft, const struct sm_event *ev,
			const struct payload_init *init)
{
	(void)ev;
	draft->init_pid = init->pid;
	draft->init_ticks = init->ticks;
}

void sbx_step_note_setup(Crisp__State__Sandbox *draft, const struct sm_event *ev,
			 const struct payload_setup *setup)
{
	(void)ev;
	draft->shim_pid = setup->shim_pid;
	draft->init_pid = setup->init_pid;
	draft->init_ticks = setup->init_ticks;
	row_set_str(&draft->boot_id, clock_boot_id());
}

void sbx_step_note_network(Crisp__State__Sandbox *draft, const struct sm_event *ev,
			   const struct payload_network *network)
{
	(void)ev;
	row_set_str(&draft->cni_result, network->result);
	row_set_strs(&draft->ips, &draft->n_ips, network->ips);
}

void sbx_step_note_no_network(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	(void)ev;
	row_set_str(&draft->cni_conf, NULL);
	row_set_str(&draft->cni_result, NULL);
	if (!draft->undo)
		row_clear_failure(&draft->failure);
}

static void set_packed(ProtobufCBinaryData *field, const void *data, size_t size)
{
	free(field->data);
	*field = (ProtobufCBinaryData){ .data = xmemdup(data, size), .len = size };
}

static void set_from_config(ProtobufCBinaryData *field,
			    const Runtime__V1__LinuxContainerResources *resources)
{
	size_t size =
		resources ? runtime__v1__linux_container_resources__get_packed_size(resources) : 0;
	_cleanup_free_ unsigned char *packed = xmalloc(size + 1);

	if (size)
		runtime__v1__linux_container_resources__pack(resources, packed);
	set_packed(field, packed, size);
}

void sbx_step_note_resources(Crisp__State__Sandbox *draft, const struct sm_event *ev,
			     const struct payload_pod_resources *pod_resources)
{
	const struct payload_resources *resources = pod_resources->resources;
	const struct payload_resources *overhead = pod_resources->overhead;

	(void)ev;
	if (!draft->resources_known) {
		Runtime__V1__PodSandboxConfig *c = runtime__v1__pod_sandbox_config__unpack(
			NULL, draft->config.len, draft->config.data);

		set_from_config(&draft->resources, c && c->linux ? c->linux->resources : NULL);
		set_from_config(&draft->overhead, c && c->linux ? c->linux->overhead : NULL);
		runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
	}
	if (resources)
		set_packed(&draft->resources, resources->packed, resources->size);
	if (overhead)
		set_packed(&draft->overhead, overhead->packed, overhead->size);
	draft->resources_known = true;
}

/* --- CheckpointPod, RestorePod --- */

#define CALL_DEFAULT_NS (600 * NSEC_PER_SEC) /* a call without a deadline */
#define CALL_MAX_NS (3600 * NSEC_PER_SEC)
#define ANSWER_NS (2 * NSEC_PER_SEC) /* of the time, to take back and answer */

/* When the work of a call must end. */
static int64_t call_end(const struct sm_event *ev)
{
	bool bounded = ev->until_ns && ev->until_ns != INT64_MAX;
	int64_t within_ns = bounded ? ev->until_ns - ev->at_ns : CALL_DEFAULT_NS;

	if (bounded)
		within_ns -= MIN(ANSWER_NS, within_ns / 10);
	return ev->at_ns + MIN(within_ns, CALL_MAX_NS);
}

void sbx_step_note_restore(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	draft->restore_until_ns = call_end(ev);
}

int64_t sbx_deadline_call_end(const Crisp__State__Sandbox *row)
{
	return row->restore_until_ns;
}

void sbx_step_note_checkpoint(Crisp__State__Sandbox *draft, const struct sm_event *ev,
			      const struct payload_checkpointed *checkpointed)
{
	(void)ev;
	row_set_strs(&draft->restore_ips, &draft->n_restore_ips, checkpointed->ips);
	draft->restore_needs_ips = checkpointed->needs_ips;
}

/* The containers have their own rows now. */
void sbx_step_note_restored(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	(void)ev;
	for (size_t i = 0; i < draft->n_restore_configs; i++)
		free(draft->restore_configs[i].data);
	free(draft->restore_configs);
	draft->restore_configs = NULL;
	draft->n_restore_configs = 0;
}

void sbx_step_note_dump(Crisp__State__Sandbox *draft, const struct sm_event *ev,
			const struct payload_pod_checkpoint *pod_checkpoint)
{
	draft->checkpoint_until_ns = call_end(ev);
	row_set_str(&draft->checkpoint_path, pod_checkpoint->path);
	row_set_strs(&draft->checkpoint_ids, &draft->n_checkpoint_ids, pod_checkpoint->ids);
	row_set_strs(&draft->checkpoint_options, &draft->n_checkpoint_options,
		     pod_checkpoint->options);
	row_clear_failure(&draft->checkpoint_failure);
}

static void forget_dump(Crisp__State__Sandbox *draft)
{
	char *none[] = { NULL };

	row_set_str(&draft->checkpoint_path, NULL);
	row_set_strs(&draft->checkpoint_ids, &draft->n_checkpoint_ids, none);
	row_set_strs(&draft->checkpoint_options, &draft->n_checkpoint_options, none);
}

void sbx_step_note_dumped(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	(void)ev;
	forget_dump(draft);
}

void sbx_step_note_not_dumped(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	forget_dump(draft);
	row_fail(&draft->checkpoint_failure, ev);
}

/* The path stays in the row until all that is unfinished there is removed. */
void sbx_step_drop_dump(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	struct sm_event why = { .at_ns = ev->at_ns };

	err_set(&why.err, ERR_PRECONDITION, "the pod was ended during its checkpoint");
	row_fail(&draft->checkpoint_failure, &why);
}

void sbx_step_note_end(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
	row_set_str(&draft->ended_why, draft->failure->text);
}

void sbx_step_note_undo(Crisp__State__Sandbox *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
	draft->undo = true;
}

bool sbx_invariant_has_shim(const Crisp__State__Sandbox *row)
{
	return row->shim_pid > 0;
}

bool sbx_invariant_has_network(const Crisp__State__Sandbox *row)
{
	return row->host_network || *row->cni_result;
}
