/*
 * commits.h - what the engine needs of the daemon: its clock, the store, answers to calls, the end
 * of objects.
 */
#pragma once

#include "sm/engine.h"

extern const struct sm_ops commits_ops;
