/*
 * podtally.h - what has happened to pods and containers since the start, by the labels of CRI-O's
 * metrics.  Loop thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Observe objects.  After loading, before recovery; stop: before the objects are freed. */
void podtally_start(void);
void podtally_stop(void);

/* Containers killed for lack of memory. */
uint64_t podtally_ooms(void);

/* How often the container has lost its shim. */
uint64_t podtally_unwatched(const char *id);

/* What a repeated RunPodSandbox or CreateContainer found the first one at. */
#define PODTALLY_STAGES 5
extern const char *const podtally_stages[PODTALLY_STAGES];
uint64_t podtally_stalled(size_t stage);
