/*
 * dynlib.h - functions of libraries that are loaded when they are first needed.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct dynlib_symbol {
	const char *name;
	void *place; /* of the pointer to the function */
};

/* Load library, of Debian package `package`, for good, and set each place.  ERR_UNIMPLEMENTED: it
 * is not installed, or lacks a function. */
int dynlib_load(const char *library, const char *package, const struct dynlib_symbol *symbols,
		size_t n, struct err *e);
