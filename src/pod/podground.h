/*
 * podground.h - watches what a ready pod needs besides its shim: the init of its shared PID
 * namespace, and its pinned namespaces.
 *
 * The kernel refuses new processes in a PID namespace whose init has ended.  So the daemon polls
 * the init's pidfd and raises SBX_EVENT_POD_BROKEN at its end.  Loop thread only.
 */
#pragma once

#include "base/err.h"
#include "loop/loop.h"

struct object;
struct pod;

struct podground {
	struct loop_io init; /* pidfd of the init, -1: none */
	int pid;
	struct err broken; /* code 0: init and namespaces exist */
};

#define PODGROUND_NULL ((struct podground){ .init.fd = -1 })

/* Watch the init of p.  ticks: start time; 0: unknown, use the process in init.pid of the pod's run
 * directory.  An init that has ended already only sets `broken` and raises no event. */
void podground_watch_init(struct pod *p, int pid, uint64_t ticks);
/* Stop watching the init of a pod that ends or is freed. */
void podground_drop(struct pod *p);

/* 0: intact as far as known.  <0: e names the missing init or namespace. */
int podground_check(const struct pod *p, struct err *e);
/* podground_check after a check of the pinned namespaces.  Raises SBX_EVENT_POD_BROKEN for a
 * missing one if the pod's shim is up. */
int podground_check_pins(struct pod *p, struct err *e);
