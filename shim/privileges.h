/*
 * privileges.h - the shim gives up what it does not need.
 *
 * It keeps uid 0 (its files, cgroups and the containers' logs are root's) and of all capabilities
 * only CAP_KILL, to signal containers of any user, and CAP_DAC_OVERRIDE, to open logs anew in
 * directories that may be another user's.  It can never gain one again, cannot start a program, and
 * can make no system calls but those its loop is made of.  It cannot be traced: otherwise a
 * container that shares the host's PID namespace and has uid 0 and these few capabilities could
 * take it over, and with it the spawner.
 */
#pragma once

#include "base/err.h"

/* For ever.  What the kernel does not know (a filter of system calls) is logged and left out. */
int privileges_drop(struct err *e);
