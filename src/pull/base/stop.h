/*
 * stop.h - stop all threads of a pull, from one of them or on crispd's request.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct stop {
	atomic_bool set;
	atomic_bool asked; /* by crispd */
	int fd; /* readable once set */
	int watch_fd; /* readable: crispd has ended the pull */
};

int stop_init(struct stop *s, int watch_fd, struct err *e);
void stop_done(struct stop *s);
void stop_set(struct stop *s);
/* Also polls watch_fd; cheap enough for each piece of data. */
bool stop_is_set(struct stop *s);
/* Wait for ms milliseconds, or until stopped. true: stopped. */
bool stop_wait(struct stop *s, int64_t ms);
/* Reset after all threads have ended, unless crispd requested the stop. */
void stop_clear(struct stop *s);
