/*
 * call.h - one gRPC call inside the server, from its arrival to its last completion-queue event.
 * References to a call: its owner (the handler) has one until the reply, each batch one until its
 * event has been handled.  The last reference frees the call.  `struct calls` is the
 * state shared by all calls of a server; it outlives the server while a handler still owns a call.
 * Locking: `calls.lock` guards the fields marked "lock" below.  Start batches without holding it.
 */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/links.h"
#include "api/rpc.h"
#include "api/server.h"
#include "base/list.h"

/* Target of a completion queue's tag.  `given` orders writes made before the tag was passed to the
 * library with reads in its event.  The library orders them too, but ThreadSanitizer cannot see
 * that. */
struct cq_event {
	void (*fn)(struct cq_event *ev, bool ok);
	atomic_bool given;
};

static inline void *cq_event_give(struct cq_event *ev)
{
	atomic_store_explicit(&ev->given, true, memory_order_release);
	return ev;
}

static inline void cq_event_run(void *tag, bool ok)
{
	struct cq_event *ev = tag;

	if (atomic_load_explicit(&ev->given, memory_order_acquire))
		ev->fn(ev, ok);
}

struct calls {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* batches reached 0, or the server was shut down */
	struct list in_flight; /* lock: calls without a reply */
	struct server_counts counts; /* lock */
	unsigned batches; /* lock: pending events, and threads inside the library */
	unsigned refs; /* lock: calls and the server */
	struct links *links; /* lock */
	bool stopped; /* lock: no further library calls */
	bool draining; /* lock: no further endless streams */
	/* Constant after calls_new. */
	unsigned max_calls;
	size_t max_send;
	void (*on_call)(const struct server_call_info *info, void *arg);
	void *arg;
};

struct rpc_call {
	struct calls *calls;
	struct list node;
	const struct rpc_method *method; /* NULL: method not in the table */
	void *slot; /* the server's method_slot, for re-arming */
	atomic_uint refs;
	struct cq_event arrive, closed, sent;

	/* Filled by the library before `arrive`. */
	grpc_call *grpc;
	gpr_timespec deadline;
	grpc_metadata_array metadata;
	grpc_call_details details; /* unknown methods only */
	grpc_byte_buffer *payload;

	char *path; /* unknown methods only */
	struct link_peer peer;
	struct link_ref link;
	int64_t arrived_ns; /* CLOCK_MONOTONIC */
	int64_t deadline_ns; /* CLOCK_REALTIME */
	size_t request_bytes, response_bytes;
	struct arena *arena;
	atomic_uint arena_holders; /* the dispatch under way and the reply to come */
	atomic_bool answered, cancelled;
	int closed_cancelled; /* written by the library before `closed` */
	_Atomic(struct feeding *) feeding; /* NULL: not answered with a feed */
	bool opened; /* the initial metadata was sent */
	bool endless; /* lock: not counted in counts.in_flight */
	bool drained; /* lock: feeding_drain has ended the stream */
};

struct calls *calls_new(const struct server_options *o);
/* Drop the server's reference.  Remaining calls must have been released by calls_abandon. */
void calls_unref(struct calls *cs);

/* Refuse further batches and wait until none is under way.  All calls must have ended towards their
 * clients; the queue's threads must still run. */
void calls_stop(struct calls *cs);

/* Release the library's half of the calls that handlers still own.  Call after calls_stop, when the
 * queue's threads have ended. */
void calls_abandon(struct calls *cs);

/* Make a call to be armed; the caller passes its fields to grpc_server_request_*call with the tag
 * &call->arrive.  The call starts with one reference, the owner's. */
struct rpc_call *call_new(struct calls *cs, const struct rpc_method *method, void *slot);

/* Free a call that never arrived. */
void call_drop(struct rpc_call *c);

/* Handle a call that arrived on descriptor fd: watch for its cancellation, count it, check it and
 * pass it to its handler. */
void call_run(struct rpc_call *c, int fd);

/* Answer the call: message (taken over; NULL: none), then the status. */
void call_answer(struct rpc_call *c, grpc_byte_buffer *message, enum err_code code,
		 const char *text);

/* Start a batch that is followed by others; takes one reference to c until call_batch_end, which
 * ev's function calls.  false: the server has stopped, no batch was started. */
bool call_batch(struct rpc_call *c, const grpc_op *ops, size_t n, struct cq_event *ev);
void call_batch_end(struct rpc_call *c);

/* Describe the call for server_calls and the on_call hook. */
struct server_call_info call_info(const struct rpc_call *c);
