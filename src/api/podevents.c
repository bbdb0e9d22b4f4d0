/*
 * podevents.c - makes events of moves, keeps them in one log, and feeds subscribers from it.
 * The loop appends to the log; a worker wakes the subscribers, so that their number does not delay
 * the loop.  hub.lock guards all of struct hub but its timer, which is the loop's.
 */
#include "api/podevents.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "core/ended.h"
#include "gen/cri_rpc.h"

#define RESUME_NS (60 * NSEC_PER_SEC)

typedef Runtime__V1__ContainerEventType event_type;

#define CREATED RUNTIME__V1__CONTAINER_EVENT_TYPE__CONTAINER_CREATED_EVENT
#define STARTED RUNTIME__V1__CONTAINER_EVENT_TYPE__CONTAINER_STARTED_EVENT
#define STOPPED RUNTIME__V1__CONTAINER_EVENT_TYPE__CONTAINER_STOPPED_EVENT
#define DELETED RUNTIME__V1__CONTAINER_EVENT_TYPE__CONTAINER_DELETED_EVENT

struct pod_event {
	struct list node;
	uint64_t seq;
	uint64_t before; /* bytes of all events before it */
	int64_t logged_ns; /* CLOCK_MONOTONIC */
	struct rpc_packet *packet;
};

struct subscriber {
	struct rpc_feed feed;
	struct rpc_call *call; /* a reference */
	struct list node;
	uint64_t seq; /* next event */
	uint64_t before; /* bytes of all events before it */
	bool slow; /* over the limit: it gets no more events */
};

static struct hub {
	pthread_mutex_t lock;
	struct list log; /* of pod_event, oldest first */
	struct list subscribers;
	unsigned n;
	uint64_t seq; /* of the next event */
	uint64_t bytes; /* of all events so far */
	uint64_t dropped; /* events that subscribers lost */
	/* Until resume_ns (CLOCK_MONOTONIC), a new stream begins here. */
	uint64_t resume_seq;
	int64_t resume_ns;
	bool waking; /* wake_work is queued or runs */
	bool woken; /* an event was logged meanwhile */
	struct loop_timer prune;
} hub = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* --- the log --- */

static struct pod_event *event_first(void)
{
	return list_empty(&hub.log) ? NULL : list_entry(hub.log.next, struct pod_event, node);
}

/* The first event of the log from seq on; most callers are near the end. */
static const struct pod_event *event_find(uint64_t seq)
{
	const struct pod_event *found = NULL;

	for (struct list *n = hub.log.prev; n != &hub.log; n = n->prev) {
		const struct pod_event *ev = list_entry(n, struct pod_event, node);

		if (ev->seq < seq)
			break;
		found = ev;
	}
	return found;
}

static void event_free(struct pod_event *ev)
{
	list_remove(&ev->node);
	rpc_packet_unref(ev->packet);
	free(ev);
}

static bool is_needed(const struct pod_event *ev)
{
	list_for_each(n, &hub.subscribers) {
		const struct subscriber *s = list_entry(n, struct subscriber, node);

		if (!s->slow && s->seq <= ev->seq)
			return true;
	}
	return false;
}

/* Drop the events that no subscriber waits for and no new stream is owed.  Under lock. */
static void log_prune(int64_t now)
{
	struct pod_event *ev;

	while ((ev = event_first())) {
		bool kept = ev->logged_ns > now - RESUME_NS &&
			    hub.bytes - ev->before <= LIMIT_EVENTS_KEPT;

		if (kept || is_needed(ev))
			return;
		event_free(ev);
	}
}

/* Mark the subscribers that are too far behind.  Under lock. */
static void mark_slow(void)
{
	list_for_each(n, &hub.subscribers) {
		struct subscriber *s = list_entry(n, struct subscriber, node);

		if (hub.bytes - s->before > LIMIT_EVENTS_BEHIND)
			s->slow = true;
	}
}

/* Give each subscriber a chance to take events; end those that are too slow.  On a worker. */
static void wake_all(void)
{
	_cleanup_free_ struct rpc_call **calls = NULL;
	_cleanup_free_ uint64_t *lost = NULL;
	size_t n = 0;

	pthread_mutex_lock(&hub.lock);
	calls = xcalloc(hub.n + 1, sizeof(struct rpc_call *));
	lost = xcalloc(hub.n + 1, sizeof(*lost));
	list_for_each(node, &hub.subscribers) {
		struct subscriber *s = list_entry(node, struct subscriber, node);

		lost[n] = s->slow ? hub.seq - s->seq : 0;
		calls[n++] = rpc_call_ref(s->call);
	}
	pthread_mutex_unlock(&hub.lock);
	for (size_t i = 0; i < n; i++) {
		struct err e = ERR_NULL;

		if (lost[i]) {
			err_set(&e, ERR_EXHAUSTED,
				"GetContainerEvents: %llu events were lost: the client has not "
				"read the %d bytes before them; list, and subscribe again",
				(unsigned long long)lost[i], LIMIT_EVENTS_BEHIND);
			rpc_feed_fail(calls[i], &e);
		} else {
			rpc_feed_wake(calls[i]);
		}
		rpc_call_unref(calls[i]);
	}
}

