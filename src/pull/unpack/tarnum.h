/*
 * tarnum.h - pure parsers for fields of a tar header block and records of a PAX header.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Number field: octal text, or base-256 if the first bit is set. -1: malformed. */
int tar_number(const unsigned char *field, size_t size, int64_t *ret);

/* true: the checksum field equals the block's sum, of unsigned or signed bytes. */
bool tar_checksum_is_valid(const unsigned char *block);

/* "[-]seconds[.fraction]". 0, or -1: malformed. */
int tar_pax_time(const char *text, int64_t *ret_s, long *ret_ns);

/* Next record "length key=value\n" of a PAX header at *pos. 1: end. Key and value end with a NUL
 * written over "=" and "\n" in data; the value may contain NULs. -1: malformed. */
struct tar_pax_record {
	char *key, *value;
	size_t size; /* of the value */
};
int tar_pax_next(char *data, size_t size, size_t *pos, struct tar_pax_record *ret);
