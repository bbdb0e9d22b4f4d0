/*
 * console.h - the console socket (runc --console-socket) over which the OCI runtime sends the pty
 * master.
 */
#pragma once

#include <limits.h>

#include "base/err.h"

struct console {
	int fd;
	char name[32]; /* socket name in the pod directory */
	char runtime_path[64]; /* argument of --console-socket; short for any pod directory */
};

#define CONSOLE_NULL ((struct console){ .fd = -1 })

/* dir_fd: the pod directory, which holds the sockets; stays open and in use. */
void console_init(int dir_fd);

/* Make and bind the socket.  On error no socket file remains. */
int console_open(struct console *c, struct err *e);
/* Receive the pty master after the runtime has exited.  The caller owns *ret_fd. */
int console_take(struct console *c, int *ret_fd, struct err *e);
/* Close and unlink the socket.  Safe on CONSOLE_NULL. */
void console_close(struct console *c);
