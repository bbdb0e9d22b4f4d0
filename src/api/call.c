/*
 * call.c - life of one gRPC call: arrival, decoding and validation, dispatch, reply, release.
 */
#include "api/call.h"

#include <assert.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <malloc.h>
#include <string.h>

#include "api/feed.h"
#include "api/wire.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/reason.h"
#include "base/util.h"

/* Messages of at least this size cause a malloc_trim when freed. */
#define TRIM_BYTES (1024 * 1024)

struct calls *calls_new(const struct server_options *o)
{
	struct calls *cs = xcalloc(1, sizeof(*cs));
	pthread_condattr_t attr;

	pthread_mutex_init(&cs->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&cs->changed, &attr);
	pthread_condattr_destroy(&attr);
	list_init(&cs->in_flight);
	cs->links = links_new();
	cs->refs = 1;
	cs->max_calls = o->max_calls ? o->max_calls : LIMIT_CALLS_IN_FLIGHT;
	cs->max_send = o->max_send ? o->max_send : LIMIT_MESSAGE;
	cs->on_call = o->on_call;
	cs->arg = o->arg;
	return cs;
}

void calls_unref(struct calls *cs)
{
	unsigned left;

	pthread_mutex_lock(&cs->lock);
	left = --cs->refs;
	pthread_mutex_unlock(&cs->lock);
	if (left)
		return;
	links_free(cs->links);
	pthread_cond_destroy(&cs->changed);
	pthread_mutex_destroy(&cs->lock);
	free(cs);
}

/* Release the library's half of a call. */
static void call_release_grpc(struct rpc_call *c)
{
	if (!c->grpc)
		return;
	if (c->payload)
		grpc_byte_buffer_destroy(c->payload);
	grpc_call_details_destroy(&c->details);
	grpc_metadata_array_destroy(&c->metadata);
	grpc_call_unref(c->grpc);
	c->payload = NULL;
	c->grpc = NULL;
}

void calls_stop(struct calls *cs)
{
	pthread_mutex_lock(&cs->lock);
	cs->stopped = true;
	while (cs->batches)
		pthread_cond_wait(&cs->changed, &cs->lock);
	pthread_mutex_unlock(&cs->lock);
}

void calls_abandon(struct calls *cs)
{
	pthread_mutex_lock(&cs->lock);
	list_for_each(n, &cs->in_flight)
		call_release_grpc(list_entry(n, struct rpc_call, node));
	pthread_mutex_unlock(&cs->lock);
}

