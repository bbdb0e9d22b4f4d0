/*
 * helper.h - a process that the keeper forks before it starts to work, confines itself and then
 * serves channels: socket pairs, each on a thread of its own.
 *
 * What must hold: a child ends with its keeper, whichever way that ends, and it has no descriptor
 * but those it was given.
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
	const char *name; /* of the process, at most 15 bytes */
	/* In the child: open what is needed and confine. */
	int (*prepare)(void *arg, struct err *e);
	/* Serve one channel until the other end is closed; fd is closed by the caller. */
	void (*serve)(void *arg, int fd);
	/* Answer with a failure the question that comes on a channel, when no thread can be started
	 * to serve it; fd stays open. NULL: the channel is closed. */
	void (*refuse)(int fd, const struct err *e);
	void *arg;
};

/* The calling process has one thread.  keep: descriptors that the child has beside 0 to 2.  Both
 * may start before helper_ready is asked. */
int helper_start(struct helper *c, const struct helper_ops *ops, const int *keep, size_t n,
		 struct err *e);
/* Wait until it is confined, or for its error. */
int helper_ready(struct helper *c, struct err *e);

/* A new channel to it, from any thread.  ERR_INTERNAL: it has ended. */
int helper_channel(const struct helper *c, int *ret, struct err *e);

/* It ends, and is reaped.  Safe on HELPER_NULL. */
void helper_end(struct helper *c);

/* The other end of a channel is closed, though the child was to answer: it has died. */
int helper_lost(const struct helper *c, struct err *e);
