/*
 * feed.c - sends the messages of a server-streaming call, one at a time.
 * The library's event of a sent message means that flow control has accepted the message; only then
 * the next one is asked for.  A status may be sent while a message is on its way.
 */
#include "api/feed.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/call.h"
#include "api/wire.h"
#include "base/util.h"

enum feeding_state {
	FEEDING_IDLE, /* until rpc_feed_wake */
	FEEDING_ASKING, /* one thread is in pump */
	FEEDING_SENDING, /* a batch is under way */
};

struct feeding {
	struct rpc_call *call;
	struct rpc_feed *feed; /* NULL: ended */
	pthread_mutex_t lock;
	struct cq_event sent;
	/* Under lock. */
	enum feeding_state state;
	bool woken; /* rpc_feed_wake was called while ASKING */
	bool ending; /* answer with `why`; done by the thread in pump if there is one */
	struct err why; /* code ERR_OK: the stream is complete */
};

/* --- packets --- */

struct rpc_packet *rpc_packet_new(size_t size)
{
	struct rpc_packet *p = xmalloc(sizeof(*p) + size);

	atomic_init(&p->refs, 1);
	p->size = size;
	return p;
}

struct rpc_packet *rpc_packet_pack(const ProtobufCMessage *m)
{
	struct rpc_packet *p = rpc_packet_new(protobuf_c_message_get_packed_size(m));

	protobuf_c_message_pack(m, p->data);
	wire_clean(m->descriptor, p->data, p->size);
	return p;
}

struct rpc_packet *rpc_packet_ref(struct rpc_packet *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void rpc_packet_unref(struct rpc_packet *p)
{
	if (p && atomic_fetch_sub(&p->refs, 1) == 1)
		free(p);
}

static void slice_done(void *packet)
{
	rpc_packet_unref(packet);
}

/* --- one stream --- */

/* Answer with f->why and unlock; no thread is in pump.  The caller has a reference to the call. */
static void finish(struct feeding *f)
{
	struct rpc_feed *feed = take_ptr(f->feed);

	if (f->why.code)
		rpc_fail(f->call, &f->why);
	else
		call_answer(f->call, NULL, ERR_OK, "");
	pthread_mutex_unlock(&f->lock);
	feed->done(feed);
}

/* Send the packet and drop the reference to it.  Under lock.  false: f->why is set. */
static bool send_packet(struct feeding *f, struct rpc_packet *p)
{
	struct rpc_call *c = f->call;
	grpc_op op = { .op = GRPC_OP_SEND_MESSAGE };
	grpc_slice slice;
	bool sent;

	if (p->size > c->calls->max_send) {
		err_set(&f->why, ERR_EXHAUSTED, "%s: a message has %zu bytes and may have %zu",
			c->method->name, p->size, c->calls->max_send);
		rpc_packet_unref(p);
		return false;
	}
	c->response_bytes += p->size;
	slice = grpc_slice_new_with_user_data(p->data, p->size, slice_done, p);
	op.data.send_message.send_message = grpc_raw_byte_buffer_create(&slice, 1);
	sent = call_batch(c, &op, 1, &f->sent);
	if (!sent)
		err_set(&f->why, ERR_UNAVAILABLE, "crispd is shutting down");
	grpc_byte_buffer_destroy(op.data.send_message.send_message);
	grpc_slice_unref(slice);
	return sent;
}

/* Ask for the next message and send it.  The state is ASKING, and the caller has a reference to the
 * call. */
static void pump(struct feeding *f)
{
	for (;;) {
		struct rpc_packet *p = NULL;
		struct err e = ERR_NULL;
		int r;

		pthread_mutex_lock(&f->lock);
		f->woken = false;
		pthread_mutex_unlock(&f->lock);
		r = f->feed->next(f->feed, &p, &e);
		pthread_mutex_lock(&f->lock);
		if (f->ending) {
			rpc_packet_unref(p);
			break;
		}
		if (r == RPC_FEED_WAIT && !f->woken) {
			f->state = FEEDING_IDLE;
			pthread_mutex_unlock(&f->lock);
			return;
		}
		if (r == RPC_FEED_MESSAGE && send_packet(f, p)) {
			f->state = FEEDING_SENDING;
			pthread_mutex_unlock(&f->lock);
			return;
		}
		if (r < 0)
			f->why = e;
		if (r != RPC_FEED_WAIT)
			break;
		pthread_mutex_unlock(&f->lock);
	}
	f->ending = true;
	f->state = FEEDING_IDLE;
	finish(f);
}

/* End the stream from outside of pump. */
static void feeding_end(struct feeding *f, const struct err *e)
{
	pthread_mutex_lock(&f->lock);
	if (f->ending) {
		pthread_mutex_unlock(&f->lock);
		return;
	}
	f->ending = true;
	f->why = *e;
	if (f->state == FEEDING_ASKING)
		pthread_mutex_unlock(&f->lock);
	else
		finish(f);
}

static void on_sent(struct cq_event *ev, bool ok)
{
	struct feeding *f = container_of(ev, struct feeding, sent);
	struct rpc_call *c = f->call;
	bool ended;

	pthread_mutex_lock(&f->lock);
	ended = f->ending;
	f->state = !ended && ok ? FEEDING_ASKING : FEEDING_IDLE;
	pthread_mutex_unlock(&f->lock);
	if (!ended && ok)
		pump(f);
	else if (!ended)
		feeding_cancel(c);
	call_batch_end(c);
}

/* Count the call as a stream: a connection that has nothing else is idle, and gives its place to
 * another at the limit of connections.  false: the server drains. */
static bool count_endless(struct rpc_call *c)
{
	struct calls *cs = c->calls;
	bool go;

	pthread_mutex_lock(&cs->lock);
	go = !cs->draining;
	c->endless = true;
	cs->counts.in_flight--;
	links_end(cs->links, c->link);
	pthread_mutex_unlock(&cs->lock);
	return go;
}

void rpc_feed_start(struct rpc_call *c, struct rpc_feed *feed)
{
	grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA };
	struct feeding *f = xcalloc(1, sizeof(*f));
	struct err e = ERR_NULL;

	f->call = rpc_call_ref(c); /* this function's */
	f->feed = feed;
	f->sent.fn = on_sent;
	f->state = FEEDING_SENDING;
	pthread_mutex_init(&f->lock, NULL);
	pthread_mutex_lock(&f->lock);
	atomic_store(&c->feeding, f);
	if (!feed->endless || count_endless(c))
		c->opened = call_batch(c, &op, 1, &f->sent);
	pthread_mutex_unlock(&f->lock);
	err_set(&e, ERR_UNAVAILABLE, "crispd is shutting down");
	if (!c->opened)
		feeding_end(f, &e);
	else if (rpc_call_cancelled(c))
		feeding_cancel(c); /* the client left before f was stored */
	rpc_call_unref(c);
}