struct rpc_call *rpc_call_ref(struct rpc_call *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void rpc_call_unref(struct rpc_call *c)
{
	struct calls *cs = c->calls;
	bool large;

	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	pthread_mutex_lock(&cs->lock);
	links_freed(cs->links, c->link);
	pthread_mutex_unlock(&cs->lock);
	large = MAX(c->request_bytes, c->response_bytes) >= TRIM_BYTES;
	call_release_grpc(c);
	feeding_free(atomic_load(&c->feeding));
	free(c->path);
	free(c);
	/* The library reads into small pieces; a surviving piece keeps all below it resident. */
	if (large)
		malloc_trim(0);
	calls_unref(cs);
}

static void batches_drop(struct calls *cs)
{
	pthread_mutex_lock(&cs->lock);
	if (--cs->batches == 0)
		pthread_cond_broadcast(&cs->changed);
	pthread_mutex_unlock(&cs->lock);
}

/* Reserve a batch; call under the lock.  false: no batch may be started.  Counts two: one for the
 * event, one for the thread inside the library, which may return after the event. */
static bool batch_reserve(struct calls *cs)
{
	if (cs->stopped)
		return false;
	cs->batches += 2;
	return true;
}

/* Start the reserved batch; it takes one reference to c. */
static void batch_give(struct rpc_call *c, const grpc_op *ops, size_t n, struct cq_event *ev)
{
	struct calls *cs = c->calls;
	grpc_call *call = c->grpc; /* c may be freed once the event is given to the library */
	grpc_call_error r = grpc_call_start_batch(call, ops, n, cq_event_give(ev), NULL);

	assert(r == GRPC_CALL_OK);
	batches_drop(cs);
}

/* Drop the event's reference, then its count.  In this order, no thread can enter the library once
 * the count is 0. */
void call_batch_end(struct rpc_call *c)
{
	struct calls *cs = c->calls;

	rpc_call_unref(c);
	batches_drop(cs);
}

bool call_batch(struct rpc_call *c, const grpc_op *ops, size_t n, struct cq_event *ev)
{
	bool go;

	pthread_mutex_lock(&c->calls->lock);
	go = batch_reserve(c->calls);
	pthread_mutex_unlock(&c->calls->lock);
	if (!go)
		return false;
	batch_give(rpc_call_ref(c), ops, n, ev);
	return true;
}

static void on_sent(struct cq_event *ev, bool ok)
{
	(void)ok; /* false: the client had gone before */
	call_batch_end(container_of(ev, struct rpc_call, sent));
}

static void on_closed(struct cq_event *ev, bool ok)
{
	struct rpc_call *c = container_of(ev, struct rpc_call, closed);

	(void)ok; /* always true; closed_cancelled has the result */
	if (c->closed_cancelled) {
		atomic_store(&c->cancelled, true);
		feeding_cancel(c);
	}
	call_batch_end(c);
}

struct rpc_call *call_new(struct calls *cs, const struct rpc_method *method, void *slot)
{
	struct rpc_call *c = xcalloc(1, sizeof(*c));

	c->calls = cs;
	list_init(&c->node);
	c->method = method;
	c->slot = slot;
	atomic_init(&c->refs, 1);
	atomic_init(&c->arena_holders, 2);
	c->closed.fn = on_closed;
	c->sent.fn = on_sent;
	c->peer.pid = -1;
	grpc_metadata_array_init(&c->metadata);
	grpc_call_details_init(&c->details);
	pthread_mutex_lock(&cs->lock);
	cs->refs++;
	pthread_mutex_unlock(&cs->lock);
	return c;
}

void call_drop(struct rpc_call *c)
{
	rpc_call_unref(c);
}

struct server_call_info call_info(const struct rpc_call *c)
{
	return (struct server_call_info){
		.path = c->method ? c->method->path : c->path,
		.name = c->method ? c->method->name : "",
		.peer_pid = c->peer.pid,
		.peer_uid = c->peer.uid,
		.age_ns = clock_monotonic_ns() - c->arrived_ns,
		.deadline_ns = c->deadline_ns,
		.cancelled = atomic_load(&c->cancelled),
		.request_bytes = c->request_bytes,
		.text = "",
	};
}

/* Free the arena after both the reply and the dispatch.  The handler may answer from another thread
 * while the dispatch still reads the request. */
static void call_release_arena(struct rpc_call *c)
{
	if (atomic_fetch_sub(&c->arena_holders, 1) != 1)
		return;
	arena_free(c->arena);
	c->arena = NULL;
}

void rpc_call_hold(struct rpc_call *c)
{
	rpc_call_ref(c);
	atomic_fetch_add(&c->arena_holders, 1);
}

void rpc_call_release(struct rpc_call *c)
{
	call_release_arena(c);
	rpc_call_unref(c);
}

/* Remove the call from the list.  true: send the reply to the client.  false: the server has
 * stopped, and the call must not touch the library again. */
static bool call_settle(struct rpc_call *c)
{
	bool before = atomic_exchange(&c->answered, true), go;
	struct calls *cs = c->calls;

	assert(!before);
	pthread_mutex_lock(&cs->lock);
	if (!list_empty(&c->node)) {
		list_remove(&c->node);
		cs->counts.in_flight -= !c->endless;
		cs->counts.answered++;
	}
	if (!c->endless)
		links_end(cs->links, c->link);
	go = batch_reserve(cs);
	if (!go)
		call_release_grpc(c);
	pthread_mutex_unlock(&cs->lock);
	return go;
}

/* Every answer passes here. */
void call_answer(struct rpc_call *c, grpc_byte_buffer *message, enum err_code code,
		 const char *text)
{
	grpc_slice details = grpc_slice_from_copied_string(text);
	grpc_op ops[3] = { 0 };
	size_t n = 0;

	if (message)
		c->response_bytes = grpc_byte_buffer_length(message);
	if (c->calls->on_call) {
		struct server_call_info info = call_info(c);

		info.code = code;
		info.text = text;
		info.response_bytes = c->response_bytes;
		c->calls->on_call(&info, c->calls->arg);
	}
	if (!c->opened)
		ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
	if (message) {
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n++].data.send_message.send_message = message;
	}
	ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[n].data.send_status_from_server.status = (grpc_status_code)code;
	ops[n++].data.send_status_from_server.status_details = text[0] ? &details : NULL;
	call_release_arena(c);
	if (call_settle(c))
		batch_give(c, ops, n, &c->sent);
	else
		rpc_call_unref(c);
	if (message)
		grpc_byte_buffer_destroy(message);
	grpc_slice_unref(details);
}

