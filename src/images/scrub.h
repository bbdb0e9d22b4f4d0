/*
 * scrub.h - reads layers again that were written in an earlier boot, one at a time, at idle I/O
 * priority and a bounded rate, and takes those out of the way that are not what was unpacked.
 * On the loop thread.
 */
#pragma once

#include "core/objects.h"

/* At the start, after the sweep and before the loop runs: have every image looked at that has a
 * layer of an earlier boot which was not verified since, or one that is missing. */
void scrub_start(void);

/* A container cannot be made of its images: those that miss a layer are damaged. */
void scrub_images_of(const Crisp__State__Container *row);

void scrub_stop(void);
