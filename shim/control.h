/*
 * control.h - the line to the daemon: one connection at a time, frames in and out.
 *
 * Nothing that is sent needs to arrive: a daemon that does not read, or was not there, asks with
 * HELLO and is told everything again.  So no queue is kept, and a full socket is a lost daemon.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "shimproto/shimproto.h"

/* Who waits for an answer.  It is sent once; nobody waits in WAITER_NULL. */
struct waiter {
	uint32_t seq;
	uint32_t connection; /* 0: nobody */
};
#define WAITER_NULL ((struct waiter){ .connection = 0 })

/* Listen on SHIM_SOCKET_NAME in dir_fd.  handle gets each request with the descriptors that came
 * (it takes them over by setting the entries to -1) and sees to the answer. */
int control_listen(int dir_fd,
		   void (*handle)(const struct shim_request *req, int *fds, struct waiter *w),
		   struct err *e);
void control_close(void);
bool control_is_open(void);
/* Give back what frames have taken. */
void control_rest(void);

/* Answer and clear w; does nothing for nobody, or when that connection is gone.  st: NULL when
 * it is about no object.  fd: sent along, -1: none; stays the caller's.  e: NULL for success. */
void control_answer(struct waiter *w, const struct shim_status *st, int fd, const struct err *e);

/* A report to whoever is connected.  seq of HELLO's own reports is 0 as well. */
void control_report(enum shim_type type, const struct shim_status *st, const struct err *e);
/* A SHIM_CONTAINER; fd as above. */
void control_report_container(const struct shim_status *st, int fd);

/* A second one wants to wait where one waits: same connection: the older is told ABORTED. */
void control_join(struct waiter *place, struct waiter *w);
