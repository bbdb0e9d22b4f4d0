/*
 * rpc.h - one call as the generated glue and the handlers see it, and the row of the method table.
 * A call is decoded into its own arena, checked by the generated validator and passed to one typed
 * handler (gen/cri_rpc.h).  The handler answers exactly once, from any thread, by rpc_reply,
 * rpc_reply_bytes or rpc_fail.  The request and all memory of the call's arena live until then.
 * A server-streaming call is answered with a feed, see below.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct arena;
struct caller;
struct listing_row;
struct object;
struct rpc_call;
struct sm_event;
struct sm_object;

enum rpc_kind {
	RPC_KIND_EVENT, /* raises an event of a machine, answered by its `reply` */
	RPC_KIND_READ, /* answered at once from a snapshot of the store */
	RPC_KIND_DIRECT, /* work outside the machines, answered when done */
	RPC_KIND_UNIMPLEMENTED, /* and refused ones, which have a reason */
};

/* An event line of states/rpc.bind; executed by rpc_raise. */
struct rpc_event {
	const char *machine;
	int event; /* index in the machine's events */
	size_t inside; /* offset of the pointer to the message with by; 0: the request */
	size_t by; /* offset of the string that names the object; 0: make returns the object */
	bool each; /* send the event to every object of that name */
	bool gone_ok; /* a missing object is answered OK */
	bool broken_removed; /* a quarantined object is removed instead */
	/* Hooks, each may be NULL.  <0: e is set. */
	int (*make)(const ProtobufCMessage *req, struct object **ret, struct err *e);
	int (*check)(const ProtobufCMessage *req, const struct object *o, struct err *e);
	int (*carry)(const ProtobufCMessage *req, const struct object *o, struct sm_event **ret,
		     struct err *e);
	/* Send the reply.  NULL: reply with e, or with a response without fields. */
	void (*answer)(struct rpc_call *call, const struct sm_object *obj, const struct err *e);
};

/* The property of an object's listing that a filter field is compared with. */
enum rpc_test_of {
	RPC_TEST_PREFIX, /* prefix of its id */
	RPC_TEST_PARENT, /* prefix of its parent's id */
	RPC_TEST_NAME, /* one of its names */
	RPC_TEST_STATE, /* its CRI state */
	RPC_TEST_LABELS, /* its labels include all of these */
};

/* One test of a filter; passed when the field is empty or its message absent. */
struct rpc_test {
	enum rpc_test_of of;
	size_t inside; /* offset of the pointer to the message with field; 0: the filter */
	size_t field; /* offset of the field */
	size_t n_field; /* labels only: offset of their count */
};

/* A selection line of states/rpc.bind.  rpc_read executes it for reads, api_select_each for direct
 * RPCs. */
struct rpc_select {
	const char *machine;
	const ProtobufCMessageDescriptor *item; /* type of an object's message in listings */
	bool (*named)(const ProtobufCMessage *item, const char *name); /* NULL: by id */
	/* One object, as in struct rpc_event; by 0: many. */
	size_t inside, by;
	bool gone_ok; /* call answer with NULL when the object is missing */
	/* found: the struct listing_row; with named, the item.  0: answered or will be answered. */
	int (*answer)(struct rpc_call *call, const ProtobufCMessage *req, const void *found,
		      struct err *e);
	/* Many objects. */
	size_t where; /* offset of the pointer to the filter; the message may be absent */
	const struct rpc_test *tests;
	size_t n_tests;
	const int *unless; /* CRI state left out of the list; NULL: none */
	size_t labels, n_labels; /* offsets in item; 0: item has no labels */
	unsigned items; /* reads only: field number of the list in the response */
	bool batches; /* reads of streams: send the list in messages of about LIMIT_BATCH */
};

struct rpc_method {
	const char *path; /* "/runtime.v1.RuntimeService/Version" */
	const char *name; /* "Version" */
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response;
	bool server_streaming;
	enum rpc_kind kind;
	const struct rpc_event *raises; /* for RPC_KIND_EVENT, else NULL */
	const struct rpc_select *selects; /* reads and direct RPCs about objects, else NULL */
	const char *refusal; /* why the RPC is refused, else NULL */
	/* true: valid.  false: msg names the field and the violated rule. */
	bool (*validate)(const ProtobufCMessage *req, char *msg, size_t size);
	/* 0: answered or will be answered; <0: e is set and the caller answers. */
	int (*handle)(struct rpc_call *call, const ProtobufCMessage *req, struct err *e);
};

