/*
 * commits.h - the daemon's callbacks for the engine: clock, store, replies, removal of objects.
 */
#pragma once

#include "sm/engine.h"

extern const struct sm_ops commits_ops;
