/*
 * row.h - a row's bytes: the header before each payload.  For the store's own files only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct store_row;

size_t store_row_header(void);
/* Header and payload of size bytes into the size + store_row_header() bytes at to. */
void store_row_write(void *to, const char *key, const void *payload, size_t size);

/* Would a write of this payload give that value? */
bool store_row_is(const void *value, size_t value_size, const char *key, const void *payload,
		  size_t size);

/* ret points into key and value.  key ends with a NUL.  ret->damaged tells whether it is intact. */
void store_row_read(const char *key, const void *value, size_t size, struct store_row *ret);
