/*
 * frames.h - how many HTTP/2 streams a connection has opened that hold memory for nothing.
 *
 * The library makes a call of 16 KiB for each stream, reads on while calls wait for a thread, and
 * does not count a stream that its client has reset.  A client that opens and resets streams would
 * fill the memory.  So each recvmsg of the library is looked at (the linker's --wrap): it fails
 * with ECONNRESET, and the library closes the connection, once too many streams are idle: opened,
 * not with a handler, and not freed.
 *
 * Thread-safe.  The library checks the frames themselves.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/limits.h"

/* Of one connection: a client that uses all its streams, and uses them again before the answered
 * calls are freed. */
#define FRAMES_IDLE_MAX (2 * LIMIT_CALLS_OF_CONNECTION + 256)
/* Of all connections: beyond it, the one with the most is closed. */
#define FRAMES_IDLE_TOTAL (2 * FRAMES_IDLE_MAX)
/* The server never learns of a stream that was reset early: so many a second are forgiven. */
#define FRAMES_FORGIVEN 50

/* What has been read of a client's bytes. */
struct frames {
	uint32_t skip; /* bytes before the next header */
	unsigned n_head; /* of them are in head */
	unsigned char head[9]; /* of the frame that begins */
};
/* A client begins with a preface of 24 bytes, which is no frame. */
#define FRAMES_BEGIN ((struct frames){ .skip = 24 })

/* The client's next bytes.  Returns the number of streams that they open. */
unsigned frames_feed(struct frames *f, const unsigned char *data, size_t size);

/* Count the connection at fd until frames_drop; ino: inode of its socket. */
void frames_watch(int fd, ino_t ino);
void frames_drop(int fd);

/* A stream of the connection at fd is idle no longer (a handler has its call, or the call is
 * freed); or it is again (the call was answered). */
void frames_less(int fd);
void frames_more(int fd);
