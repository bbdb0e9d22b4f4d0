/*
 * poll.h - the shim's one loop: watched descriptors, a few timers.
 *
 * One event is taken at a time, so a callback may free whatever it likes, also other watches.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct watch {
	int fd;
	bool on;
	void (*fn)(struct watch *w, uint32_t events); /* EPOLLIN ... */
};

struct timer {
	struct list node;
	bool on;
	int64_t at; /* CLOCK_MONOTONIC ns */
	void (*fn)(struct timer *t);
};

/* on_rest is called between two events, some seconds after the first one since it was called: not
 * when nothing happens. */
int poll_init(void (*on_rest)(void), struct err *e);
/* Until poll_stop. */
void poll_run(void);
void poll_stop(void);

int watch_add(struct watch *w, int fd, uint32_t events, void (*fn)(struct watch *, uint32_t),
	      struct err *e);
/* events 0: stays known, says nothing but errors. */
void watch_change(struct watch *w, uint32_t events);
/* The descriptor stays open.  Safe when it is not watched. */
void watch_del(struct watch *w);

/* Fires once, after_ms from now; set again to move it. */
void timer_set(struct timer *t, int64_t after_ms, void (*fn)(struct timer *));
void timer_stop(struct timer *t);
