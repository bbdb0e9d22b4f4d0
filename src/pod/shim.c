/*
 * shim.c - effects of states/shim.sm, messages of the shim, and requests to it.
 */
#include "pod/shim.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "core/jobs.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_shim.h"
#include "pod/adopt.h"
#include "pod/container.h"
#include "pod/exec.h"
#include "pod/fdstore.h"
#include "pod/sandbox.h"
#include "pod/stream.h"

/* A callback for an object's effect; finds the object by id when it runs. */
struct line_wait {
	struct list node;
	enum kind kind;
	char id[ID_LEN + 1];
	uint64_t gen;
	pod_ready_fn *ready;
	pod_answer_fn *answer;
	bool even_down; /* call also when the line is down, of pod_when_tried */
	bool quick; /* request that needs no runtime */
	char pod_id[ID_LEN + 1];
	struct loop_post post; /* answers a failed send */
	struct err err;
};

static struct line_wait *wait_new(struct object *o)
{
	struct line_wait *w = xcalloc(1, sizeof(*w));

	list_init(&w->node);
	w->kind = o->kind;
	memcpy(w->id, o->sm->id, sizeof(w->id));
	w->gen = o->sm->effect_gen;
	return w;
}

/* The object; NULL: freed, or no longer in the effect of w. */
static struct object *wait_object(const struct line_wait *w)
{
	struct object *o = world_find(w->kind, w->id);

	return o && o->sm->effect_gen == w->gen ? o : NULL;
}

static struct object *line_new(struct pod *p, const char *sandbox_id)
{
	Crisp__State__Shim *row = xmalloc(sizeof(*row));
	struct object *line;

	crisp__state__shim__init(row);
	row_set_str(&row->sandbox_id, sandbox_id);
	line = world_new(KIND_SHIM, sandbox_id, row, NULL);
	line->own = p;
	return line;
}

/* --- the line --- */

static void tell(struct pod *p, struct sm_event *ev)
{
	if (p->line)
		sm_dispatch(p->line->sm, ev);
	else
		sm_event_free(ev);
}

static const Crisp__State__Shim *line_row(const struct pod *p)
{
	return p->line->sm->row;
}

bool pod_is_up(const struct pod *p)
{
	return p->line && shm_is_up(p->line->sm->state);
}

bool pod_is_absent(const struct pod *p)
{
	return p->line && shm_is_absent(p->line->sm->state);
}

bool pod_is_down(const struct pod *p)
{
	return p->line && shm_is_down(p->line->sm->state);
}

bool pod_is_killed(const struct pod *p)
{
	return p->line && shm_is_killed(p->line->sm->state);
}

bool pod_is_settling(const struct pod *p)
{
	return p->line && !shm_is_settled(p->line->sm->state);
}

pid_t pod_shim_pid(const struct pod *p)
{
	return p->line ? line_row(p)->pid : 0;
}

void pod_open(struct pod *p)
{
	tell(p, sm_event_new(SHM_EVENT_OPEN));
}

void pod_was_dead(struct pod *p)
{
	tell(p, sm_event_new(SHM_EVENT_WAS_DEAD));
}

void pod_give_up(struct pod *p)
{
	if (!pod_is_settling(p))
		return;
	tell(p, sm_event_new(SHM_EVENT_GIVES_UP));
	container_pod_lost(p->o);
}

void pod_shutdown(struct pod *p)
{
	pod_send(p, &(const struct shim_request){ .type = SHIM_SHUTDOWN });
	stream_pod_lost(p->o, "the pod has ended");
	tell(p, sm_event_new(SHM_EVENT_SHUT_DOWN));
	podground_drop(p);
}

struct pod *pod_new(struct object *o)
{
	struct pod *p = xcalloc(1, sizeof(*p));

	p->o = o;
	p->line = line_new(p, o->sm->id);
	p->ground = PODGROUND_NULL;
	p->known = map_new();
	p->held = map_new();
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
	struct object *line = take_ptr(p->line);

	shim_link_close(take_ptr(p->link));
	if (line) {
		line->own = NULL;
		sm_dispatch(line->sm, sm_event_new(SHM_EVENT_FORGET));
	}
	while (!list_empty(&p->waiting)) {
		struct line_wait *w = list_entry(p->waiting.next, struct line_wait, node);

		list_remove(&w->node);
		free(w);
	}
	known_clear(p);
	map_free(p->known);
	fdstore_free_all(p->held);
	podground_drop(p);
	free(p->lost);
	free(p);
}