static void wake_work(struct loop_job *job)
{
	bool again;

	(void)job;
	do {
		wake_all();
		pthread_mutex_lock(&hub.lock);
		again = hub.woken;
		hub.woken = false;
		hub.waking = again;
		pthread_mutex_unlock(&hub.lock);
	} while (again);
}

static void wake_done(struct loop_job *job)
{
	free(job);
}

static void wake(void)
{
	struct loop_job *job;
	struct err e = ERR_NULL;
	bool start;

	pthread_mutex_lock(&hub.lock);
	start = hub.n && !hub.waking;
	hub.woken = hub.waking;
	hub.waking = hub.waking || start;
	pthread_mutex_unlock(&hub.lock);
	if (!start)
		return;
	job = xcalloc(1, sizeof(*job));
	job->work = wake_work;
	job->done = wake_done;
	if (loop_work(world.loop, LANE_CALL, job, &e) == 0)
		return;
	wake_work(job); /* the lane is full */
	free(job);
}

static void on_prune(struct loop_timer *t)
{
	int64_t now = clock_monotonic_ns();
	bool empty;

	pthread_mutex_lock(&hub.lock);
	log_prune(now);
	empty = list_empty(&hub.log);
	pthread_mutex_unlock(&hub.lock);
	if (!empty)
		loop_timer_set(world.loop, t, now + RESUME_NS, on_prune);
}

/* Append an event; takes the packet. */
static void event_log(struct rpc_packet *packet)
{
	struct pod_event *ev = xcalloc(1, sizeof(*ev));

	ev->packet = packet;
	ev->logged_ns = clock_monotonic_ns();
	list_init(&ev->node);
	pthread_mutex_lock(&hub.lock);
	ev->seq = hub.seq++;
	ev->before = hub.bytes;
	hub.bytes += packet->size;
	list_append(&hub.log, &ev->node);
	mark_slow();
	log_prune(ev->logged_ns);
	pthread_mutex_unlock(&hub.lock);
	if (!hub.prune.slot)
		loop_timer_set(world.loop, &hub.prune, ev->logged_ns + RESUME_NS, on_prune);
	wake();
}

/* --- events of moves: on the loop --- */

static struct listing_row row_of(const struct sm_object *sm, enum kind k)
{
	struct listing_row row = { .kind = k, .row = sm->row, .state = sm_state(sm) };

	memcpy(row.id, sm->id, sizeof(row.id));
	return row;
}

static bool is_visible(const struct sm_object *sm, enum kind k)
{
	return !listing_is_hidden(k, sm_state(sm), sm->row);
}

/* What an event is about. */
struct subject {
	enum kind kind;
	const char *id;
	const struct object *pod; /* its pod, or itself; NULL: deleted */
	struct listing_row *pod_row; /* of a deleted pod; NULL: lost */
};

/* Fill the statuses; rows: room for those of the pod and of its containers.  false: too large for
 * the arena. */
static bool fill_statuses(Runtime__V1__ContainerEventResponse *ev, const struct subject *s,
			  struct listing_row *rows, struct arena *a)
{
	const struct object *c = NULL;
	size_t n = 0;

	rows[n] = s->pod ? row_of(s->pod->sm, KIND_SANDBOX) : *s->pod_row;
	ev->pod_sandbox_status = api_pod_status(a, &rows[n++]);
	if (!ev->pod_sandbox_status)
		return false;
	while (s->pod && (c = world_child(s->pod, KIND_CONTAINER, c))) {
		Runtime__V1__ContainerStatus *status;

		if (!is_visible(c->sm, KIND_CONTAINER))
			continue;
		rows[n] = row_of(c->sm, KIND_CONTAINER);
		status = api_container_status(a, &rows[n++]);
		if (!status)
			return false;
		ev->containers_statuses[ev->n_containers_statuses++] = status;
	}
	return true;
}

