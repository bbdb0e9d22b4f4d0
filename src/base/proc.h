/*
 * proc.h - process identity: pids are recycled, a pid with its start time is unique.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Start time in clock ticks since boot (/proc/PID/stat field 22).  1: no such process. */
int proc_start_ticks(pid_t pid, uint64_t *ret, struct err *e);

/* Is the process ancestor itself, or its descendant through living parents?  0: yes.  1: no, or it
 * is gone. */
int proc_descends_from(pid_t pid, pid_t ancestor, struct err *e);

/* Open a pidfd (close-on-exec) of pid if it started at start_ticks; zombies too.  1: gone. */
int proc_open(pid_t pid, uint64_t start_ticks, int *ret_pidfd, struct err *e);

/* Save the identity as "pid start_ticks\n".  Replaces the file atomically, without fsync: it is
 * valid for this boot only. */
int proc_save(const char *path, pid_t pid, uint64_t start_ticks, struct err *e);
/* Open the process whose identity proc_save wrote.  1: it is gone, or there is no such file. */
int proc_load(const char *path, pid_t *ret_pid, int *ret_pidfd, struct err *e);

/* Exit status of a process that is not a child, as waitpid(2) returns it.  1: it has not exited, or
 * its parent has not reaped it.  ERR_UNIMPLEMENTED: Linux before 6.15. */
int proc_exit_status(int pidfd, int *ret_wait_status, struct err *e);

/* Does a descriptor of the process refer to the file at path, a fifo too?  0: yes.  1: no.  Needs
 * permission to trace the process. */
int proc_has_open(pid_t pid, const char *path, struct err *e);

/* Send SIGKILL to every other process that has the file at path open.  Needs permission to trace
 * them; a process that cannot be inspected stays. */
void proc_kill_holders(const char *path);

/* Resident memory of this process in bytes; 0: not available from /proc. */
uint64_t proc_resident(void);

#define PROC_TEXT_MAX 96
/* Zombies among the processes that /proc shows.  Reads one file for each process. */
uint64_t proc_zombies(void);

/* Describe a process for an error text: "pid 12 (name) in state D".  Returns its state as in /proc;
 * 0: it is gone, and out contains that. */
char proc_describe(pid_t pid, char out[PROC_TEXT_MAX]);
