/*
 * podground.h - what a ready pod stands on besides its shim: the init of its shared PID namespace,
 * and its pinned namespaces.
 *
 * The kernel lets no process be born in a PID namespace whose init has ended.  So the daemon holds
 * the init's pidfd; its end raises SBX_EVENT_POD_BROKEN.  All on the loop thread.
 */
#pragma once

#include "base/err.h"
#include "loop/loop.h"

struct object;
struct pod;

struct podground {
	struct loop_io init; /* pidfd of the init, -1: none */
	int pid;
	struct err broken; /* code 0: nothing is gone */
};

#define PODGROUND_NULL ((struct podground){ .init.fd = -1 })

/* Watch the init of p.  ticks: its start time; 0: not known, take the process that init.pid in the
 * run directory of the pod names.  A process that has ended breaks the ground at once, and raises
 * no event. */
void podground_watch_init(struct pod *p, int pid, uint64_t ticks);
/* For a pod that ends, or is freed: its init is to end, too. */
void podground_drop(struct pod *p);

/* <0: something is gone, e names it. */
int podground_check(const struct pod *p, struct err *e);
/* The same, and the pinned namespaces are looked at; raises SBX_EVENT_POD_BROKEN for one that is
 * missing in a pod that is ready. */
int podground_check_pins(struct pod *p, struct err *e);
