/*
 * pipeline.h - work on a stream of bytes on a thread of its own, behind a ring of fixed size:
 * whoever feeds it goes on while the work is done, and waits when the ring is full.
 *
 * What must hold: the sink sees the bytes in order, on one thread, never after pipeline_free.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/util.h"

#define PIPELINE_RING (1024 * 1024) /* bytes fed and not yet worked on */

struct pipeline;

/* <0 ends the work; what is still in the ring is dropped. */
typedef int pipeline_sink(void *arg, const void *data, size_t size, struct err *e);

/* ERR_EXHAUSTED: no thread.  Free with pipeline_free. */
int pipeline_new(pipeline_sink *sink, void *arg, struct pipeline **ret, struct err *e);

/* One thread at a time.  Blocks while the ring is full; the sink's error as soon as it is known. */
int pipeline_feed(struct pipeline *s, const void *data, size_t size, struct err *e);

/* Until all is worked on: 0, or the sink's error.  Once; only pipeline_free may follow. */
int pipeline_finish(struct pipeline *s, struct err *e);

/* Ends the work, after the piece at hand.  NULL is fine. */
void pipeline_free(struct pipeline *s);