struct pod *pod_find(const char *sandbox_id)
{
	struct object *o = world_find(KIND_SANDBOX, sandbox_id);

	return o ? o->own : NULL;
}

struct pod *pod_of_container(const char *container_id)
{
	const struct object *o = world_find(KIND_CONTAINER, container_id);
	const Crisp__State__Container *row = o ? o->sm->row : NULL;

	return row ? pod_find(row->sandbox_id) : NULL;
}

static void ready(struct pod *p, struct line_wait *w)
{
	struct object *o = wait_object(w);

	list_remove(&w->node);
	if (o)
		w->ready(o, w->gen, p, pod_is_up(p) ? p->link : NULL);
	free(w);
}

/* Run all callbacks.  None can free the sandbox, which needs a commit. */
static void settled(struct pod *p)
{
	while (!list_empty(&p->waiting))
		ready(p, list_entry(p->waiting.next, struct line_wait, node));
}

/* Run the callbacks of pod_when_tried; the others wait for the next shim. */
static void down(struct pod *p)
{
	list_for_each_safe(pos, &p->waiting) {
		struct line_wait *w = list_entry(pos, struct line_wait, node);

		if (w->even_down)
			ready(p, w);
	}
}

static bool waits(const struct pod *p, const struct object *o)
{
	list_for_each(pos, &p->waiting) {
		const struct line_wait *w = list_entry(pos, struct line_wait, node);

		if (w->kind == o->kind && strcmp(w->id, o->sm->id) == 0)
			return true;
	}
	return false;
}

/* --- messages of the shim --- */

/* Let the shim drop the exit status of an ended container or session. */
static void tell_forget(struct pod *p, const char *container_id, const char *session)
{
	const struct shim_request req = { .type = SHIM_FORGET,
					  .id = container_id,
					  .session = session };

	pod_send(p, &req);
}

static void hold(struct pod *p, const struct shim_status *st, int *fd)
{
	_cleanup_free_ char *bundle = path_container_run(world.conf, st->id);

	fdstore_update(p->held, st, bundle, fd);
}

static void on_container(void *arg, const struct shim_status *st, int *fd)
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
	hold(p, st, fd);
	if (o)
		container_shim_says(o, st);
}

/* A process of Exec can outlive its session.  Without a session, or with a stream, no caller reads
 * the exit status again: let the shim drop it. */
static void on_exec(void *arg, const struct shim_status *st)
{
	struct pod *p = arg;
	struct object *stream;

	if (exec_shim_says(p->o, st))
		return;
	stream = world_find(KIND_STREAM, st->session);
	if (stream)
		stream_shim_says(stream, st);
	if (st->state == SHIM_ENDED)
		tell_forget(p, NULL, st->session);
}

static void on_log_error(void *arg, const struct shim_status *st, const struct err *why)
{
	(void)arg;
	log_warn("container output is being lost", "ctr=%.13s lost_bytes=%llu error=\"%s\"", st->id,
		 (unsigned long long)st->log_lost, why->text);
}

/* Repeat requests that containers had sent to the dead shim, except containers with a callback that
 * waits for the line. */
static void ask_again(struct pod *p)
{
	for (struct object *o = NULL; (o = world_child(p->o, KIND_CONTAINER, o));)
		if (!waits(p, o))
			container_shim_back(o);
}

/* One adoption is answered, or no container is to be adopted. */
static void answered_adopt(struct pod *p)
{
	const Crisp__State__Shim *row = line_row(p);

	/* The repeated effects wait until the line is settled. */
	if (row->asked_before && !shm_guard_adopts_more(row, NULL))
		ask_again(p);
	tell(p, sm_event_new(SHM_EVENT_ADOPTED));
}

void pod_adopted(struct pod *p, const char *container_id, struct shim_answer *ans,
		 const struct err *err)
{
	struct object *o = world_find(KIND_CONTAINER, container_id);

	if (err && err->code == ERR_UNAVAILABLE)
		return; /* the link is lost again */
	if (!err) {
		on_container(p, &ans->status, &ans->fd);
		fdstore_release_output(p->held, container_id);
	} else if (o) {
		container_settle(o);
	}
	answered_adopt(p);
}

