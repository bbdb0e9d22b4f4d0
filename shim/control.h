/*
 * control.h - the shim's control socket: one connection of the daemon at a time, frames in and out.
 *
 * A lost frame does no harm: a daemon that was away or did not read sends HELLO, and the shim
 * reports every object again.  So the shim queues no frames, and closes a connection with a full
 * socket.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "shimproto/shimproto.h"

/* The request that awaits an answer.  Each request gets one answer; WAITER_NULL is no request. */
struct waiter {
	uint32_t seq;
	uint32_t connection; /* 0: none */
};
#define WAITER_NULL ((struct waiter){ .connection = 0 })

/* Listen on SHIM_SOCKET_NAME in dir_fd.  handle answers each request, at once or later.  fds are
 * the descriptors of the frame; handle sets an entry to -1 to own it, the others are closed. */
int control_listen(int dir_fd,
		   void (*handle)(const struct shim_request *req, int *fds, struct waiter *w),
		   struct err *e);
void control_close(void);
bool control_is_open(void);
/* Release the pages that frames have used. */
void control_rest(void);

/* Send the answer and clear w.  Does nothing for WAITER_NULL or a closed connection.  st may be
 * NULL: the answer is about no object.  fd: to send along, stays the caller's; -1: none.  e: the
 * failure; NULL: success. */
void control_answer(struct waiter *w, const struct shim_status *st, int fd, const struct err *e);

/* Send a report with seq 0 on the open connection, if there is one; reports for HELLO too. */
void control_report(enum shim_type type, const struct shim_status *st, const struct err *e);
/* Report a SHIM_CONTAINER; fd as in control_answer. */
void control_report_container(const struct shim_status *st, int fd);

/* Put w in place.  A waiter that is already in place is answered ABORTED. */
void control_join(struct waiter *place, struct waiter *w);
