/*
 * pipeline.h - process a byte stream on its own thread, through a ring of fixed size. The feeder
 * continues meanwhile, and waits while the ring is full.
 *
 * What must hold: the sink gets the bytes in order, on one thread, and never after pipeline_free.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/util.h"

#define PIPELINE_RING (1024 * 1024) /* bytes fed but not processed */

struct pipeline;

/* <0 stops processing; the rest of the ring is dropped. */
typedef int pipeline_sink(void *arg, const void *data, size_t size, struct err *e);

/* ERR_EXHAUSTED: no thread. Free with pipeline_free. */
int pipeline_new(pipeline_sink *sink, void *arg, struct pipeline **ret, struct err *e);

/* Call from one thread at a time. Blocks while the ring is full. Returns the sink's error once
 * known. */
int pipeline_feed(struct pipeline *s, const void *data, size_t size, struct err *e);

/* Wait until all is processed: 0, or the sink's error. Call once; then only pipeline_free. */
int pipeline_finish(struct pipeline *s, struct err *e);

/* Stop after the current piece, and free. s may be NULL. */
void pipeline_free(struct pipeline *s);