static size_t containers_of(const struct object *pod)
{
	size_t n = 0;

	for (const struct object *c = NULL; pod && (c = world_child(pod, KIND_CONTAINER, c));)
		n++;
	return n;
}

static void event_make(const struct subject *s, event_type type, int64_t at_ns)
{
	const char *prefix = kind_ops(s->kind)->machine->prefix;
	size_t n = containers_of(s->pod);
	Runtime__V1__ContainerEventResponse ev = RUNTIME__V1__CONTAINER_EVENT_RESPONSE__INIT;
	_cleanup_free_ Runtime__V1__ContainerStatus **statuses =
		xcalloc(n + 1, sizeof(Runtime__V1__ContainerStatus *));
	_cleanup_free_ struct listing_row *rows = xcalloc(n + 1, sizeof(*rows));
	bool has_pod = s->pod || s->pod_row;
	struct arena *a = arena_new(LIMIT_CALL_ARENA);

	ev.container_id = (char *)(uintptr_t)s->id;
	ev.container_event_type = type;
	ev.created_at = at_ns;
	ev.containers_statuses = statuses;
	if (!has_pod)
		log_warn("event without its pod", "%s=%.13s", prefix, s->id);
	if (has_pod &&
	    (!fill_statuses(&ev, s, rows, a) ||
	     runtime__v1__container_event_response__get_packed_size(&ev) > LIMIT_EVENT)) {
		ev.n_containers_statuses = 0;
		log_warn("event without its containers", "%s=%.13s containers=%zu limit=%d", prefix,
			 s->id, n, LIMIT_EVENT);
	}
	event_log(rpc_packet_pack(&ev.base));
	arena_free(a);
}

/* What a move of a container is to a client; at most two events. */
static unsigned container_events(const Crisp__State__Container *row, int from, int to,
				 event_type ret[2])
{
	unsigned n = 0;
	bool ends = to == RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED;
	bool runs = to == RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING;

	if (to < 0)
		ret[n++] = DELETED;
	else if (from < 0)
		ret[n++] = CREATED;
	/* An end may be found before the start is reported. */
	if (from != to && (runs || (ends && row->started_ns &&
				    from == RUNTIME__V1__CONTAINER_STATE__CONTAINER_CREATED)))
		ret[n++] = STARTED;
	if (from != to && ends)
		ret[n++] = STOPPED;
	return n;
}

static unsigned pod_events(const struct sm_machine *m, uint16_t from, uint16_t to, int from_shows,
			   event_type ret[2])
{
	unsigned n = 0;

	if (m->states[to].kind == SM_KIND_FINAL) {
		ret[n++] = DELETED;
	} else if (from_shows < 0) {
		ret[n++] = CREATED;
		ret[n++] = STARTED;
	} else if (sm_trait_of(m, to, "down") && !sm_trait_of(m, from, "down")) {
		ret[n++] = STOPPED;
	}
	return n;
}

static unsigned events_of(enum kind k, const void *row, uint16_t from, uint16_t to,
			  event_type ret[2])
{
	const struct kind_ops *ops = kind_ops(k);
	const struct sm_state *states = ops->machine->states;
	int was = listing_shows(k, &states[from]), is = listing_shows(k, &states[to]);

	if ((was < 0 && is < 0) || ops->is_hidden(row))
		return 0;
	if (k == KIND_SANDBOX)
		return pod_events(ops->machine, from, to, was, ret);
	return container_events(row, was, is, ret);
}

static struct subject subject_of(const struct object *o)
{
	const struct sm_object *parent = o->sm->parent;

	return (struct subject){
		.kind = o->kind,
		.id = o->sm->id,
		.pod = o->kind == KIND_SANDBOX ? o
		       : parent		       ? object_of(parent)
					       : NULL,
	};
}

static void on_move(struct object *o, const struct sm_row *row)
{
	const struct subject s = subject_of(o);
	event_type types[2];
	unsigned n;

	if (o->kind != KIND_SANDBOX && o->kind != KIND_CONTAINER)
		return;
	n = events_of(o->kind, o->sm->row, row->state, row->target, types);
	for (unsigned i = 0; i < n; i++)
		event_make(&s, types[i], sm_history_at(o->sm, o->sm->n_history - 1)->at_ns);
}

/* --- events of the earlier daemon --- */

struct recalled {
	struct subject of;
	event_type type;
	int64_t at_ns;
};

struct recall {
	int64_t since_ns, last_ns;
	struct listing_row *ended; /* rows of deleted objects */
	size_t n_ended, ended_room;
	struct recalled *list;
	size_t n, room;
};

