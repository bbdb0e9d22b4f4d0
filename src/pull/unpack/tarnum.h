/*
 * tarnum.h - the fields of a tar header block and the records of a PAX header, as pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A number field: octal text, or base-256 when the first bit is set.  -1: neither. */
int tar_number(const unsigned char *field, size_t size, int64_t *ret);

/* The sum over the block equals its checksum field, bytes taken as unsigned or as signed. */
bool tar_checksum_is_valid(const unsigned char *block);

/* "seconds[.fraction]" with a sign: 0, or -1. */
int tar_pax_time(const char *text, int64_t *ret_s, long *ret_ns);

/* The next "length key=value\n" of a PAX header at *pos.  1: there is none.  Key and value end
 * with a NUL that replaces "=" and "\n" in data; the value may contain NULs.  -1: malformed. */
struct tar_pax_record {
	char *key, *value;
	size_t size; /* of the value */
};
int tar_pax_next(char *data, size_t size, size_t *pos, struct tar_pax_record *ret);
