/*
 * reads.c - the RPCs about objects that a snapshot answers.  struct rpc_select defines lookup and
 * filters, executed here; only responses about one object are hand-written.
 * A list consists of the snapshot's packed messages, unchanged.  A message is unpacked only for
 * labels and names.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/limits.h"
#include "base/str.h"

static enum kind kind_of(const struct rpc_select *s)
{
	enum kind k = kind_of_machine(s->machine);

	assert(k < KIND_COUNT);
	return k;
}

/* --- filters --- */

/* Every map<string, string> entry has the same two fields at the same offsets. */
typedef Runtime__V1__Container__LabelsEntry map_entry;

static bool has_label(map_entry *const *labels, size_t n, const map_entry *want)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(labels[i]->key, want->key) == 0)
			return strcmp(labels[i]->value, want->value) == 0;
	return false;
}

static bool has_labels(const struct rpc_select *s, const ProtobufCMessage *item,
		       map_entry *const *wanted, size_t n_wanted)
{
	map_entry *const *labels = *(map_entry *const *const *)api_field(item, 0, s->labels);
	size_t n = *(const size_t *)api_field(item, 0, s->n_labels);

	for (size_t i = 0; i < n_wanted; i++)
		if (!has_label(labels, n, wanted[i]))
			return false;
	return true;
}

static bool unpacked_passes(const struct rpc_select *s, const struct rpc_test *t, const void *field,
			    size_t n_field, const struct listing *v)
{
	ProtobufCMessage *item = protobuf_c_message_unpack(s->item, NULL, v->size, v->item);
	bool passes = false;

	if (item && t->of == RPC_TEST_NAME)
		passes = s->named(item, *(const char *const *)field);
	else if (item)
		passes = has_labels(s, item, *(map_entry *const *const *)field, n_field);
	protobuf_c_message_free_unpacked(item, NULL);
	return passes;
}

static bool passes(const struct rpc_select *s, const struct rpc_test *t,
		   const ProtobufCMessage *filter, const struct listing *v)
{
	const void *field = api_field(filter, t->inside, t->field);
	size_t n;

	if (!field)
		return true;
	switch (t->of) {
	case RPC_TEST_PREFIX:
		return str_starts(v->id, *(const char *const *)field);
	case RPC_TEST_PARENT:
		return str_starts(v->head.owner, *(const char *const *)field);
	case RPC_TEST_NAME:
		return !**(const char *const *)field || unpacked_passes(s, t, field, 0, v);
	case RPC_TEST_STATE:
		return *(const int *)field == (int)v->head.state;
	case RPC_TEST_LABELS:
		n = *(const size_t *)api_field(filter, t->inside, t->n_field);
		return n == 0 || unpacked_passes(s, t, field, n, v);
	}
	abort();
}

struct read_walk {
	const struct rpc_select *s;
	const ProtobufCMessage *filter; /* NULL: all */
	const char *id; /* of the one object; NULL: many */
	int (*fn)(void *arg, const struct listing *v);
	void *arg;
};

static int walk_step(void *arg, const struct listing *v)
{
	struct read_walk *w = arg;

	if (w->id && strcmp(v->id, w->id) != 0)
		return 0;
	if (w->s->unless && *w->s->unless == (int)v->head.state)
		return 0;
	for (size_t i = 0; w->filter && i < w->s->n_tests; i++)
		if (!passes(w->s, &w->s->tests[i], w->filter, v))
			return 0;
	return w->fn(w->arg, v);
}

int api_select_each(const struct rpc_select *s, const ProtobufCMessage *req, const char *after,
		    int (*fn)(void *arg, const struct listing *v), void *arg, struct err *e)
{
	struct read_walk w = { .s = s, .fn = fn, .arg = arg };
	struct object *o;
	int r;

	if (s->where) {
		w.filter = *(const ProtobufCMessage *const *)api_field(req, 0, s->where);
	} else {
		r = world_lookup(kind_of(s), api_text(req, s->inside, s->by), &o, e);
		if (r < 0)
			return r;
		w.id = o->sm->id;
	}
	return listing_each(kind_of(s), after, walk_step, &w, e);
}

/* --- lists --- */

struct list_answer {
	unsigned field;
	struct buf packed;
	char last[ID_LEN + 1]; /* id of the last item */
	bool full; /* packed has a batch */
};

static size_t put_varint(unsigned char *to, size_t v)
{
	size_t n = 0;

	do {
		to[n++] = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		v >>= 7;
	} while (v);
	return n;
}

