/*
 * ipc.h - messages between the processes of a puller: frames of a 32-bit length in the machine's
 * byte order and one message, over a socket pair; descriptors come along with a frame's first byte.
 *
 * What must hold: a frame is bounded before memory is taken for it, and an error that arrives is
 * one of ours whatever the other process says.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"

#define WIRE_FDS_MAX 253 /* with one frame, by the kernel */

/* ERR_ABORTED: the other end is closed. */
int ipc_send(int fd, const ProtobufCMessage *m, const int *fds, size_t n, struct err *e);

/* *ret is for protobuf_c_message_free_unpacked(x, NULL).  fds NULL: descriptors are dropped; else
 * *n_fds is the room there and then their number; they are the caller's.
 * 1: the other end is closed.  ERR_INTERNAL: not a frame, or larger than max. */
int ipc_recv(int fd, const ProtobufCMessageDescriptor *type, size_t max, ProtobufCMessage **ret,
	     int *fds, size_t *n_fds, struct err *e);

/* An error as a message that points into e, and back: returns -code. */
void ipc_put_error(const struct err *e, Crisp__Pull__Failure *ret);
int ipc_get_error(const Crisp__Pull__Failure *f, struct err *e);
