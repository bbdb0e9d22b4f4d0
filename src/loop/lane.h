/*
 * lane.h - threads and queues behind loop_work.  For loop.c only.
 */
#pragma once

#include "loop/loop.h"

struct lanes;

/* done: called on a worker with each job whose work has returned. */
struct lanes *lanes_new(void (*done)(void *arg, struct loop_job *job), void *arg);
/* From any thread.  ERR_EXHAUSTED: the lane's queue is full, or it has no thread and the kernel
 * starts none. */
int lanes_put(struct lanes *ls, enum loop_lane lane, struct loop_job *job, struct err *e);
/* Wait for jobs under way; drop queued ones. */
void lanes_join(struct lanes *ls);
/* After lanes_join. */
void lanes_free(struct lanes *ls);
