/*
 * proc.h - who a pid is: pids are reused, a pid together with its start time is not.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Start time in clock ticks since boot (/proc/PID/stat field 22).  1: no such process. */
int proc_start_ticks(pid_t pid, uint64_t *ret, struct err *e);

/* A pidfd (close-on-exec) of pid when it still is the process that started at start_ticks, a
 * zombie included.  1: it is gone. */
int proc_open(pid_t pid, uint64_t start_ticks, int *ret_pidfd, struct err *e);
