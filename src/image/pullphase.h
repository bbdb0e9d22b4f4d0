/*
 * pullphase.h - phases of a pull, which the puller reports and the daemon shows.
 */
#pragma once

enum image_pull_phase {
	IMAGE_PULL_PHASE_RESOLVING,
	IMAGE_PULL_PHASE_FETCHING,
	IMAGE_PULL_PHASE_SYNCING,
};
