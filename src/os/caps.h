/*
 * caps.h - Linux capability sets as bits, and their names.
 *
 * Bit n of a set is capability number n of linux/capability.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CAPS_BIT(number) (UINT64_C(1) << (number))

/* Number of a name, with or without "CAP_", in any case.  0, or -1: unknown. */
int caps_parse(const char *name, unsigned *ret);

/* Name with prefix, "CAP_CHOWN"; NULL: above the last known number. */
const char *caps_name(unsigned number);

/* Every capability that caps_name knows. */
uint64_t caps_known(void);

struct caps_own {
	uint64_t bounding, permitted, effective;
};

/* The calling thread's own sets. */
int caps_read_own(struct caps_own *ret, struct err *e);
