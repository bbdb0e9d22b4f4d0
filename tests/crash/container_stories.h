/*
 * container_stories.h - the stories of fake_container.c, and the words in which they are written.
 */
#pragma once

#include "sweep.h"

enum fault {
	FAULT_PREPARE_FAILS = 1 << 0,
	FAULT_PREPARE_HANGS = 1 << 1,
	FAULT_START_FAILS = 1 << 2,
	FAULT_START_HANGS = 1 << 3,
	FAULT_IGNORES_TERM = 1 << 4,
	FAULT_IGNORES_KILL_ONCE = 1 << 5,
	FAULT_ERASE_STUCK_ONCE = 1 << 6,
	FAULT_UPDATE_FAILS = 1 << 7,
	FAULT_UPDATE_HANGS = 1 << 8,
	FAULT_REFUSED = 1 << 9,
	FAULT_CREATE_FAILS = 1 << 10,
	FAULT_CREATE_HANGS = 1 << 11,
	FAULT_CREATE_HANGS_ONCE = 1 << 12,
	FAULT_PREPARE_FAILS_AGAIN = 1 << 13,
	FAULT_FREEZE_FAILS = 1 << 14,
	FAULT_FREEZE_HANGS = 1 << 15,
	FAULT_THAW_FAILS_ONCE = 1 << 16,
	FAULT_THAW_HANGS = 1 << 17,
	FAULT_DUMP_FAILS = 1 << 18,
	FAULT_DUMP_HANGS = 1 << 19,
	FAULT_DUMP_STUCK = 1 << 20, /* and ending it fails once, too */
	RESTORED = 1 << 21, /* no fault: it is made from a checkpoint */
	FAULT_UNPACK_FAILS = 1 << 22,
	FAULT_UNPACK_HANGS = 1 << 23,
};

enum happening {
	HAPPENS_EXIT,
	HAPPENS_LOSS, /* it ends and nobody can tell how */
	HAPPENS_NEW_SHIM, /* in the place of one that had not done what it was asked */
	HAPPENS_NEW_SHIM_LATE, /* or had, but could not say so */
	HAPPENS_POD_END, /* its sandbox is stopped */
	HAPPENS_HOLD, /* its sandbox is written to files */
	HAPPENS_RELEASE, /* and that is over */
};

enum stop_arg {
	STOP_SOON,
	STOP_NOW,
	STOP_LATER,
};

enum update_arg {
	UPDATE_SHARES,
	UPDATE_MEMORY,
};

#define CONTAINER_SCENARIOS 120
extern const struct scenario container_scenarios[CONTAINER_SCENARIOS];