void rpc_feed_wake(struct rpc_call *c)
{
	struct feeding *f = atomic_load(&c->feeding);
	bool idle;

	if (!f)
		return; /* rpc_feed_start will ask for the first message */
	pthread_mutex_lock(&f->lock);
	idle = !f->ending && f->state == FEEDING_IDLE;
	f->woken = true;
	if (idle)
		f->state = FEEDING_ASKING;
	pthread_mutex_unlock(&f->lock);
	if (idle)
		pump(f);
}

void rpc_feed_fail(struct rpc_call *c, const struct err *e)
{
	struct feeding *f = atomic_load(&c->feeding);

	if (f)
		feeding_end(f, e);
}

void feeding_cancel(struct rpc_call *c)
{
	struct feeding *f = atomic_load(&c->feeding);
	struct err e = ERR_NULL;

	if (!f)
		return;
	err_set(&e, ERR_CANCELLED, "%s: the client has disconnected", c->method->name);
	feeding_end(f, &e);
}

/* Take an endless stream that has not ended; its call gets a reference. */
static struct rpc_call *endless_take(struct calls *cs)
{
	struct rpc_call *found = NULL;

	pthread_mutex_lock(&cs->lock);
	cs->draining = true;
	list_for_each(n, &cs->in_flight) {
		struct rpc_call *c = list_entry(n, struct rpc_call, node);

		if (!c->endless || c->drained)
			continue;
		c->drained = true;
		found = rpc_call_ref(c);
		break;
	}
	pthread_mutex_unlock(&cs->lock);
	return found;
}

void feeding_drain(struct calls *cs)
{
	struct rpc_call *c;
	struct err e = ERR_NULL;

	err_set(&e, ERR_UNAVAILABLE, "crispd is shutting down");
	while ((c = endless_take(cs))) {
		rpc_feed_fail(c, &e);
		rpc_call_unref(c);
	}
}

void feeding_free(struct feeding *f)
{
	if (!f)
		return;
	pthread_mutex_destroy(&f->lock);
	free(f);
}
