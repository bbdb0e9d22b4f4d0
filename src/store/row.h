/*
 * row.h - the format of a row: a header before each payload.  For the store's own files only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct store_row;

size_t store_row_header(void);
/* Write header and payload to the size + store_row_header() bytes at to. */
void store_row_write(void *to, const char *key, const void *payload, size_t size);

/* Does value equal the encoding of this payload? */
bool store_row_is(const void *value, size_t value_size, const char *key, const void *payload,
		  size_t size);

/* Decode a row.  ret points into key and value.  key ends with a NUL.  ret->damaged: checksum,
 * version or header is wrong. */
void store_row_read(const char *key, const void *value, size_t size, struct store_row *ret);
