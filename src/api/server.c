/*
 * server.c - the gRPC server's life: start listener, library, queue threads, accept thread with a
 * loop of its own; stop in reverse order.
 */
#include "api/server.h"

#include <assert.h>
#include <errno.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>

#include "api/arrivals.h"
#include "api/call.h"
#include "api/feed.h"
#include "api/httpd.h"
#include "api/listen.h"
#include "api/rpc.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/util.h"
#include "loop/loop.h"

#define THREADS_MAX 8
#define TRIM_NS (5 * NSEC_PER_SEC)
#define HOLES_MAX ((uint64_t)12 * 1024 * 1024) /* half of it is the program itself */

/* A method as the library knows it.  A server's last slot, with method NULL, takes calls to
 * unregistered methods, which would otherwise wait until their own deadline. */
struct method_slot {
	struct server *server;
	const struct rpc_method *method;
	void *registered;
};

struct server {
	struct listener listener;
	struct calls *calls;
	grpc_server *grpc;
	grpc_completion_queue *cq;
	struct method_slot *slots;
	size_t n_slots;
	grpc_server_credentials *creds;
	pthread_t threads[THREADS_MAX], accept_thread;
	unsigned n_threads;
	struct loop *loop; /* of the accept thread */
	struct arrivals *arrivals;
	struct loop_timer trim;
	bool accepts; /* the accept thread runs */
	struct cq_event shut;
	bool drained;
	bool shut_done; /* calls->lock */
};

/* Descriptor of the connection, from the peer name that the library gives it: "fd:12".  A late call
 * may be counted for the next connection with that descriptor.  -1: none. */
static int descriptor_of(grpc_call *call)
{
	char *name = grpc_call_get_peer(call);
	uint64_t fd;

	if (!name || !str_starts(name, "fd:") || str_to_u64(name + 3, INT32_MAX, &fd) < 0)
		fd = UINT64_MAX;
	gpr_free(name);
	return (int)fd;
}

static void slot_arm(struct method_slot *slot);

static void on_arrive(struct cq_event *ev, bool ok)
{
	struct rpc_call *c = container_of(ev, struct rpc_call, arrive);
	struct method_slot *slot = c->slot;

	if (!ok) { /* the server ends */
		call_drop(c);
		return;
	}
	slot_arm(slot);
	call_run(c, descriptor_of(c->grpc));
}

/* Request the next call of this method from the library. */
static void slot_arm(struct method_slot *slot)
{
	struct server *s = slot->server;
	struct rpc_call *c = call_new(s->calls, slot->method, slot);
	grpc_call_error r;
	void *tag;

	c->arrive.fn = on_arrive;
	tag = cq_event_give(&c->arrive);
	if (slot->method)
		r = grpc_server_request_registered_call(s->grpc, slot->registered, &c->grpc,
							&c->deadline, &c->metadata, &c->payload,
							s->cq, s->cq, tag);
	else
		r = grpc_server_request_call(s->grpc, &c->grpc, &c->details, &c->metadata, s->cq,
					     s->cq, tag);
	if (r != GRPC_CALL_OK) /* the queue is shut down */
		call_drop(c);
}

static void on_shut(struct cq_event *ev, bool ok)
{
	struct server *s = container_of(ev, struct server, shut);

	(void)ok;
	pthread_mutex_lock(&s->calls->lock);
	s->shut_done = true;
	pthread_cond_broadcast(&s->calls->changed);
	pthread_mutex_unlock(&s->calls->lock);
}

static void *queue_main(void *arg)
{
	struct server *s = arg;

	pthread_setname_np(pthread_self(), "crisp-grpc");
	for (;;) {
		grpc_event ev = grpc_completion_queue_next(
			s->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);

		if (ev.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		cq_event_run(ev.tag, ev.success);
	}
}

static int thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct err *e)
{
	int r = pthread_create(ret, NULL, fn, arg);

	if (r)
		return err_errno(e, ERR_EXHAUSTED, r, "start a thread of the gRPC server");
	return 0;
}

static void add_client(void *arg, int fd)
{
	struct server *s = arg;

	pthread_mutex_lock(&s->calls->lock);
	links_add(s->calls->links, fd);
	pthread_mutex_unlock(&s->calls->lock);
	grpc_server_add_channel_from_fd(s->grpc, fd, s->creds);
}

