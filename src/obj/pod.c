/*
 * pod.c - see pod.h.
 */
#include "obj/pod.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "obj/container.h"
#include "obj/exec.h"
#include "obj/paths.h"
#include "obj/stream_session.h"

/* Something that waits for an object's effect, found again by id when its time comes. */
struct wait {
	struct list node;
	enum kind kind;
	char id[ID_LEN + 1];
	uint64_t gen;
	pod_ready_fn *ready;
	pod_answer_fn *answer;
	struct loop_post post; /* of a request that could not be sent */
	struct err err;
};

static struct wait *wait_new(struct object *o)
{
	struct wait *w = xcalloc(1, sizeof(*w));

	list_init(&w->node);
	w->kind = o->kind;
	memcpy(w->id, o->sm->id, sizeof(w->id));
	w->gen = o->sm->effect_gen;
	return w;
}

/* The object if it still is in the effect that waits. */
static struct object *wait_object(const struct wait *w)
{
	struct object *o = world_find(w->kind, w->id);

	return o && o->sm->effect_gen == w->gen ? o : NULL;
}

struct pod *pod_new(struct object *o)
{
	struct pod *p = xcalloc(1, sizeof(*p));

	p->o = o;
	p->known = map_new();
	list_init(&p->waiting);
	return p;
}

static void known_clear(struct pod *p)
{
	for (;;) {
		size_t pos = 0;
		struct shim_status *st = map_next(p->known, &pos);

		if (!st)
			return;
		map_del(p->known, st->id);
		free(st);
	}
}

void pod_free(struct pod *p)
{
	shim_link_close(take_ptr(p->link));
	while (!list_empty(&p->waiting)) {
		struct wait *w = list_entry(p->waiting.next, struct wait, node);

		list_remove(&w->node);
		free(w);
	}
	known_clear(p);
	map_free(p->known);
	facts_anchor_free(p->anchor);
	free(p);
}

struct pod *pod_find(const char *sandbox_id)
{
	struct object *o = world_find(KIND_SANDBOX, sandbox_id);

	return o ? o->own : NULL;
}

static void settled(struct pod *p, enum pod_line line)
{
	char id[ID_LEN + 1];

	memcpy(id, p->o->sm->id, sizeof(id));
	p->line = line;
	/* A callback may do anything, except free the sandbox: that takes a commit. */
	while (!list_empty(&p->waiting)) {
		struct wait *w = list_entry(p->waiting.next, struct wait, node);
		struct object *o = wait_object(w);

		list_remove(&w->node);
		if (o)
			w->ready(o, w->gen, p, p->line == POD_LINE_READY ? p->link : NULL);
		free(w);
	}
}

/* --- what the shim says --- */

/* Nobody asks for it any more; the shim need not keep it. */
static void tell_forget(struct pod *p, const char *container_id, const char *session)
{
	const struct shim_request req = { .type = SHIM_FORGET, .id = container_id,
					  .session = session };
	struct err e = ERR_NULL;

	if (p->link && shim_link_call(p->link, &req, NULL, 0, NULL, NULL, &e) < 0)
		log_err(LOG_LEVEL_DEBUG, "forget what has ended", &e);
}

static void on_container(void *arg, const struct shim_status *st)
{
	struct pod *p = arg;
	struct shim_status *known = map_get(p->known, st->id);
	struct object *o = world_find(KIND_CONTAINER, st->id);

	if (!o && st->state == SHIM_ENDED) {
		pod_forget(p, st->id);
		tell_forget(p, st->id, NULL);
		return;
	}
	if (!known) {
		known = xcalloc(1, sizeof(*known));
		*known = *st;
		map_put(p->known, known->id, known);
	}
	*known = *st;
	if (o)
		container_shim_says(o, st);
}

static void on_exec(void *arg, const struct shim_status *st)
{
	struct pod *p = arg;
	struct object *o = world_find(KIND_EXEC, st->session);

	if (o) {
		exec_shim_says(o, st);
	} else if (st->state == SHIM_ENDED) {
		stream_session_ended(st);
		tell_forget(p, NULL, st->session);
	}
}

