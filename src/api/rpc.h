/*
 * rpc.h - one call as the generated glue and the handlers see it, and the method table's row.
 *
 * A call is decoded into its own arena, checked by the generated validator and handed to one
 * typed handler (gen/cri_rpc.h).  It is answered exactly once, from any thread, by rpc_reply,
 * rpc_reply_bytes or rpc_fail; the request and everything taken from the call's arena live
 * until then.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
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
	RPC_KIND_DIRECT, /* work beside the machines, answered when it is done */
	RPC_KIND_UNIMPLEMENTED,
};

/* What a line of states/rpc.bind says of an event; rpc_raise does it. */
struct rpc_event {
	const char *machine;
	int event; /* index in the machine's events */
	size_t inside; /* offset of the pointer to the message that has by; 0: the request has it */
	size_t by; /* offset of the string that names the object; 0: make finds or makes it */
	bool each; /* every object that is named so gets the event */
	bool gone_ok; /* no such object: answered OK */
	bool broken_removed; /* one in quarantine is removed instead */
	/* Those that are not NULL: <0, and e is filled. */
	int (*make)(const ProtobufCMessage *req, struct object **ret, struct err *e);
	int (*check)(const ProtobufCMessage *req, const struct object *o, struct err *e);
	int (*carry)(const ProtobufCMessage *req, const struct object *o, struct sm_event **ret,
		     struct err *e);
	/* NULL: e, or a response without fields. */
	void (*answer)(struct rpc_call *call, const struct sm_object *obj, const struct err *e);
};

/* What a field of a filter is compared with, of an object's listing. */
enum rpc_test_of {
	RPC_TEST_PREFIX, /* the beginning of its id */
	RPC_TEST_PARENT, /* the beginning of its parent's id */
	RPC_TEST_NAME, /* one of its names */
	RPC_TEST_STATE, /* the CRI state that it shows */
	RPC_TEST_LABELS, /* it has all of these */
};

/* Passed when the field is empty, or its message absent. */
struct rpc_test {
	enum rpc_test_of of;
	size_t inside; /* offset of the pointer to the message with field; 0: the filter has it */
	size_t field; /* its offset */
	size_t n_field; /* of labels: the offset of how many */
};

/* What a line of states/rpc.bind says of a read: rpc_read does it; of a direct RPC:
 * api_select_each does it. */
struct rpc_select {
	const char *machine;
	const ProtobufCMessageDescriptor *item; /* what the listings have for each object */
	bool (*named)(const ProtobufCMessage *item, const char *name); /* NULL: by id */
	/* One object, as in struct rpc_event; by 0: many. */
	size_t inside, by;
	bool gone_ok; /* answer gets NULL when there is none */
	/* found: the struct listing_row; with named, the item.  0: it was or will be answered. */
	int (*answer)(struct rpc_call *call, const ProtobufCMessage *req, const void *found,
		      struct err *e);
	/* Many. */
	size_t where; /* offset of the pointer to the filter; the message may be absent */
	const struct rpc_test *tests;
	size_t n_tests;
	const int *unless; /* the CRI state that is left out; NULL: none is */
	size_t labels, n_labels; /* offsets in item; 0: it has none */
	unsigned items; /* of a read: number of the response's field with the list */
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
	/* true: fine.  false: msg says which field and which rule. */
	bool (*validate)(const ProtobufCMessage *req, char *msg, size_t size);
	/* 0: answered or will be answered; <0: e is filled and the caller answers. */
	int (*handle)(struct rpc_call *call, const ProtobufCMessage *req, struct err *e);
};

/* handle of every RPC_KIND_EVENT (events.c), and of each RPC_KIND_READ that selects (reads.c). */
int rpc_raise(struct rpc_call *call, const ProtobufCMessage *req, struct err *e);
int rpc_read(struct rpc_call *call, const ProtobufCMessage *req, struct err *e);

/* handle of a direct RPC on the loop: take starts its work or answers it there.  0: take has c, and
 * ends the call with caller_finish, or by rpc_reply and free; <0: e is filled and the call fails
 * with it.  empty: the end without an error answers with a response without fields. */
int rpc_take(struct rpc_call *call, const ProtobufCMessage *req,
	     int (*take)(struct caller *c, const void *req, struct err *e), bool empty);

/* The method this call is for. */
const struct rpc_method *rpc_call_method(const struct rpc_call *call);

/* Memory that lives until the call is answered; aborts when the call's cap is passed is never
 * the case: it returns NULL and the caller fails the call with ERR_EXHAUSTED. */
struct arena *rpc_call_arena(struct rpc_call *call);

/* CLOCK_REALTIME ns after which the client no longer waits; INT64_MAX: none. */
int64_t rpc_call_deadline(const struct rpc_call *call);

/* True once the client has gone (cancel, deadline, connection lost).  The work goes on. */
bool rpc_call_cancelled(const struct rpc_call *call);

/* Answer with a message; packed at once, so resp may live on the caller's stack. */
void rpc_reply(struct rpc_call *call, const ProtobufCMessage *resp);

/* Answer with bytes that already are a packed response message; copied. */
void rpc_reply_bytes(struct rpc_call *call, const void *data, size_t size);

/* Answer with a status. */
void rpc_fail(struct rpc_call *call, const struct err *e);
