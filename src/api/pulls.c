/*
 * pulls.c - crisp.v1 Admin's RPCs about pulls, and a pull's state in other responses.
 */
#include <jansson.h>
#include <string.h>

#include "api/handlers.h"
#include "base/arena.h"
#include "base/clock.h"
#include "core/calls.h"
#include "gen/cri_rpc.h"
#include "images/pull.h"

const char *api_pull_phase(enum image_pull_phase phase)
{
	switch (phase) {
	case IMAGE_PULL_PHASE_RESOLVING:
		return "resolving";
	case IMAGE_PULL_PHASE_FETCHING:
		return "fetching";
	case IMAGE_PULL_PHASE_SYNCING:
		return "syncing";
	}
	return "";
}

static void fill_progress(Crisp__V1__Pull *to, struct arena *a, const struct image_pull_progress *p)
{
	to->phase = (char *)(uintptr_t)api_pull_phase(p->phase);
	to->bytes_done = p->bytes_done;
	to->bytes_total = p->bytes_total;
	to->layers_done = p->layers_done;
	to->layers_total = p->layers_total;
	to->layers_reused = p->layers_reused;
	to->layers_waiting = p->layers_waiting;
	to->bytes_received = p->bytes_received;
	to->rate = p->rate;
	to->retries = p->retries;
	to->host = arena_strdup(a, p->host);
}

static Crisp__V1__Pull *describe(struct arena *a, const struct object *o)
{
	const Crisp__State__Pull *row = o->sm->row;
	const struct image_pull_progress *p = pull_progress_of(o);
	Crisp__V1__Pull *to = arena_alloc(a, sizeof(*to));

	if (!to)
		return NULL;
	crisp__v1__pull__init(to);
	to->id = arena_strdup(a, o->sm->id);
	to->reference = arena_strdup(a, row->reference);
	to->state = (char *)(uintptr_t)sm_state(o->sm)->name;
	to->started_ns = row->started_ns;
	to->waiting_calls = sm_waiting(o->sm);
	to->kept_until_ns = row->kept_until_ns;
	if (row->failure)
		to->last_error = arena_strdup(a, row->failure->text);
	if (p)
		fill_progress(to, a, p);
	return to;
}

static void fill_counters(Crisp__V1__PullCounters *to)
{
	const struct pull_counters *from = pull_counters();
	struct object *o;
	size_t pos = 0;

	crisp__v1__pull_counters__init(to);
	to->succeeded = from->succeeded;
	to->failed = from->failed;
	to->cancelled = from->cancelled;
	to->bytes_received = from->bytes_received;
	to->layers_reused = from->layers_reused;
	to->retries = from->retries;
	while ((o = map_next(world.objects[KIND_PULL], &pos)))
		to->running += pull_progress_of(o) != NULL;
}

int rpc_take_list_pulls(struct caller *c, const Crisp__V1__ListPullsRequest *req, struct err *e)
{
	Crisp__V1__ListPullsResponse resp = CRISP__V1__LIST_PULLS_RESPONSE__INIT;
	struct arena *a = rpc_call_arena(c->rpc);
	Crisp__V1__PullCounters counters;
	struct object *o;
	size_t pos = 0;

	resp.pulls =
		arena_alloc(a, (map_count(world.objects[KIND_PULL]) + 1) * sizeof(*resp.pulls));
	if (!resp.pulls)
		return err_set(e, ERR_EXHAUSTED, "too many pulls for one answer: give a name");
	while ((o = map_next(world.objects[KIND_PULL], &pos))) {
		if (*req->name && !pull_answers_to(o, req->name))
			continue;
		resp.pulls[resp.n_pulls] = describe(a, o);
		resp.n_pulls += resp.pulls[resp.n_pulls] != NULL;
	}
	fill_counters(&counters);
	resp.counters = &counters;
	rpc_reply(c->rpc, &resp.base);
	free(c);
	return 0;
}

static char *pull_json(const struct object *o)
{
	const struct image_pull_progress *p = pull_progress_of(o);
	json_t *all = json_pack("{s:s, s:s, s:s}", "id", o->sm->id, "reference", pull_reference(o),
				"state", sm_state(o->sm)->name);
	char *text;

	if (p)
		json_object_update_new(
			all, json_pack("{s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:I, s:I, s:i}",
				       "phase", api_pull_phase(p->phase), "host", p->host,
				       "bytesDone", (json_int_t)p->bytes_done, "bytesTotal",
				       (json_int_t)p->bytes_total, "layersDone", p->layers_done,
				       "layersTotal", p->layers_total, "layersReused",
				       p->layers_reused, "layersWaiting", p->layers_waiting,
				       "bytesReceived", (json_int_t)p->bytes_received, "rate",
				       (json_int_t)p->rate, "retries", p->retries));
	text = json_dumps(all, JSON_INDENT(2));
	json_decref(all);
	return text;
}

static int take_status(struct caller *c, const void *request, struct err *e)
{
	const Runtime__V1__ImageStatusRequest *req = request;
	Runtime__V1__ImageStatusResponse resp = RUNTIME__V1__IMAGE_STATUS_RESPONSE__INIT;
	Runtime__V1__ImageStatusResponse__InfoEntry
		info = RUNTIME__V1__IMAGE_STATUS_RESPONSE__INFO_ENTRY__INIT,
		*list[] = { &info };
	_cleanup_free_ char *json = NULL;
	struct object *o;
	size_t pos = 0;

	(void)e;
	while (!json && (o = map_next(world.objects[KIND_PULL], &pos)))
		if (pull_answers_to(o, req->image->image))
			json = pull_json(o);
	if (json) {
		info.key = (char *)(uintptr_t) "pull";
		info.value = json;
		resp.info = list;
		resp.n_info = 1;
	}
	rpc_reply(c->rpc, &resp.base);
	free(c);
	return 0;
}

int api_pull_status(struct rpc_call *call, const Runtime__V1__ImageStatusRequest *req)
{
	return api_submit(call, req, take_status, api_done_failed);
}
