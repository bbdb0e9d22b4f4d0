/*
 * lives.h - a history from its beginning to its verdict.
 */
#pragma once

#include <stdint.h>

/* A fresh node; its troubles are drawn from seed. */
void history_begin(uint64_t seed);
/* -1: a check has failed, node->why says which. */
int history_run(void);
