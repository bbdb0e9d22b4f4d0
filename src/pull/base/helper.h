/*
 * helper.h - a child process of the keeper, forked before the pull starts. It confines itself, then
 * serves channels: socket pairs, each on its own thread.
 *
 * What must hold: a child ends with its keeper in every case, and has only the descriptors passed
 * to it.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct helper {
	const char *name;
	int control;
	pid_t pid;
};

#define HELPER_NULL ((struct helper){ .control = -1 })

struct helper_ops {
	const char *name; /* process name, at most 15 bytes */
	/* In the child: open required files and confine. */
	int (*prepare)(void *arg, struct err *e);
	/* Serve one channel until the peer closes it; the caller closes fd. */
	void (*serve)(void *arg, int fd);
	/* Reply with an error to a channel's request when no thread can be started; fd stays open.
	 * NULL: close the channel. */
	void (*refuse)(int fd, const struct err *e);
	void *arg;
};

/* The process must be single-threaded. keep: the child's descriptors besides 0 to 2. Several
 * helpers may start before the first helper_ready. */
int helper_start(struct helper *c, const struct helper_ops *ops, const int *keep, size_t n,
		 struct err *e);
/* Wait until the child is confined, or return its error. */
int helper_ready(struct helper *c, struct err *e);

/* Open a new channel, from any thread. ERR_INTERNAL: the child has ended. */
int helper_channel(const struct helper *c, int *ret, struct err *e);

/* End and reap the child. Safe on HELPER_NULL. */
void helper_end(struct helper *c);

/* Error text for a channel that the child closed before its reply. */
int helper_lost(const struct helper *c, struct err *e);