/* Allocate a reply of size bytes for the caller to fill.  NULL: too large; c was answered with an
 * error. */
static void *answer_reserve(struct rpc_call *c, size_t size, grpc_slice *ret)
{
	struct err e;

	if (size > c->calls->max_send) {
		err_set(&e, ERR_EXHAUSTED,
			"%s: the answer has %zu bytes and may have %zu: ask for less with a "
			"filter, or use the streaming form of the call",
			c->method->name, size, c->calls->max_send);
		rpc_fail(c, &e);
		return NULL;
	}
	*ret = grpc_slice_malloc(size);
	return GRPC_SLICE_START_PTR(*ret);
}

static void answer_slice(struct rpc_call *c, grpc_slice *slice)
{
	grpc_byte_buffer *message = grpc_raw_byte_buffer_create(slice, 1);

	grpc_slice_unref(*slice);
	call_answer(c, message, ERR_OK, "");
}

void rpc_reply(struct rpc_call *c, const ProtobufCMessage *resp)
{
	size_t size = protobuf_c_message_get_packed_size(resp);
	grpc_slice slice;
	void *p = answer_reserve(c, size, &slice);

	if (!p)
		return;
	protobuf_c_message_pack(resp, p);
	wire_clean(resp->descriptor, p, size);
	answer_slice(c, &slice);
}

void rpc_reply_bytes(struct rpc_call *c, const void *data, size_t size)
{
	grpc_slice slice;
	void *p = answer_reserve(c, size, &slice);

	if (!p)
		return;
	if (size)
		memcpy(p, data, size);
	answer_slice(c, &slice);
}

void rpc_fail(struct rpc_call *c, const struct err *e)
{
	char text[ERR_TEXT_MAX];
	size_t n = strnlen(e->text, sizeof(text) - 1);

	memcpy(text, e->text, n);
	text[n] = '\0';
	wire_clean_text(text, n);
	call_answer(c, NULL, e->code == ERR_OK ? ERR_INTERNAL : reason_code(e), text);
}

const struct rpc_method *rpc_call_method(const struct rpc_call *c)
{
	return c->method;
}

struct arena *rpc_call_arena(struct rpc_call *c)
{
	return c->arena;
}

int64_t rpc_call_deadline(const struct rpc_call *c)
{
	return c->deadline_ns;
}

bool rpc_call_cancelled(const struct rpc_call *c)
{
	return atomic_load(&c->cancelled);
}

/* Path of an unknown method, as text. */
static char *path_of(const grpc_call_details *d)
{
	size_t n = MIN(GRPC_SLICE_LENGTH(d->method), (size_t)256);
	char *path = xstrndup((const char *)GRPC_SLICE_START_PTR(d->method), n);

	wire_clean_text(path, strlen(path));
	return path;
}

