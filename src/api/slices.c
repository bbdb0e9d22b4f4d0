/*
 * slices.c - queues the packed items of one slice, and posts to the loop for the next slice.
 */
#include "api/slices.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "api/wire.h"
#include "base/buf.h"
#include "base/limits.h"
#include "core/objects.h"

struct queued {
	struct list node;
	struct rpc_packet *packet;
};

static void slices_free(struct slices *s)
{
	list_for_each_safe(n, &s->packets) {
		struct queued *q = list_entry(n, struct queued, node);

		rpc_packet_unref(q->packet);
		free(q);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void on_make(struct loop_post *post)
{
	struct slices *s = container_of(post, struct slices, post);
	struct err e = ERR_NULL;
	bool ended;

	pthread_mutex_lock(&s->lock);
	ended = s->ended;
	pthread_mutex_unlock(&s->lock);
	if (ended) {
		slices_made(s, NULL, 0);
	} else if (world.draining) {
		err_set(&e, ERR_UNAVAILABLE, "crispd is shutting down: try again");
		slices_failed(s, &e);
	} else {
		s->make(s);
	}
}

static int next_packet(struct rpc_feed *feed, struct rpc_packet **ret, struct err *e)
{
	struct slices *s = container_of(feed, struct slices, feed);
	int r = RPC_FEED_WAIT;
	bool post = false;

	pthread_mutex_lock(&s->lock);
	if (!list_empty(&s->packets)) {
		struct queued *q = list_entry(s->packets.next, struct queued, node);

		list_remove(&q->node);
		*ret = q->packet;
		free(q);
		r = RPC_FEED_MESSAGE;
	} else if (s->failed.code) {
		*e = s->failed;
		r = -(int)e->code;
	} else if (!s->making && s->last) {
		r = RPC_FEED_END;
	} else if (!s->making) {
		s->making = post = true;
		rpc_call_hold(s->rpc); /* until over */
	}
	pthread_mutex_unlock(&s->lock);
	if (post)
		loop_post(world.loop, &s->post);
	return r;
}

static void stream_ended(struct rpc_feed *feed)
{
	struct slices *s = container_of(feed, struct slices, feed);
	bool making;

	pthread_mutex_lock(&s->lock);
	s->ended = true;
	making = s->making;
	pthread_mutex_unlock(&s->lock);
	if (!making)
		slices_free(s);
}

void slices_start(struct rpc_call *rpc, const ProtobufCMessage *req, void (*make)(struct slices *s))
{
	struct slices *s = xcalloc(1, sizeof(*s));

	s->make = make;
	s->rpc = rpc;
	s->req = req;
	s->feed.next = next_packet;
	s->feed.done = stream_ended;
	s->post.fn = on_make;
	list_init(&s->packets);
	pthread_mutex_init(&s->lock, NULL);
	rpc_feed_start(rpc, &s->feed);
}

/* The slice is made: wake the stream, or free s if the stream has ended. */
static void over(struct slices *s)
{
	struct rpc_call *rpc = s->rpc;
	bool ended;

	pthread_mutex_lock(&s->lock);
	s->making = false;
	ended = s->ended;
	pthread_mutex_unlock(&s->lock);
	if (ended)
		slices_free(s);
	else
		rpc_feed_wake(rpc);
	rpc_call_release(rpc);
}

/* The field of the response that has the list. */
static const ProtobufCFieldDescriptor *list_field(const ProtobufCMessageDescriptor *d)
{
	for (unsigned i = 0; i < d->n_fields; i++)
		if (d->fields[i].label == PROTOBUF_C_LABEL_REPEATED &&
		    d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			return &d->fields[i];
	return NULL;
}

/* Pack items from *at on into one message of the stream, up to LIMIT_BATCH bytes. */
static struct queued *pack(const struct rpc_method *m, ProtobufCMessage *const *items, size_t n,
			   size_t *at)
{
	struct queued *q = xcalloc(1, sizeof(*q));
	const ProtobufCFieldDescriptor *f = list_field(m->response);
	char resp[256] __attribute__((aligned(16)));
	size_t from = *at, size = 0;

	assert(f && m->response->sizeof_message <= sizeof(resp));
	while (*at < n && size < LIMIT_BATCH)
		size += protobuf_c_message_get_packed_size(items[(*at)++]);
	protobuf_c_message_init(m->response, resp);
	*(ProtobufCMessage *const **)(void *)(resp + f->offset) = items + from;
	*(size_t *)(void *)(resp + f->quantifier_offset) = *at - from;
	q->packet = rpc_packet_pack((const ProtobufCMessage *)(const void *)resp);
	return q;
}

void slices_made(struct slices *s, ProtobufCMessage *const *items, size_t n)
{
	for (size_t at = 0; at < n;) {
		struct queued *q = pack(rpc_call_method(s->rpc), items, n, &at);

		pthread_mutex_lock(&s->lock);
		list_append(&s->packets, &q->node);
		pthread_mutex_unlock(&s->lock);
	}
	over(s);
}

void slices_failed(struct slices *s, const struct err *e)
{
	pthread_mutex_lock(&s->lock);
	s->failed = *e;
	pthread_mutex_unlock(&s->lock);
	over(s);
}