static void evict_client(void *arg)
{
	struct server *s = arg;

	pthread_mutex_lock(&s->calls->lock);
	links_evict(s->calls->links);
	pthread_mutex_unlock(&s->calls->lock);
}

/* Trim the heap.  Bursts of calls and connections leave holes, which the library reuses but never
 * returns. */
static void give_back(struct loop_timer *t)
{
	struct server *s = container_of(t, struct server, trim);
	uint64_t resident = proc_resident();
	struct mallinfo2 info;

	loop_timer_set(s->loop, t, clock_monotonic_ns() + TRIM_NS, give_back);
	if (resident < HOLES_MAX)
		return;
	info = mallinfo2();
	if (resident > info.uordblks + info.hblkhd + HOLES_MAX)
		malloc_trim(0);
}

static void *accept_main(void *arg)
{
	struct server *s = arg;

	pthread_setname_np(pthread_self(), "crisp-accept");
	loop_run(s->loop);
	return NULL;
}

static void no_http(const struct http_head *head, struct httpd_answer *ret)
{
	(void)head;
	httpd_say(ret, "404 Not Found", "only gRPC is served here");
}

static int accept_start(struct server *s, const struct server_options *o, struct err *e)
{
	const struct arrival_hooks hooks = {
		.grpc = add_client,
		.evict = evict_client,
		.arg = s,
		.http = o->http ? o->http : no_http,
	};
	int r;

	s->creds = grpc_insecure_server_credentials_create();
	s->loop = loop_new(e);
	if (!s->loop)
		return -(int)e->code;
	r = arrivals_open(s->loop, s->listener.fd, &hooks, &s->arrivals, e);
	if (r < 0)
		return r;
	give_back(&s->trim);
	r = thread_start(&s->accept_thread, accept_main, s, e);
	s->accepts = r == 0;
	return r;
}

static void accept_stop(struct server *s)
{
	if (s->accepts) {
		loop_stop(s->loop);
		pthread_join(s->accept_thread, NULL);
		s->accepts = false;
	}
	arrivals_close(take_ptr(s->arrivals));
	if (s->loop) {
		loop_timer_stop(s->loop, &s->trim);
		loop_free(take_ptr(s->loop));
	}
	if (s->creds)
		grpc_server_credentials_release(take_ptr(s->creds));
	listener_close(&s->listener);
}

static grpc_arg arg_int(const char *key, size_t value)
{
	return (grpc_arg){
		.type = GRPC_ARG_INTEGER,
		.key = (char *)(uintptr_t)key, /* not written */
		.value.integer = (int)MIN(value, (size_t)INT32_MAX),
	};
}

static grpc_server *grpc_server_make(const struct server_options *o, const struct calls *cs)
{
	size_t recv = o->max_recv ? o->max_recv : LIMIT_MESSAGE;
	grpc_arg args[] = {
		arg_int(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, recv + LIMIT_MESSAGE_SLACK),
		/* rpc_reply enforces max_send with a better text. */
		arg_int(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, INT32_MAX),
		/* The client's library delays calls above this limit. */
		arg_int(GRPC_ARG_MAX_CONCURRENT_STREAMS,
			MIN(cs->max_calls, (unsigned)LIMIT_CALLS_OF_CONNECTION)),
		/* Never disconnect a client for frequent pings: no strikes are counted. */
		arg_int(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0),
		arg_int(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000),
		/* Introspection and bandwidth probing cost memory and CPU, and a unix socket needs
		 * neither. */
		arg_int(GRPC_ARG_ENABLE_CHANNELZ, 0),
		arg_int(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0),
		arg_int(GRPC_ARG_HTTP2_BDP_PROBE, 0),
	};
	grpc_channel_args all = { .num_args = ARRAY_LEN(args), .args = args };

	return grpc_server_create(&all, NULL);
}