/* Add the events of one move since since_ns. */
static void recall_move(struct recall *r, const struct subject *s, const void *row,
			const struct sm_transition *t)
{
	event_type types[2];
	unsigned n = t->at_ns < r->since_ns ? 0 : events_of(s->kind, row, t->from, t->to, types);

	for (unsigned i = 0; i < n; i++) {
		if (r->n == r->room) {
			r->room = r->room * 2 + 64;
			r->list = xrealloc(r->list, r->room * sizeof(*r->list));
		}
		r->list[r->n++] = (struct recalled){ *s, types[i], t->at_ns };
	}
}

static void recall_object(struct recall *r, const struct object *o)
{
	const struct subject s = subject_of(o);

	for (uint16_t i = 0; i < o->sm->n_history; i++)
		recall_move(r, &s, o->sm->row, sm_history_at(o->sm, i));
}

static void add_ended(void *arg, struct listing_row *row)
{
	const Crisp__State__Envelope *env = row->envelope;
	struct recall *r = arg;

	if (r->n_ended == r->ended_room) {
		r->ended_room = r->ended_room * 2 + 16;
		r->ended = xrealloc(r->ended, r->ended_room * sizeof(*r->ended));
	}
	if (env->n_history)
		r->last_ns = MAX(r->last_ns, env->history[env->n_history - 1]->at_ns);
	r->ended[r->n_ended++] = *row;
}

static struct listing_row *find_ended_pod(const struct recall *r, const char *id)
{
	for (size_t i = 0; i < r->n_ended; i++)
		if (r->ended[i].kind == KIND_SANDBOX && strcmp(r->ended[i].id, id) == 0)
			return &r->ended[i];
	return NULL;
}

static void recall_ended(struct recall *r, struct listing_row *row)
{
	const struct sm_machine *m = kind_ops(row->kind)->machine;
	struct subject s = { .kind = row->kind, .id = row->id };

	if (row->kind == KIND_SANDBOX) {
		s.pod_row = row;
	} else {
		const Crisp__State__Container *c = row->row;

		s.pod = world_find(KIND_SANDBOX, c->sandbox_id);
		s.pod_row = s.pod ? NULL : find_ended_pod(r, c->sandbox_id);
	}
	for (size_t i = 0; i < row->envelope->n_history; i++) {
		const Crisp__State__Transition *t = row->envelope->history[i];
		int from = sm_state_by_number(m, t->from), to = sm_state_by_number(m, t->to);
		const struct sm_transition move = {
			.at_ns = t->at_ns,
			.from = (uint16_t)from,
			.to = (uint16_t)to,
		};

		if (from >= 0 && to >= 0)
			recall_move(r, &s, row->row, &move);
	}
}

static int recalled_compare(const void *a, const void *b)
{
	const struct recalled *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return (int)x->type - (int)y->type;
}

static int64_t last_move(enum kind k, int64_t last)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[k], &pos)))
		if (o->sm->n_history)
			last = MAX(last, sm_history_at(o->sm, o->sm->n_history - 1)->at_ns);
	return last;
}

static void recall_kind(struct recall *r, enum kind k)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[k], &pos)))
		recall_object(r, o);
}

static void recall(void)
{
	struct recall r = { .list = NULL };
	struct err e = ERR_NULL;

	if (ended_each(add_ended, &r, &e) < 0)
		log_err(LOG_LEVEL_WARN, "events of deleted objects are missing", &e);
	r.last_ns = last_move(KIND_CONTAINER, last_move(KIND_SANDBOX, r.last_ns));
	r.since_ns = r.last_ns - RESUME_NS;
	for (size_t i = 0; i < r.n_ended; i++)
		recall_ended(&r, &r.ended[i]);
	recall_kind(&r, KIND_SANDBOX);
	recall_kind(&r, KIND_CONTAINER);
	if (r.n)
		qsort(r.list, r.n, sizeof(*r.list), recalled_compare);
	for (size_t i = 0; i < r.n; i++)
		event_make(&r.list[i].of, r.list[i].type, r.list[i].at_ns);
	for (size_t i = 0; i < r.n_ended; i++)
		listing_row_done(&r.ended[i]);
	free(r.ended);
	free(r.list);
}

static struct observer observer = { .moved = on_move };

void podevents_start(void)
{
	/* Events that were not kept come first: the next stream is told their number. */
	hub.seq = ended_dropped();
	hub.resume_seq = hub.bytes = 0;
	hub.resume_ns = clock_monotonic_ns() + RESUME_NS;
	list_init(&hub.log);
	list_init(&hub.subscribers);
	if (!world.conf->enable_pod_events)
		return;
	observer_add(&observer);
	recall();
}

