/*
 * words.h - what execve(2) takes: bounds on the words of a command and its environment.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* With the final NUL, in pages of 4 KiB: MAX_ARG_STRLEN of the kernel. */
#define WORDS_ONE_MAX ((size_t)128 * 1024)
/* All words of a command and their pointers: a quarter of the usual stack limit. */
#define WORDS_ALL_MAX ((size_t)2 * 1024 * 1024)

/* Add n words to *total, which starts at 0.  field: the request's field, for the error.
 * ERR_INVALID: execve would fail with E2BIG. */
int words_check(const char *field, char *const *words, size_t n, size_t *total, struct err *e);

/* The same for one variable NAME=value, whose value has value_size bytes. */
int words_check_variable(const char *field, const char *name, size_t value_size, size_t *total,
			 struct err *e);
