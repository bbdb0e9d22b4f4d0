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

/* FUNCTIONS(F), a list of F(name), becomes `lib`, whose members point to the functions, and
 * `symbols` for dynlib_load. */
#define DYNLIB_MEMBER(name) __typeof__(name) *name;
#define DYNLIB_SYMBOL(name) { #name, (void *)&lib.name },
#define DYNLIB_TABLE(FUNCTIONS) \
	static struct { \
		FUNCTIONS(DYNLIB_MEMBER) \
	} lib; \
	static const struct dynlib_symbol symbols[] = { FUNCTIONS(DYNLIB_SYMBOL) }

/* Load library, of Debian package `package`, for good, and set each place.  ERR_UNIMPLEMENTED: it
 * is not installed, or lacks a function. */
int dynlib_load(const char *library, const char *package, const struct dynlib_symbol *symbols,
		size_t n, struct err *e);