static int slots_register(struct server *s, const struct server_options *o, struct err *e)
{
	s->n_slots = o->n_methods + 1;
	s->slots = xcalloc(s->n_slots, sizeof(*s->slots));
	for (size_t i = 0; i < s->n_slots; i++) {
		struct method_slot *slot = &s->slots[i];

		slot->server = s;
		if (i == o->n_methods)
			break;
		slot->method = &o->methods[i];
		/* Any host: clients send "localhost" or the socket's path. */
		slot->registered =
			grpc_server_register_method(s->grpc, slot->method->path, NULL,
						    GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
		if (!slot->registered)
			return err_set(e, ERR_INTERNAL, "method %s is in the table twice",
				       slot->method->path);
	}
	return 0;
}

static int server_run(struct server *s, const struct server_options *o, struct err *e)
{
	unsigned n_threads = o->threads ? MIN(o->threads, (unsigned)THREADS_MAX) : 2;
	int r;

	grpc_server_start(s->grpc);
	for (size_t i = 0; i < s->n_slots; i++)
		slot_arm(&s->slots[i]);
	while (s->n_threads < n_threads) {
		r = thread_start(&s->threads[s->n_threads], queue_main, s, e);
		if (r < 0)
			return r;
		s->n_threads++;
	}
	return accept_start(s, o, e);
}

int server_start(const struct server_options *o, struct server **ret, struct err *e)
{
	struct server *s = xcalloc(1, sizeof(*s));
	int r;

	s->listener = LISTENER_NULL;
	s->shut.fn = on_shut;
	r = listener_open(&s->listener, o->path, o->mode ? o->mode : 0660, e);
	if (r < 0) {
		free(s);
		return r;
	}
	s->calls = calls_new(o);
	grpc_init();
	s->grpc = grpc_server_make(o, s->calls);
	s->cq = grpc_completion_queue_create_for_next(NULL);
	grpc_server_register_completion_queue(s->grpc, s->cq, NULL);
	r = slots_register(s, o, e);
	if (r == 0)
		r = server_run(s, o, e);
	if (r < 0) {
		server_stop(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* Wait until the library reports the last call's end.  false: at_ns (monotonic) came first. */
static bool shut_wait(struct server *s, int64_t at_ns)
{
	struct timespec at = { .tv_sec = at_ns / NSEC_PER_SEC, .tv_nsec = at_ns % NSEC_PER_SEC };
	struct calls *cs = s->calls;
	bool done;
	int r = 0;

	pthread_mutex_lock(&cs->lock);
	while (!s->shut_done && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&cs->changed, &cs->lock, &at);
	done = s->shut_done;
	pthread_mutex_unlock(&cs->lock);
	return done;
}

int server_drain(struct server *s, int64_t grace_ms)
{
	int64_t now = clock_monotonic_ns();

	if (s->drained)
		return 0;
	s->drained = true;
	accept_stop(s);
	grpc_server_shutdown_and_notify(s->grpc, s->cq, cq_event_give(&s->shut));
	feeding_drain(s->calls);
	if (shut_wait(s, now + MAX(grace_ms, (int64_t)0) * NSEC_PER_MSEC))
		return 0;
	/* Closes connections too, even of an unresponsive client. */
	grpc_server_cancel_all_calls(s->grpc);
	while (!shut_wait(s, clock_monotonic_ns() + NSEC_PER_SEC))
		;
	return 1;
}

/* The queue's threads drain the queue; after a failed start the caller does. */
static void queue_finish(struct server *s)
{
	grpc_completion_queue_shutdown(s->cq);
	for (unsigned i = 0; i < s->n_threads; i++)
		pthread_join(s->threads[i], NULL);
	if (!s->n_threads)
		queue_main(s);
	calls_abandon(s->calls);
	grpc_completion_queue_destroy(s->cq);
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	if (s->n_threads) {
		server_drain(s, 0);
		calls_stop(s->calls);
	} else {
		accept_stop(s);
		grpc_server_shutdown_and_notify(s->grpc, s->cq, cq_event_give(&s->shut));
	}
	queue_finish(s);
	grpc_server_destroy(s->grpc);
	grpc_shutdown();
	listener_done(&s->listener);
	calls_unref(s->calls);
	free(s->slots);
	free(s);
}

void server_calls(struct server *s, void (*fn)(const struct server_call_info *info, void *arg),
		  void *arg)
{
	pthread_mutex_lock(&s->calls->lock);
	list_for_each(n, &s->calls->in_flight) {
		struct server_call_info info = call_info(list_entry(n, struct rpc_call, node));

		fn(&info, arg);
	}
	pthread_mutex_unlock(&s->calls->lock);
}

struct server_counts server_get_counts(struct server *s)
{
	struct server_counts counts;

	pthread_mutex_lock(&s->calls->lock);
	counts = s->calls->counts;
	pthread_mutex_unlock(&s->calls->lock);
	return counts;
}
