/*
 * words.h - bounds of execve(2) on the words of a command and its environment.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* MAX_ARG_STRLEN of the kernel with 4 KiB pages, the final NUL included. */
#define WORDS_ONE_MAX ((size_t)128 * 1024)
/* All words of a command with their pointers: a quarter of the usual stack limit. */
#define WORDS_ALL_MAX ((size_t)2 * 1024 * 1024)

/* Add n words to *total, which starts at 0.  field: the request's field, for the error.
 * ERR_INVALID: execve would fail with E2BIG. */
int words_check(const char *field, char *const *words, size_t n, size_t *total, struct err *e);

/* words_check for one variable NAME=value with a value of value_size bytes. */
int words_check_variable(const char *field, const char *name, size_t value_size, size_t *total,
			 struct err *e);
