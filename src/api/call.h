/*
 * call.h - one call inside the server, from its arrival to the last event about it.
 *
 * Who holds a call: its owner until it is answered (the handler), and each batch that was given to
 * the library until its event has come.  The last one frees it.  `struct calls` is what all calls
 * of a server share; it outlives the server while a handler still holds a call.
 *
 * Locking: `calls.lock` guards what is marked below.  Batches are never started under it.
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

/* What a completion queue's tag points to.  `given` orders what was written before the tag was
 * given away with what its event reads: the library does that too, where no checker of ours can
 * see. */
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
	struct list in_flight; /* lock: answered ones leave */
	struct server_counts counts; /* lock */
	unsigned batches; /* lock: events to come, and threads inside the library */
	unsigned refs; /* lock: calls and the server */
	struct links *links; /* lock */
	bool stopped; /* lock: the library must not be called any more */
	/* Fixed at the start. */
	unsigned max_calls;
	size_t max_send;
	void (*on_call)(const struct server_call_info *info, void *arg);
	void *arg;
};

struct rpc_call {
	struct calls *calls;
	struct list node;
	const struct rpc_method *method; /* NULL: unknown to us */
	void *slot; /* the server's, for re-arming */
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
	atomic_uint arena_holders; /* the dispatch under way and the answer to come */
	atomic_bool answered, cancelled;
	int closed_cancelled; /* written by the library before `closed` */
};

struct calls *calls_new(const struct server_options *o);
/* The server's hold.  Calls that are left have lost their library half: see calls_abandon. */
void calls_unref(struct calls *cs);

/* Start no further batch, and wait until none is under way: all calls must have ended towards their
 * clients, and the queue's threads must still run. */
void calls_stop(struct calls *cs);

/* After that, and without the queue's threads: take the library's half of the calls that handlers
 * still hold. */
void calls_abandon(struct calls *cs);

/* A call to be armed: the caller gives its fields to grpc_server_request_*call with the tag
 * &call->arrive.  One reference, the owner's. */
struct rpc_call *call_new(struct calls *cs, const struct rpc_method *method, void *slot);

/* It never arrived. */
void call_drop(struct rpc_call *c);

/* It has arrived at descriptor fd: watch for its end, count it, check it, hand it to its
 * handler. */
void call_run(struct rpc_call *c, int fd);

/* As server_calls and the hook show it. */
struct server_call_info call_info(const struct rpc_call *c);
