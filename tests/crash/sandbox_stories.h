/*
 * sandbox_stories.h - the stories of fake_sandbox.c, and the words in which they are written.
 */
#pragma once

#include "sweep.h"

enum fault {
	FAULT_SETUP_FAILS = 1 << 0,
	FAULT_SETUP_HANGS = 1 << 1,
	FAULT_NETWORK_FAILS = 1 << 2,
	FAULT_NETWORK_HANGS = 1 << 3,
	FAULT_LOWER_STUCK_ONCE = 1 << 4,
	FAULT_DROP_STUCK_ONCE = 1 << 5,
	FAULT_HOST_NETWORK = 1 << 6,
	FAULT_SHIM_DIES_BUSY = 1 << 7, /* under way, after what it was under way for is done */
	FAULT_REVIVE_FAILS_ONCE = 1 << 8,
	FAULT_REVIVE_FAILS = 1 << 9,
	FAULT_REVIVE_HANGS = 1 << 10,
	FAULT_DIES_YOUNG = 1 << 11, /* each shim that takes the pod over */
	FAULT_ERASE_STUCK_ONCE = 1 << 12,
	FAULT_BREAKS_BUSY = 1 << 13, /* init, as with FAULT_SHIM_DIES_BUSY */
	FAULT_OWN_INIT = 1 << 14, /* no fault: its containers share a PID namespace */
	FAULT_CONNECT_FAILS = 1 << 15,
	FAULT_CONNECT_HANGS = 1 << 16,
	FAULT_INIT_FAILS = 1 << 17,
	FAULT_INIT_HANGS = 1 << 18,
	FAULT_PIN_FAILS = 1 << 19,
	FAULT_PIN_HANGS = 1 << 20,
	FAULT_HOST_PORTS = 1 << 21, /* no fault: crispd opens its host ports */
	FAULT_PORTS_FAIL = 1 << 22,
	FAULT_PORTS_HANG = 1 << 23,
	FAULT_DUMP_FAILS = 1 << 24,
	FAULT_DUMP_HANGS = 1 << 25,
	FAULT_DUMP_STUCK = 1 << 26, /* its containers stand still, and cannot be thawed once */
	FAULT_HOLD_HANGS = 1 << 27,
	FAULT_HOLD_STUCK = 1 << 28, /* as FAULT_DUMP_STUCK, when the next daemon ends it */
};

#define FAULT_READ_FAILS (UINT64_C(1) << 29) /* the checkpoint's files */
#define FAULT_READ_HANGS (UINT64_C(1) << 30)
#define FAULT_FILL_FAILS (UINT64_C(1) << 31)
#define FAULT_FILL_HANGS (UINT64_C(1) << 32)
#define FAULT_MAKE_HANGS (UINT64_C(1) << 33)
#define FAULT_CONTAINER_BAD FAULT_PORTS_FAIL /* to the container: its unpacking fails */

enum happening {
	HAPPENS_SHIM_DEATH,
	HAPPENS_INIT_END,
	HAPPENS_CREATE, /* of a container */
	HAPPENS_START,
	HAPPENS_EXIT, /* of the container */
};

#define SANDBOX_SCENARIOS 79
extern const struct scenario sandbox_scenarios[SANDBOX_SCENARIOS];
