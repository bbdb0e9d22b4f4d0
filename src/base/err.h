/*
 * err.h - one error value, filled where a failure is first seen and prefixed on the way up.
 *
 * `int f(..., struct err *e)`: 0 is done; <0 failed and e is filled: forward it, never compare
 * it; >0 is an outcome that f documents, handled by the direct caller and never forwarded.
 * Nothing is allocated on the way out.
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

/* Wide enough for the last lines of a runtime's stderr behind a chain of prefixes. */
#define ERR_TEXT_MAX 1024

struct err {
	enum err_code code;
	int errnum; /* errno behind it, 0: none */
	const char *file; /* where it was first seen */
	int line;
	char text[ERR_TEXT_MAX]; /* UTF-8, no NUL inside, cut at the end when too long */
};

#define ERR_NULL ((struct err){ .code = ERR_OK })

/* Fill e and return -code.  text is made of what failed, on which object, what to do. */
#define err_set(e, code, ...) err_fill((e), (code), 0, __FILE__, __LINE__, __VA_ARGS__)

/* The same for a failed system call: appends ": strerror(errnum)", keeps errnum.
 * ENOSPC, EDQUOT and EMFILE become ERR_EXHAUSTED whatever the code says. */
#define err_errno(e, code, errnum, ...) \
	err_fill((e), (code), (errnum), __FILE__, __LINE__, __VA_ARGS__)

/* Put "prefix: " before the text; keeps code, errno and origin.  Returns -code. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

int err_fill(struct err *e, enum err_code code, int errnum, const char *file, int line,
	     const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* "NOT_FOUND", for logs and tools. */
const char *err_code_name(enum err_code code);
