/*
 * ipc.h - messages between a puller's processes over a socket pair. A frame is a 32-bit length in
 * native byte order and one message; descriptors accompany its first byte.
 *
 * What must hold: the frame size is checked before allocation. An unknown error code from the peer
 * becomes ERR_INTERNAL.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"

#define WIRE_FDS_MAX 253 /* kernel limit for one frame */

/* ERR_ABORTED: the peer has closed. */
int ipc_send(int fd, const ProtobufCMessage *m, const int *fds, size_t n, struct err *e);

/* Free *ret with protobuf_c_message_free_unpacked(x, NULL). fds NULL: close received descriptors;
 * else *n_fds is the capacity, then the count; the caller owns them.
 * 1: the peer has closed. ERR_INTERNAL: malformed, or larger than max. */
int ipc_recv(int fd, const ProtobufCMessageDescriptor *type, size_t max, ProtobufCMessage **ret,
	     int *fds, size_t *n_fds, struct err *e);

/* Convert an error to a message that points into e, and back. ipc_get_error returns -code. */
void ipc_put_error(const struct err *e, Crisp__Pull__Failure *ret);
int ipc_get_error(const Crisp__Pull__Failure *f, struct err *e);
