/*
 * privileges.h - drop the privileges that the shim does not need.
 *
 * The shim keeps uid 0, since root owns its files, cgroups and the containers' logs.  It keeps only
 * CAP_KILL, to signal containers of any user, and CAP_DAC_OVERRIDE, to reopen logs in directories
 * of another user.  It cannot regain a capability or start a program: a seccomp filter allows only
 * the system calls of its loop.  It is not dumpable, so no container can trace it.  Otherwise a
 * container with the host's PID namespace, uid 0 and these capabilities could control the shim.
 */
#pragma once

#include "base/err.h"

/* Irreversible.  A kernel without seccomp filters is logged and gets none. */
int privileges_drop(struct err *e);
