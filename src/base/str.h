/*
 * str.h - parse numbers, and test text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parse a decimal number within [min, max] that fills the string.  0, or -1: *ret is untouched. */
int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);
int str_to_u64(const char *s, uint64_t max, uint64_t *ret);

/* Multiply the number of len bytes, digits with or without a decimal point, by num / den.  Rounds
 * up.  0, or -1: no number, or the product is above INT64_MAX. */
int str_to_product(const char *s, size_t len, uint64_t num, uint64_t den, int64_t *ret);

/* Parse a Kubernetes quantity, rounded up: "10M", "1.5Gi", "500e3", "2500m".  0, or -1: no
 * quantity, negative, or above INT64_MAX. */
int str_to_quantity(const char *s, int64_t *ret);

/* Parse a duration as Go writes it, "1h30m", "1.5s", "250ms" (ns us ms s m h), or "0".  0, or -1:
 * invalid, negative, or longer than 292 years. */
int str_to_duration(const char *s, int64_t *ret_ns);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Bytes of the well-formed UTF-8 character at the start of s; 0: none. */
size_t str_utf8_char(const char *s, size_t size);

/* Is s well-formed UTF-8 (no surrogates, no overlong forms)? */
bool str_is_utf8(const char *s, size_t size);

/* Is s exactly size lower-case hex digits? */
bool str_is_hex(const char *s, size_t size);

/* Is s padded base64 of at least one byte? */
bool str_is_base64(const char *s);

/* Edit distance, for "did you mean".  Both texts must be shorter than 64 bytes, else the result is
 * a large number. */
unsigned str_distance(const char *a, const char *b);