/* rpc_raise: handle of every RPC_KIND_EVENT (events.c). rpc_read: handle of each RPC_KIND_READ that
 * selects (reads.c). */
int rpc_raise(struct rpc_call *call, const ProtobufCMessage *req, struct err *e);
int rpc_read(struct rpc_call *call, const ProtobufCMessage *req, struct err *e);

/* handle of a direct RPC on the loop; take starts its work or answers there.  0: take owns c and
 * ends the call with caller_finish, or with rpc_reply and free.  <0: e is set and the call fails
 * with it.  empty: success answers with a response without fields. */
int rpc_take(struct rpc_call *call, const ProtobufCMessage *req,
	     int (*take)(struct caller *c, const void *req, struct err *e), bool empty);

const struct rpc_method *rpc_call_method(const struct rpc_call *call);

/* The arena that lives until the call is answered.  When its cap is reached, allocations return
 * NULL and the caller fails the call with ERR_EXHAUSTED. */
struct arena *rpc_call_arena(struct rpc_call *call);

/* The client's deadline, CLOCK_REALTIME in ns; INT64_MAX: none. */
int64_t rpc_call_deadline(const struct rpc_call *call);

/* True once the client has gone (cancel, deadline, connection lost).  The work goes on. */
bool rpc_call_cancelled(const struct rpc_call *call);

/* Answer with a message; packed before the return, so resp may live on the caller's stack. */
void rpc_reply(struct rpc_call *call, const ProtobufCMessage *resp);

/* Answer with a packed response message; copied. */
void rpc_reply_bytes(struct rpc_call *call, const void *data, size_t size);

/* Answer with a status. */
void rpc_fail(struct rpc_call *call, const struct err *e);

/* --- server streaming --- */

/* A packed message, shared by reference between calls. */
struct rpc_packet {
	atomic_uint refs;
	size_t size;
	unsigned char data[];
};

/* With one reference. */
struct rpc_packet *rpc_packet_new(size_t size);
/* Pack m, with bytes that are no UTF-8 in its strings replaced. */
struct rpc_packet *rpc_packet_pack(const ProtobufCMessage *m);
struct rpc_packet *rpc_packet_ref(struct rpc_packet *p);
void rpc_packet_unref(struct rpc_packet *p); /* p may be NULL */

enum {
	RPC_FEED_END, /* answer OK */
	RPC_FEED_MESSAGE, /* *ret is the next message */
	RPC_FEED_WAIT, /* no message yet; ask again after rpc_feed_wake */
};

/* The messages of one server-streaming call; embedded in the handler's data.  At most one message
 * is on its way to the client: next is called once it has left, so a client that does not read
 * costs one message. */
struct rpc_feed {
	/* Get the next message; the feed takes the reference *ret.  <0: e is set and ends the
	 * stream.  One call at a time, on any thread; must not block. */
	int (*next)(struct rpc_feed *f, struct rpc_packet **ret, struct err *e);
	/* The stream has ended: no more calls of next.  Free f.  On any thread. */
	void (*done)(struct rpc_feed *f);
	/* Waits for events without end: not counted as a call in flight, and ended with UNAVAILABLE
	 * when the server drains. */
	bool endless;
};

/* Answer the call with the messages of f; takes f.  The request lives until f->done. */
void rpc_feed_start(struct rpc_call *call, struct rpc_feed *f);

/* From any thread, while the caller holds a reference to a call with a feed: next may have a
 * message. */
void rpc_feed_wake(struct rpc_call *call);

/* Likewise: end the stream with e now, even if the client does not read.  Both do nothing before
 * rpc_feed_start. */
void rpc_feed_fail(struct rpc_call *call, const struct err *e);

struct rpc_call *rpc_call_ref(struct rpc_call *call);
void rpc_call_unref(struct rpc_call *call);

/* A reference that also keeps the request.  Take it before the call is answered; of a feed in next
 * at the latest. */
void rpc_call_hold(struct rpc_call *call);
void rpc_call_release(struct rpc_call *call);
