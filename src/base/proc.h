/*
 * proc.h - who a pid is: pids are reused, a pid together with its start time is not.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Start time in clock ticks since boot (/proc/PID/stat field 22).  1: no such process. */
int proc_start_ticks(pid_t pid, uint64_t *ret, struct err *e);

/* Does the process descend from ancestor through parents that still live, or is it ancestor
 * itself?  0: yes.  1: no, or there is no such process. */
int proc_descends_from(pid_t pid, pid_t ancestor, struct err *e);

/* A pidfd (close-on-exec) of pid when it still is the process that started at start_ticks, a
 * zombie included.  1: it is gone. */
int proc_open(pid_t pid, uint64_t start_ticks, int *ret_pidfd, struct err *e);

/* The identity as a file of "pid start_ticks\n", replaced as a whole, not synced: it is about
 * this boot. */
int proc_save(const char *path, pid_t pid, uint64_t start_ticks, struct err *e);
/* The process that a file names, if it is still that one.  1: it is gone, or there is no such
 * file. */
int proc_load(const char *path, pid_t *ret_pid, int *ret_pidfd, struct err *e);

/* How a process ended, asked by whoever is not its parent, as waitpid(2) has it.  1: it has not
 * ended, or its parent has not waited for it yet.  ERR_UNIMPLEMENTED: this kernel does not keep it
 * (it does since Linux 6.15). */
int proc_exit_status(int pidfd, int *ret_wait_status, struct err *e);

/* 0: a descriptor of the process leads to the file at path, a fifo too.  1: none does.  Needs the
 * right to trace the process. */
int proc_has_open(pid_t pid, const char *path, struct err *e);

/* SIGKILL to every other process of which a descriptor leads to the file at path.  Needs the right
 * to trace them; one that cannot be looked into stays. */
void proc_kill_holders(const char *path);

/* Memory of this process that is resident, in bytes; 0: /proc does not say. */
uint64_t proc_resident(void);

#define PROC_TEXT_MAX 96
/* A process for people: "pid 12 (name) in state D".  Returns its state as /proc tells it, 0 when it
 * is gone; out then says that. */
char proc_describe(pid_t pid, char out[PROC_TEXT_MAX]);
