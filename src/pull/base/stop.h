/*
 * stop.h - how all threads of a pull are told to stop, by one of them or from outside.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct stop {
	atomic_bool set;
	atomic_bool asked; /* from outside */
	int fd; /* becomes readable with set */
	int watch_fd; /* readable: nobody wants the image any more */
};

int stop_init(struct stop *s, int watch_fd, struct err *e);
void stop_done(struct stop *s);
void stop_set(struct stop *s);
/* Looks at watch_fd as well; cheap enough for each piece of data. */
bool stop_is_set(struct stop *s);
/* Wait that long or until stopped: true when stopped. */
bool stop_wait(struct stop *s, int64_t ms);
/* Go on after a stop that was not asked for from outside, when all threads have ended. */
void stop_clear(struct stop *s);
