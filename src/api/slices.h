/*
 * slices.h - a streamed list whose items are made on the loop, a slice of objects at a time: the
 * next slice is made once the last one has left, so memory is one slice.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "api/rpc.h"
#include "base/id.h"
#include "base/list.h"
#include "loop/loop.h"

#define SLICE_OBJECTS 64

struct slices {
	/* On the loop: start to make the next slice, of at most SLICE_OBJECTS objects behind
	 * `after`.  Set `after` to the last object's id, or `last` if no object follows.  Ends with
	 * slices_made or slices_failed, at once or later. */
	void (*make)(struct slices *s);
	struct rpc_call *rpc;
	const ProtobufCMessage *req;
	char after[ID_LEN + 1]; /* "": from the start */
	bool last;

	/* Private. */
	struct rpc_feed feed;
	struct loop_post post;
	pthread_mutex_t lock;
	struct list packets; /* lock: made and not sent */
	bool ended; /* lock: the stream needs no more */
	bool making; /* lock: make is under way, which keeps s */
	struct err failed; /* lock */
};

/* Answer a server-streaming call.  From any thread. */
void slices_start(struct rpc_call *rpc, const ProtobufCMessage *req,
		  void (*make)(struct slices *s));

/* The slice: n items of the response's list, packed at once.  Takes nothing; s may be gone
 * afterwards.  On the loop. */
void slices_made(struct slices *s, ProtobufCMessage *const *items, size_t n);

/* End the stream with e instead. */
void slices_failed(struct slices *s, const struct err *e);
