/*
 * pullphase.h - how far a pull has come: what the puller reports and the daemon shows.
 */
#pragma once

enum image_pull_phase {
	IMAGE_PULL_PHASE_RESOLVING,
	IMAGE_PULL_PHASE_FETCHING,
	IMAGE_PULL_PHASE_SYNCING,
};
