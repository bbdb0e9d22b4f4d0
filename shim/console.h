/*
 * console.h - the socket over which the OCI runtime hands out the pty it made.
 */
#pragma once

#include <limits.h>

#include "base/err.h"

struct console {
	int fd;
	char name[32]; /* below the pod's directory */
	char runtime_path[64]; /* what the runtime is told: short whatever the directory is */
};

#define CONSOLE_NULL ((struct console){ .fd = -1 })

/* dir_fd: the pod's directory, where the sockets live; kept. */
void console_init(int dir_fd);

/* On error nothing is left. */
int console_open(struct console *c, struct err *e);
/* After the runtime has finished: the pty master. */
int console_take(struct console *c, int *ret_fd, struct err *e);
/* Safe on CONSOLE_NULL. */
void console_close(struct console *c);
