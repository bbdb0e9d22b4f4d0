/*
 * poll.h - the shim's event loop: watched descriptors and a few timers.
 *
 * Each turn takes one event, so a callback may free any object, other watches too.
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

/* The loop calls on_rest between two events, some seconds after the first event since the last
 * call; an idle shim gets no call. */
int poll_init(void (*on_rest)(void), struct err *e);
/* Run until poll_stop. */
void poll_run(void);
void poll_stop(void);

int watch_add(struct watch *w, int fd, uint32_t events, void (*fn)(struct watch *, uint32_t),
	      struct err *e);
/* events 0: report errors and hangups only. */
void watch_change(struct watch *w, uint32_t events);
/* Stop watching; the descriptor stays open.  Safe on one that is not watched. */
void watch_del(struct watch *w);

/* Call fn once, after_ms from now.  Setting the timer again moves it. */
void timer_set(struct timer *t, int64_t after_ms, void (*fn)(struct timer *));
void timer_stop(struct timer *t);