void podevents_stop(void)
{
	struct pod_event *ev;

	observer_del(&observer);
	if (!hub.log.next)
		return;
	loop_timer_stop(world.loop, &hub.prune);
	while ((ev = event_first()))
		event_free(ev);
}

uint64_t podevents_dropped(void)
{
	uint64_t n;

	pthread_mutex_lock(&hub.lock);
	n = hub.dropped;
	pthread_mutex_unlock(&hub.lock);
	return n;
}

/* --- subscribers --- */

static int next_event(struct rpc_feed *feed, struct rpc_packet **ret, struct err *e)
{
	struct subscriber *s = container_of(feed, struct subscriber, feed);
	const struct pod_event *ev;

	(void)e;
	pthread_mutex_lock(&hub.lock);
	ev = s->slow ? NULL : event_find(s->seq);
	if (ev) {
		s->seq = ev->seq + 1;
		s->before = ev->before + ev->packet->size;
		*ret = rpc_packet_ref(ev->packet);
	}
	pthread_mutex_unlock(&hub.lock);
	return ev ? RPC_FEED_MESSAGE : RPC_FEED_WAIT;
}

/* With enable_pod_events = false. */
static int next_none(struct rpc_feed *feed, struct rpc_packet **ret, struct err *e)
{
	(void)feed;
	(void)ret;
	(void)e;
	return RPC_FEED_END;
}

static void none_done(struct rpc_feed *feed)
{
	free(container_of(feed, struct subscriber, feed));
}

static void subscriber_done(struct rpc_feed *feed)
{
	struct subscriber *s = container_of(feed, struct subscriber, feed);
	int64_t now = clock_monotonic_ns();

	pthread_mutex_lock(&hub.lock);
	list_remove(&s->node);
	hub.n--;
	/* A subscriber that was too slow got the number of events that it lost. */
	if (s->slow) {
		hub.dropped += hub.seq - s->seq;
	} else {
		if (now > hub.resume_ns || s->seq < hub.resume_seq)
			hub.resume_seq = s->seq;
		hub.resume_ns = now + RESUME_NS;
	}
	log_prune(now);
	pthread_mutex_unlock(&hub.lock);
	rpc_call_unref(s->call);
	free(s);
}

/* Set the first event of a new stream.  Returns the number of events that an ended stream did not
 * get and that are no longer kept: the next stream begins behind them.  Under lock. */
static uint64_t subscriber_begin(struct subscriber *s)
{
	const struct pod_event *ev = NULL;
	bool owed = clock_monotonic_ns() <= hub.resume_ns;
	uint64_t lost;

	if (owed)
		ev = event_find(hub.resume_seq);
	s->seq = ev ? ev->seq : hub.seq;
	s->before = ev ? ev->before : hub.bytes;
	lost = owed ? s->seq - hub.resume_seq : 0;
	if (lost)
		hub.resume_seq = s->seq;
	return lost;
}

int rpc_get_container_events(struct rpc_call *call, const Runtime__V1__GetEventsRequest *req,
			     struct err *e)
{
	struct subscriber *s;
	uint64_t lost;

	(void)req;
	s = xcalloc(1, sizeof(*s));
	if (!world.conf->enable_pod_events) {
		s->feed = (struct rpc_feed){ .next = next_none, .done = none_done };
		rpc_feed_start(call, &s->feed);
		return 0;
	}
	s->feed = (struct rpc_feed){
		.next = next_event,
		.done = subscriber_done,
		.endless = true,
	};
	pthread_mutex_lock(&hub.lock);
	if (hub.n >= LIMIT_SUBSCRIBERS) {
		pthread_mutex_unlock(&hub.lock);
		free(s);
		return err_set(e, ERR_EXHAUSTED,
			       "GetContainerEvents: %d streams are open already: end one",
			       LIMIT_SUBSCRIBERS);
	}
	lost = subscriber_begin(s);
	if (lost) {
		pthread_mutex_unlock(&hub.lock);
		free(s);
		return err_set(e, ERR_EXHAUSTED,
			       "GetContainerEvents: %llu events since the last stream were lost: "
			       "more than the %d bytes that are kept; list, and subscribe again",
			       (unsigned long long)lost, LIMIT_EVENTS_KEPT);
	}
	s->call = rpc_call_ref(call);
	list_init(&s->node);
	list_append(&hub.subscribers, &s->node);
	hub.n++;
	pthread_mutex_unlock(&hub.lock);
	rpc_feed_start(call, &s->feed);
	return 0;
}