static void on_ready(void *arg, const struct shim_status *st)
{
	struct payload_init *init = xcalloc(1, sizeof(*init));

	init->pid = (int32_t)st->shim_pid;
	tell(arg, shm_event_knows(init));
}

static void on_lost(void *arg, const struct err *why)
{
	struct pod *p = arg;

	log_warn("shim lost", "sbx=%.13s error=\"%s\"", p->o->sm->id, why->text);
	free(p->lost);
	p->lost = xstrdup(why->text);
	tell(p, sm_event_failed(SHM_EVENT_LOST, why));
}

static const struct shim_link_ops link_ops = {
	.on_container = on_container,
	.on_exec = on_exec,
	.on_log_error = on_log_error,
	.on_ready = on_ready,
	.on_lost = on_lost,
};

/* --- effects --- */

static void report(struct pod *p, int event, const struct err *why)
{
	effect_report(p->line, p->line->sm->effect_gen, sm_event_failed(event, why));
}

void shm_effect_connect(struct sm_object *sm)
{
	struct pod *p = object_of(sm)->own;
	_cleanup_free_ char *dir = path_pod_run(world.conf, p->o->sm->id);
	struct err e = ERR_NULL;

	if (shim_link_open(world.loop, dir, &link_ops, p, &p->link, &e) == 0) {
		report(p, SHM_EVENT_CONNECTED, NULL);
	} else if (e.code == ERR_UNAVAILABLE) {
		report(p, SHM_EVENT_NO_LISTENER, &e);
	} else {
		log_err(LOG_LEVEL_WARN, "connect to a shim", &e);
		report(p, SHM_EVENT_NO_MEANS, &e);
	}
}

void shm_effect_await(struct sm_object *sm)
{
	(void)sm; /* the shim sends its messages unasked */
}

void shm_effect_adopt(struct sm_object *sm)
{
	struct pod *p = object_of(sm)->own;

	unsigned n = container_adopt_all(p);

	for (unsigned i = 0; i < n; i++)
		tell(p, sm_event_new(SHM_EVENT_ADOPT_SENT));
	if (n == 0)
		answered_adopt(p);
}

/* Does the pod get another shim?  Only a ready one of this boot; in other states the sandbox's
 * effect in flight handles the loss. */
static bool is_replaced(const struct pod *p)
{
	const Crisp__State__Sandbox *row = p->o->sm->row;

	return sbx_is_ready(p->o->sm->state) && strcmp(row->boot_id, clock_boot_id()) == 0;
}

static void look(struct pod *p, bool replaced)
{
	if (replaced)
		container_rescue_all(p);
	report(p, replaced ? SHM_EVENT_REPLACED : SHM_EVENT_UNREPLACED, NULL);
}

void shm_effect_look(struct sm_object *sm)
{
	struct pod *p = object_of(sm)->own;

	look(p, is_replaced(p));
}

static void leave(struct pod *p)
{
	bool replaced = is_replaced(p);

	exec_pod_lost(p->o);
	stream_pod_lost(p->o, "the pod's shim died");
	if (!replaced)
		container_pod_lost(p->o);
	sm_dispatch(p->o->sm, sm_event_new(SBX_EVENT_SHIM_LOST));
	look(p, replaced);
}

void shm_effect_leave(struct sm_object *sm)
{
	leave(object_of(sm)->own);
}

static void kill_hung(const struct pod *p)
{
	_cleanup_free_ char *dir = path_pod_run(world.conf, p->o->sm->id);
	struct spawn_child shim = SPAWN_CHILD_NULL;

	log_warn("kill a shim that does not answer", "sbx=%.13s", p->o->sm->id);
	if (shim_is_alive(dir, &shim) && shim.pidfd >= 0)
		pidfd_send_signal(shim.pidfd, SIGKILL, NULL, 0);
	close_fdp(&shim.pidfd);
}

void shm_effect_kill_new(struct sm_object *sm)
{
	struct pod *p = object_of(sm)->own;

	kill_hung(p);
	look(p, is_replaced(p));
}

