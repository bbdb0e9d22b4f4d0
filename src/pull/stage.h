/*
 * stage.h - work on a stream of bytes on a thread of its own, behind a ring of fixed size: whoever
 * feeds it goes on while the work is done, and waits when the ring is full.
 *
 * What must hold: the sink sees the bytes in order, on one thread, never after stage_free.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/util.h"

#define STAGE_RING (1024 * 1024) /* bytes fed and not yet worked on */

struct stage;

/* <0 ends the work; what is still in the ring is dropped. */
typedef int stage_sink(void *arg, const void *data, size_t size, struct err *e);

/* ERR_EXHAUSTED: no thread.  Free with stage_free. */
int stage_new(stage_sink *sink, void *arg, struct stage **ret, struct err *e);

/* One thread at a time.  Blocks while the ring is full; the sink's error as soon as it is known. */
int stage_feed(struct stage *s, const void *data, size_t size, struct err *e);

/* Until all is worked on: 0, or the sink's error.  Once; only stage_free may follow. */
int stage_finish(struct stage *s, struct err *e);

/* Ends the work, after the piece at hand.  NULL is fine. */
void stage_free(struct stage *s);
