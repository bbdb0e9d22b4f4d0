/*
 * handlers.c - helpers shared by the RPC handlers: posts to the loop, selections, verbose info.
 */
#include "api/handlers.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/calls.h"
#include "core/payloads.h"
#include "core/records.h"
#include "pod/sandbox.h"

struct submit {
	struct loop_post post;
	struct rpc_call *rpc;
	const void *req;
	api_take_fn *take;
	api_done_fn *done;
};

static void submit_run(struct loop_post *post)
{
	struct submit *s = container_of(post, struct submit, post);
	struct caller *c = caller_new(s->rpc, s->req, s->done);
	struct err e = ERR_NULL;
	int r;

	if (world.draining)
		r = err_set(&e, ERR_UNAVAILABLE, "crispd is shutting down: try again");
	else
		r = s->take(c, s->req, &e);
	if (r < 0)
		caller_finish(c, NULL, &e);
	free(s);
}

int api_submit(struct rpc_call *rpc, const void *req, api_take_fn *take, api_done_fn *done)
{
	struct submit *s = xcalloc(1, sizeof(*s));

	s->post.fn = submit_run;
	s->rpc = rpc;
	s->req = req;
	s->take = take;
	s->done = done;
	loop_post(world.loop, &s->post);
	return 0;
}

void api_done_empty(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	(void)obj;
	if (e)
		rpc_fail(rpc, e);
	else
		rpc_reply_bytes(rpc, NULL, 0);
}

void api_done_failed(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	(void)obj;
	if (e)
		rpc_fail(rpc, e);
}

int rpc_take(struct rpc_call *call, const ProtobufCMessage *req, api_take_fn *take, bool empty)
{
	return api_submit(call, req, take, empty ? api_done_empty : api_done_failed);
}

static const char *state_name(const struct sm_machine *m, uint32_t number)
{
	for (int i = 0; i < m->n_states; i++)
		if (m->states[i].number == number)
			return m->states[i].name;
	return "?";
}

struct payload_resources *api_pack_resources(const Runtime__V1__LinuxContainerResources *from)
{
	struct payload_resources *to = xcalloc(1, sizeof(*to));

	if (!from)
		return to;
	to->size = runtime__v1__linux_container_resources__get_packed_size(from);
	to->packed = xmalloc(to->size + 1);
	runtime__v1__linux_container_resources__pack(from, to->packed);
	return to;
}

static json_t *resources_json(const Runtime__V1__LinuxContainerResources *r)
{
	const struct {
		const char *name;
		int64_t n;
	} numbers[] = {
		{ "cpu_period", r->cpu_period },
		{ "cpu_quota", r->cpu_quota },
		{ "cpu_shares", r->cpu_shares },
		{ "memory_limit_in_bytes", r->memory_limit_in_bytes },
		{ "memory_swap_limit_in_bytes", r->memory_swap_limit_in_bytes },
	};
	json_t *to = json_object(), *part;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].n)
			json_object_set_new(to, numbers[i].name, json_integer(numbers[i].n));
	if (*r->cpuset_cpus)
		json_object_set_new(to, "cpuset_cpus", json_string(r->cpuset_cpus));
	if (*r->cpuset_mems)
		json_object_set_new(to, "cpuset_mems", json_string(r->cpuset_mems));
	part = json_object();
	for (size_t i = 0; i < r->n_hugepage_limits; i++)
		json_object_set_new(part, r->hugepage_limits[i]->page_size,
				    json_integer((json_int_t)r->hugepage_limits[i]->limit));
	if (json_object_size(part))
		json_object_set(to, "hugepage_limits", part);
	json_decref(part);
	part = json_object();
	for (size_t i = 0; i < r->n_unified; i++)
		json_object_set_new(part, r->unified[i]->key, json_string(r->unified[i]->value));
	if (json_object_size(part))
		json_object_set(to, "unified", part);
	json_decref(part);
	return to;
}

/* Takes r; NULL: nothing is put. */
static void put_resources(json_t *to, const char *name, Runtime__V1__LinuxContainerResources *r)
{
	if (!r)
		return;
	json_object_set_new(to, name, resources_json(r));
	runtime__v1__linux_container_resources__free_unpacked(r, NULL);
}

char *api_machine_json(const struct listing_row *r)
{
	const Crisp__State__Sandbox *pod = r->kind == KIND_SANDBOX ? r->row : NULL;
	const struct sm_machine *m = kind_ops(r->kind)->machine;
	json_t *history = json_array(), *all;
	char time[36], *text;

	for (size_t i = 0; i < r->envelope->n_history; i++) {
		const Crisp__State__Transition *t = r->envelope->history[i];

		clock_format(t->at_ns, time);
		json_array_append_new(history, json_pack("{s:s, s:s, s:s, s:s}", "at", time, "from",
							 state_name(m, t->from), "event", t->event,
							 "to", state_name(m, t->to)));
	}
	clock_format(r->envelope->since_ns, time);
	all = json_pack("{s:s, s:s, s:s, s:I, s:o}", "machine", m->name, "state", r->state->name,
			"since", time, "seq", (json_int_t)r->envelope->seq, "history", history);
	if (pod && *pod->ended_why)
		json_object_set_new(all, "ended_why", json_string(pod->ended_why));
	if (pod) {
		put_resources(all, "resources", sandbox_resources(pod));
		put_resources(all, "overhead", sandbox_overhead(pod));
	}
	text = json_dumps(all, JSON_INDENT(2));
	json_decref(all);
	assert(text);
	return text;
}

void api_answer_work(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e,
		     const Crisp__State__Failure *failure)
{
	struct err failed = ERR_NULL;

	if (!e && !obj)
		err_set(&failed, ERR_NOT_FOUND, "it was removed meanwhile");
	else if (!e && failure)
		row_failure_err(failure, &failed);
	if (e || failed.code)
		rpc_fail(rpc, e ? e : &failed);
	else
		rpc_reply_bytes(rpc, NULL, 0);
}