static void on_log_error(void *arg, const struct shim_status *st, const struct err *why)
{
	(void)arg;
	log_warn("container output is being lost", "ctr=%.13s lost_bytes=%llu error=\"%s\"", st->id,
		 (unsigned long long)st->log_lost, why->text);
}

static void on_ready(void *arg, const struct shim_status *st)
{
	struct pod *p = arg;

	p->shim_pid = (pid_t)st->shim_pid;
	settled(p, POD_LINE_READY);
}

/* The shim is gone and with it the only parent of the pod's processes: the pod is over. */
static void on_lost(void *arg, const struct err *why)
{
	struct pod *p = arg;
	bool was_ready = p->line == POD_LINE_READY;

	log_warn("shim lost", "sbx=%.13s error=\"%s\"", p->o->sm->id, why->text);
	shim_link_close(take_ptr(p->link));
	known_clear(p);
	settled(p, POD_LINE_LOST);
	if (!was_ready)
		return;
	exec_pod_lost(p->o->sm->id);
	stream_session_pod_lost(p->o->sm->id);
	container_pod_lost(p->o->sm->id);
	sm_dispatch(p->o->sm, sm_event_new(SBX_EVENT_ANCHOR_LOST));
}

static const struct shim_link_ops link_ops = {
	.on_container = on_container,
	.on_exec = on_exec,
	.on_log_error = on_log_error,
	.on_ready = on_ready,
	.on_lost = on_lost,
};

void pod_open(struct pod *p)
{
	_cleanup_free_ char *dir = path_pod_run(world.conf, p->o->sm->id);
	struct err e = ERR_NULL;

	if (p->link)
		return;
	p->line = POD_LINE_OPENING;
	if (shim_link_open(world.loop, dir, &link_ops, p, &p->link, &e) < 0)
		settled(p, POD_LINE_LOST);
}

void pod_shutdown(struct pod *p)
{
	const struct shim_request req = { .type = SHIM_SHUTDOWN };
	struct err e = ERR_NULL;

	if (p->link && shim_link_call(p->link, &req, NULL, 0, NULL, NULL, &e) < 0)
		log_err(LOG_LEVEL_WARN, "tell a shim to end", &e);
	shim_link_close(take_ptr(p->link));
	stream_session_pod_lost(p->o->sm->id);
	known_clear(p);
	p->line = POD_LINE_NONE;
}

void pod_when_settled(struct pod *p, struct object *o, pod_ready_fn *fn)
{
	struct wait *w;

	if (p->line != POD_LINE_OPENING) {
		fn(o, o->sm->effect_gen, p, p->line == POD_LINE_READY ? p->link : NULL);
		return;
	}
	w = wait_new(o);
	w->ready = fn;
	list_append(&p->waiting, &w->node);
}

const struct shim_status *pod_known(const struct pod *p, const char *container_id)
{
	return map_get(p->known, container_id);
}

void pod_forget(struct pod *p, const char *container_id)
{
	free(map_del(p->known, container_id));
}

void pod_let_go(struct pod *p, const char *container_id)
{
	const struct shim_status *st = pod_known(p, container_id);

	if (st && st->state == SHIM_ENDED)
		tell_forget(p, container_id, NULL);
	pod_forget(p, container_id);
}

/* --- requests --- */

static void answered(void *arg, struct shim_answer *ans, const struct err *err)
{
	struct wait *w = arg;
	struct object *o = wait_object(w);

	if (o)
		w->answer(o, w->gen, ans, err);
	free(w);
}

static void not_sent(struct loop_post *post)
{
	struct wait *w = container_of(post, struct wait, post);
	struct shim_answer none = { .fd = -1 };

	answered(w, &none, &w->err);
}

void pod_request(struct pod *p, struct object *o, const struct shim_request *req, const int *fds,
		 size_t n_fds, pod_answer_fn *fn)
{
	struct wait *w = wait_new(o);

	w->answer = fn;
	if (p->link && shim_link_call(p->link, req, fds, n_fds, answered, w, &w->err) == 0)
		return;
	if (!w->err.code)
		err_set(&w->err, ERR_UNAVAILABLE, "the pod's shim is gone");
	w->post.fn = not_sent;
	loop_post(world.loop, &w->post);
}
