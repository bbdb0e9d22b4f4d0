/*
 * err.h - one error value, filled where the failure occurs and prefixed by the callers.
 *
 * `int f(..., struct err *e)`.  0: done.  <0: failed, e is filled; forward it, never compare it.
 * >0: an outcome that f documents; the direct caller handles it and never forwards it.  The error
 * path allocates nothing.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* gRPC numbering, so the api layer maps nothing. */
enum err_code {
	ERR_OK = 0,
	ERR_CANCELLED = 1,
	ERR_UNKNOWN = 2,
	ERR_INVALID = 3, /* INVALID_ARGUMENT */
	ERR_DEADLINE = 4,
	ERR_NOT_FOUND = 5,
	ERR_EXISTS = 6,
	ERR_DENIED = 7,
	ERR_EXHAUSTED = 8,
	ERR_PRECONDITION = 9,
	ERR_ABORTED = 10,
	ERR_RANGE = 11,
	ERR_UNIMPLEMENTED = 12,
	ERR_INTERNAL = 13,
	ERR_UNAVAILABLE = 14,
	ERR_DATA_LOSS = 15,
	ERR_UNAUTHENTICATED = 16,
};

/* Wide enough for the last lines of a runtime's stderr after a chain of prefixes. */
#define ERR_TEXT_MAX 1024

struct err {
	enum err_code code;
	int errnum; /* of the failed system call; 0: none */
	const char *file; /* where the failure occurred */
	int line;
	char text[ERR_TEXT_MAX]; /* UTF-8, no NUL inside, cut at the end when too long */
};

#define ERR_NULL ((struct err){ .code = ERR_OK })

/* Fill e and return -code.  text: what failed, on which object, what to do. */
#define err_set(e, code, ...) err_fill((e), (code), 0, __FILE__, __LINE__, __VA_ARGS__)

/* err_set for a failed system call: appends ": strerror(errnum)", keeps errnum.  ENOSPC, EDQUOT and
 * EMFILE give ERR_EXHAUSTED in place of code. */
#define err_errno(e, code, errnum, ...) \
	err_fill((e), (code), (errnum), __FILE__, __LINE__, __VA_ARGS__)

/* Prepend "prefix: " to the text; keeps code, errno and origin.  Returns -code. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

int err_fill(struct err *e, enum err_code code, int errnum, const char *file, int line,
	     const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Name for logs and tools, "NOT_FOUND". */
const char *err_code_name(enum err_code code);
