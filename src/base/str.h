/*
 * str.h - numbers out of text, and small questions about text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole string is a decimal number within [min, max]: 0, else -1 and *ret is untouched. */
int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);
int str_to_u64(const char *s, uint64_t max, uint64_t *ret);

/* A duration as Go writes them, "1h30m", "1.5s", "250ms" (ns us ms s m h), or "0": 0 and *ret_ns,
 * else -1: no such text, negative, or longer than 292 years. */
int str_to_duration(const char *s, int64_t *ret_ns);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Bytes of the well-formed UTF-8 character that s begins with, 0: there is none. */
size_t str_utf8_char(const char *s, size_t size);

/* Well-formed UTF-8 (no surrogates, no overlong forms) of exactly size bytes. */
bool str_is_utf8(const char *s, size_t size);

/* Lower-case hex digits only, exactly size of them. */
bool str_is_hex(const char *s, size_t size);

/* Base64 with its padding, of at least one byte. */
bool str_is_base64(const char *s);

/* Edit distance, for "did you mean"; both shorter than 64 bytes, else a large number. */
unsigned str_distance(const char *a, const char *b);