void shm_effect_kill_used(struct sm_object *sm)
{
	struct pod *p = object_of(sm)->own;

	kill_hung(p);
	leave(p);
}

/* --- the object --- */

static void line_moved(struct object *o, const struct sm_row *row)
{
	struct pod *p = o->own;

	if (!p)
		return;
	if (p->link && !shm_is_linked(row->target)) {
		shim_link_close(take_ptr(p->link));
		known_clear(p);
	}
	if (shm_is_settled(row->target) && !shm_is_settled(row->state))
		settled(p);
	else if (shm_is_down(row->target))
		down(p);
}

static void line_gone(struct object *o)
{
	struct pod *p = o->own;

	if (p)
		p->line = NULL;
}

const struct kind_ops kind_shim = {
	.machine = &shm_machine,
	.moved = line_moved,
	.gone = line_gone,
};

/* --- callbacks for the line --- */

static void when(struct pod *p, struct object *o, bool even_down, pod_ready_fn *fn)
{
	struct line_wait *w;

	if (!pod_is_settling(p) || (even_down && pod_is_down(p))) {
		fn(o, o->sm->effect_gen, p, pod_is_up(p) ? p->link : NULL);
		return;
	}
	w = wait_new(o);
	w->ready = fn;
	w->even_down = even_down;
	list_append(&p->waiting, &w->node);
}

void pod_when_settled(struct pod *p, struct object *o, pod_ready_fn *fn)
{
	when(p, o, false, fn);
}

void pod_when_tried(struct pod *p, struct object *o, pod_ready_fn *fn)
{
	when(p, o, true, fn);
}

const struct shim_status *pod_known(const struct pod *p, const char *container_id)
{
	return map_get(p->known, container_id);
}

void pod_forget(struct pod *p, const char *container_id)
{
	free(map_del(p->known, container_id));
	fdstore_drop(p->held, container_id);
}

void pod_let_go(struct pod *p, const char *container_id)
{
	const struct shim_status *st = pod_known(p, container_id);

	if (st && st->state == SHIM_ENDED)
		tell_forget(p, container_id, NULL);
	pod_forget(p, container_id);
}

/* --- requests --- */

static bool is_quick(enum shim_type type)
{
	return type == SHIM_KILL || type == SHIM_FORGET;
}

static void answered(void *arg, struct shim_answer *ans, const struct err *err)
{
	struct line_wait *w = arg;
	struct object *o = wait_object(w);
	struct pod *p = pod_find(w->pod_id);

	if (p && w->quick && !(err && err->code == ERR_UNAVAILABLE))
		tell(p, sm_event_new(SHM_EVENT_ANSWERED));
	if (p && *ans->status.id && !*ans->status.session && ans->status.state)
		hold(p, &ans->status, &ans->fd);
	if (o)
		w->answer(o, w->gen, ans, err);
	free(w);
}

static void not_sent(struct loop_post *post)
{
	struct line_wait *w = container_of(post, struct line_wait, post);
	struct shim_answer none = { .fd = -1 };

	answered(w, &none, &w->err);
}

void pod_send(struct pod *p, const struct shim_request *req)
{
	struct err e = ERR_NULL;

	if (p->link && shim_link_call(p->link, req, NULL, 0, NULL, NULL, &e) < 0) {
		err_wrap(&e, "sandbox %.13s: %s", p->o->sm->id, shimproto_type_name(req->type));
		log_err(LOG_LEVEL_WARN, "send a request to a shim", &e);
	}
}

void pod_request(struct pod *p, struct object *o, const struct shim_request *req, const int *fds,
		 size_t n_fds, pod_answer_fn *fn)
{
	struct line_wait *w = wait_new(o);

	w->answer = fn;
	w->quick = is_quick(req->type);
	memcpy(w->pod_id, p->o->sm->id, sizeof(w->pod_id));
	if (p->link && shim_link_call(p->link, req, fds, n_fds, answered, w, &w->err) == 0) {
		if (w->quick)
			tell(p, sm_event_new(SHM_EVENT_ASKED));
		return;
	}
	w->quick = false;
	if (!w->err.code)
		err_set(&w->err, ERR_UNAVAILABLE, "the pod's shim has ended");
	w->post.fn = not_sent;
	loop_post(world.loop, &w->post);
}
