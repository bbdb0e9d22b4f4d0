/*
 * lane.h - worker threads and queues of loop_work.  For loop.c only.
 */
#pragma once

#include "loop/loop.h"

struct lanes;

/* done: called on a worker for each job after its work has returned. */
struct lanes *lanes_new(void (*done)(void *arg, struct loop_job *job), void *arg);
/* From any thread.  ERR_EXHAUSTED: the queue is full, or no thread of the lane can be started. */
int lanes_put(struct lanes *ls, enum loop_lane lane, struct loop_job *job, struct err *e);
/* Wait for running jobs; drop queued ones. */
void lanes_join(struct lanes *ls);
/* Call after lanes_join. */
void lanes_free(struct lanes *ls);
