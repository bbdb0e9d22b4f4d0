/*
 * frames.h - count the idle HTTP/2 streams of each gRPC connection, to bound their memory.
 * The library allocates a call of 16 KiB for each stream and reads on while calls wait for a
 * thread.  It stops counting a stream that its client has reset.  A client that opens and resets
 * streams would fill the memory.  A wrapper of recvmsg (the linker's --wrap) therefore fails with
 * ECONNRESET once too many streams are idle; the library then closes the connection.  An idle
 * stream is opened, not owned by a handler, and not freed.
 * Thread-safe.  The library validates the frames.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/limits.h"

/* Limit of one connection: a client may use all its streams, and use them again before the calls
 * with a reply are freed. */
#define FRAMES_IDLE_MAX (2 * LIMIT_CALLS_OF_CONNECTION + 256)
/* Limit of all connections together: above it, close the connection with the most. */
#define FRAMES_IDLE_TOTAL (2 * FRAMES_IDLE_MAX)
/* The server gets no event for a stream reset early: uncount this many a second. */
#define FRAMES_FORGIVEN 50

/* Position in a client's byte stream. */
struct frames {
	uint32_t skip; /* bytes before the next frame header */
	unsigned n_head; /* bytes of it in head */
	unsigned char head[9]; /* header of the frame that begins */
};
/* The client's byte stream begins with a preface of 24 bytes, which is no frame. */
#define FRAMES_BEGIN ((struct frames){ .skip = 24 })

/* Parse the client's next bytes.  Returns the number of streams that they open. */
unsigned frames_feed(struct frames *f, const unsigned char *data, size_t size);

/* Count the connection at fd until frames_drop; ino: inode of its socket. */
void frames_watch(int fd, ino_t ino);
void frames_drop(int fd);

/* frames_less: a stream of the connection at fd is no longer idle; a handler got its call, or the
 * call was freed.  frames_more: the stream is idle again, because its call was answered. */
void frames_less(int fd);
void frames_more(int fd);