static int64_t deadline_ns(gpr_timespec t)
{
	if (gpr_time_cmp(t, gpr_inf_future(t.clock_type)) == 0)
		return INT64_MAX;
	t = gpr_convert_clock_type(t, GPR_CLOCK_REALTIME);
	if (t.tv_sec > INT64_MAX / NSEC_PER_SEC - 1)
		return INT64_MAX;
	return t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static int unpack_bytes(struct rpc_call *c, const uint8_t *data, size_t size,
			ProtobufCMessage **ret, struct err *e)
{
	const ProtobufCMessageDescriptor *d = c->method->request;
	int r;

	r = wire_check(d, data, size, e);
	if (r < 0)
		return err_wrap(e, "%s: the request cannot be decoded", c->method->name);
	*ret = protobuf_c_message_unpack(d, arena_allocator(c->arena), size, data);
	if (!*ret) /* wire_check accepted the bytes, so decoding failed for lack of arena memory */
		return err_set(e, ERR_EXHAUSTED, "%s: the request takes more than %d bytes decoded",
			       c->method->name, LIMIT_CALL_ARENA);
	return 0;
}

/* Decode the payload into the call's arena and free the payload. */
static int request_unpack(struct rpc_call *c, ProtobufCMessage **ret, struct err *e)
{
	grpc_byte_buffer_reader reader;
	grpc_slice *first, all;
	int r;

	if (!c->payload)
		return err_set(e, ERR_INVALID, "%s: the call carries no request", c->method->name);
	if (!grpc_byte_buffer_reader_init(&reader, c->payload))
		return err_set(e, ERR_INVALID, "%s: the request's compression is not known",
			       c->method->name);
	if (c->payload->data.raw.slice_buffer.count == 1 &&
	    grpc_byte_buffer_reader_peek(&reader, &first)) {
		r = unpack_bytes(c, GRPC_SLICE_START_PTR(*first), GRPC_SLICE_LENGTH(*first), ret,
				 e);
	} else {
		all = grpc_byte_buffer_reader_readall(&reader);
		r = unpack_bytes(c, GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all), ret, e);
		grpc_slice_unref(all);
	}
	grpc_byte_buffer_reader_destroy(&reader);
	grpc_byte_buffer_destroy(c->payload);
	c->payload = NULL;
	return r;
}

static int call_dispatch(struct rpc_call *c, struct err *e)
{
	const struct rpc_method *m = c->method;
	ProtobufCMessage *req;
	char msg[256] = "";
	int r;

	if (!m)
		return err_set(e, ERR_UNIMPLEMENTED, "unknown method %.200s", c->path);
	if (m->kind == RPC_KIND_UNIMPLEMENTED || !m->handle)
		return err_set(e, ERR_UNIMPLEMENTED, "%s %s%s", m->name,
			       m->refusal ? "is refused: " : "is not implemented",
			       m->refusal ? m->refusal : "");
	c->arena = arena_new(LIMIT_CALL_ARENA);
	r = request_unpack(c, &req, e);
	if (r < 0)
		return r;
	if (m->validate && !m->validate(req, msg, sizeof(msg)))
		return err_set(e, ERR_INVALID, "%s: %s", m->name, msg);
	return m->handle(c, req, e);
}

/* Add the call to the list unless the list is full. */
static int call_count(struct rpc_call *c, int fd, struct err *e)
{
	struct calls *cs = c->calls;
	bool linked, room;

	pthread_mutex_lock(&cs->lock);
	linked = links_begin(cs->links, fd, &c->link, &c->peer);
	room = cs->counts.in_flight < cs->max_calls;
	if (linked && room) {
		cs->counts.in_flight++;
		list_append(&cs->in_flight, &c->node);
	} else {
		cs->counts.refused++;
	}
	pthread_mutex_unlock(&cs->lock);
	if (!linked)
		return err_set(e, ERR_EXHAUSTED,
			       "too many connections have calls in flight: use "
			       "one that is open, or try again later");
	if (!room)
		return err_set(e, ERR_EXHAUSTED, "%u calls are in flight already: try again later",
			       cs->max_calls);
	return 0;
}

/* Watch for the client's end.  The library requires exactly one such batch for each call. */
static void call_watch(struct rpc_call *c)
{
	grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };

	op.data.recv_close_on_server.cancelled = &c->closed_cancelled;
	call_batch(c, &op, 1, &c->closed);
}

void call_run(struct rpc_call *c, int fd)
{
	struct err e = ERR_NULL;
	int r;

	c->arrived_ns = clock_monotonic_ns();
	if (!c->method) {
		c->path = path_of(&c->details);
		c->deadline = c->details.deadline;
	}
	if (c->payload)
		c->request_bytes = grpc_byte_buffer_length(c->payload);
	c->deadline_ns = deadline_ns(c->deadline);
	atomic_fetch_add(&c->refs, 1); /* this function's */
	call_watch(c);
	r = call_count(c, fd, &e);
	if (r == 0)
		r = call_dispatch(c, &e);
	/* A handler that failed has not answered; one that succeeded has or will. */
	if (r < 0)
		rpc_fail(c, &e);
	call_release_arena(c);
	rpc_call_unref(c);
}
