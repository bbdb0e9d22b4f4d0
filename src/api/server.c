/*
 * server.c - the gRPC server's life: start listener, library, queue threads, accept thread; stop in
 * reverse order.
 */
#include "api/server.h"

#include <assert.h>
#include <errno.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "api/call.h"
#include "api/feed.h"
#include "api/listen.h"
#include "api/rpc.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/util.h"

#define THREADS_MAX 8
#define TRIM_MS 5000
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
	pthread_t threads[THREADS_MAX], accept_thread;
	unsigned n_threads;
	int wake_fd; /* ends the accept thread; -1: none */
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

static void accept_one(struct server *s, grpc_server_credentials *creds)
{
	_cleanup_close_ int fd = accept4(s->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int why = errno;

	pthread_mutex_lock(&s->calls->lock);
	if (fd >= 0)
		links_add(s->calls->links, fd);
	else if (why == EMFILE || why == ENFILE)
		links_evict(s->calls->links);
	pthread_mutex_unlock(&s->calls->lock);
	if (fd >= 0)
		grpc_server_add_channel_from_fd(s->grpc, take_fd(fd), creds);
	/* No descriptor or memory left: retry later; clients wait in the backlog. */
	else if (why == EMFILE || why == ENFILE || why == ENOMEM || why == ENOBUFS)
		poll(&(struct pollfd){ .fd = s->wake_fd, .events = POLLIN }, 1, 100);
}

/* Trim the heap.  Bursts of calls and connections leave holes, which the library reuses but never
 * returns. */
static void give_back(int64_t *last_ns)
{
	int64_t now = clock_monotonic_ns();
	struct mallinfo2 info;
	uint64_t resident, used;

	if (now < *last_ns + TRIM_MS * NSEC_PER_MSEC)
		return;
	*last_ns = now;
	resident = proc_resident();
	if (resident < HOLES_MAX)
		return;
	info = mallinfo2();
	used = info.uordblks + info.hblkhd;
	if (resident > used + HOLES_MAX)
		malloc_trim(0);
}

static void *accept_main(void *arg)
{
	struct server *s = arg;
	grpc_server_credentials *creds = grpc_insecure_server_credentials_create();
	int64_t trimmed_ns = 0;

	pthread_setname_np(pthread_self(), "crisp-accept");
	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = s->wake_fd, .events = POLLIN },
			{ .fd = s->listener.fd, .events = POLLIN },
		};
		int n = poll(fds, 2, TRIM_MS);

		give_back(&trimmed_ns);
		if (n <= 0)
			continue; /* or EINTR */
		if (fds[0].revents)
			break;
		accept_one(s, creds);
	}
	grpc_server_credentials_release(creds);
	return NULL;
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

static int thread_start(pthread_t *ret, void *(*fn)(void *), void *arg, struct err *e)
{
	int r = pthread_create(ret, NULL, fn, arg);

	if (r)
		return err_errno(e, ERR_EXHAUSTED, r, "start a thread of the gRPC server");
	return 0;
}

static int server_run(struct server *s, unsigned n_threads, struct err *e)
{
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
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake_fd < 0)
		return err_errno(e, ERR_EXHAUSTED, errno, "eventfd of the gRPC server");
	r = thread_start(&s->accept_thread, accept_main, s, e);
	if (r < 0)
		close_fdp(&s->wake_fd);
	return r;
}

int server_start(const struct server_options *o, struct server **ret, struct err *e)
{
	struct server *s = xcalloc(1, sizeof(*s));
	int r;

	s->listener = LISTENER_NULL;
	s->wake_fd = -1;
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
		r = server_run(s, o->threads ? MIN(o->threads, (unsigned)THREADS_MAX) : 2, e);
	if (r < 0) {
		server_stop(s);
		return r;
	}
	*ret = s;
	return 0;
}

static void accept_stop(struct server *s)
{
	uint64_t one = 1;

	if (s->wake_fd >= 0) {
		fs_write_all(s->wake_fd, &one, sizeof(one));
		pthread_join(s->accept_thread, NULL);
		close_fdp(&s->wake_fd);
	}
	listener_close(&s->listener);
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
		listener_close(&s->listener);
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