static int add_item(void *arg, const struct listing *v)
{
	struct list_answer *l = arg;
	unsigned char head[20];
	size_t n = put_varint(head, (size_t)l->field << 3 | 2 /* length-delimited */);

	n += put_varint(head + n, v->size);
	buf_add(&l->packed, head, n);
	buf_add(&l->packed, v->item, v->size);
	return 0;
}

static int add_to_batch(void *arg, const struct listing *v)
{
	struct list_answer *l = arg;

	add_item(l, v);
	if (l->packed.len < LIMIT_BATCH)
		return 0;
	l->full = true;
	snprintf(l->last, sizeof(l->last), "%s", v->id);
	return 1;
}

static int answer_list(struct rpc_call *call, const struct rpc_select *s,
		       const ProtobufCMessage *req, struct err *e)
{
	struct list_answer l = { .field = s->items };
	int r = api_select_each(s, req, "", add_item, &l, e);

	if (r == 0)
		rpc_reply_bytes(call, l.packed.data, l.packed.len);
	buf_done(&l.packed);
	return r;
}

/* A list as a stream.  Each batch is read from a snapshot of its own, behind the last item: memory
 * is one batch, and the store keeps no old pages for a slow client.  An object that exists
 * all the time is sent exactly once, one that is made or removed meanwhile at most once. */
struct batches {
	struct rpc_feed feed;
	const struct rpc_select *s;
	const ProtobufCMessage *req;
	char after[ID_LEN + 1];
	bool complete;
};

static int next_batch(struct rpc_feed *feed, struct rpc_packet **ret, struct err *e)
{
	struct batches *b = container_of(feed, struct batches, feed);
	struct list_answer l = { .field = b->s->items };
	int r;

	if (b->complete)
		return RPC_FEED_END;
	r = api_select_each(b->s, b->req, b->after, add_to_batch, &l, e);
	b->complete = !l.full;
	memcpy(b->after, l.last, sizeof(b->after));
	if (r >= 0 && l.packed.len) {
		*ret = rpc_packet_new(l.packed.len);
		memcpy((*ret)->data, l.packed.data, l.packed.len);
	}
	buf_done(&l.packed);
	if (r < 0)
		return r;
	return *ret ? RPC_FEED_MESSAGE : RPC_FEED_END;
}

static void batches_done(struct rpc_feed *feed)
{
	free(container_of(feed, struct batches, feed));
}

static void answer_batches(struct rpc_call *call, const struct rpc_select *s,
			   const ProtobufCMessage *req)
{
	struct batches *b = xcalloc(1, sizeof(*b));

	b->feed.next = next_batch;
	b->feed.done = batches_done;
	b->s = s;
	b->req = req;
	rpc_feed_start(call, &b->feed);
}

/* --- one object --- */

static int answer_by_id(struct rpc_call *call, const struct rpc_select *s,
			const ProtobufCMessage *req, struct err *e)
{
	struct listing_row row;
	int r = listing_get(kind_of(s), api_text(req, s->inside, s->by), &row, e);

	if (r == -(int)ERR_NOT_FOUND && s->gone_ok)
		return s->answer(call, req, NULL, e);
	if (r < 0)
		return r;
	r = s->answer(call, req, &row, e);
	listing_row_done(&row);
	return r;
}

struct named_search {
	const struct rpc_select *s;
	const char *name;
	ProtobufCMessage *found;
};

static int search_name(void *arg, const struct listing *v)
{
	struct named_search *n = arg;
	ProtobufCMessage *item = protobuf_c_message_unpack(n->s->item, NULL, v->size, v->item);

	if (item && n->s->named(item, n->name)) {
		n->found = item;
		return 1;
	}
	protobuf_c_message_free_unpacked(item, NULL);
	return 0;
}

static int answer_by_name(struct rpc_call *call, const struct rpc_select *s,
			  const ProtobufCMessage *req, struct err *e)
{
	struct named_search n = { .s = s, .name = api_text(req, s->inside, s->by) };
	int r = listing_each(kind_of(s), "", search_name, &n, e);

	if (r < 0)
		return r;
	if (!n.found && !s->gone_ok)
		return err_set(e, ERR_NOT_FOUND, "there is no %s of \"%.300s\"", s->machine,
			       n.name);
	r = s->answer(call, req, n.found, e);
	protobuf_c_message_free_unpacked(n.found, NULL);
	return r;
}

int rpc_read(struct rpc_call *call, const ProtobufCMessage *req, struct err *e)
{
	const struct rpc_select *s = rpc_call_method(call)->selects;

	if (s->batches) {
		answer_batches(call, s, req);
		return 0;
	}
	if (s->where)
		return answer_list(call, s, req, e);
	return s->named ? answer_by_name(call, s, req, e) : answer_by_id(call, s, req, e);
}
