/*
 * json.h - building JSON values with jansson; out of memory aborts.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

/* New values, never NULL.  Text must be UTF-8: check text from outside before. */
json_t *oci_json_object(void);
json_t *oci_json_array(void);
json_t *oci_json_text(const char *s);
json_t *oci_json_number(int64_t n);
/* Array of the n texts. */
json_t *oci_json_texts(char *const *list, size_t n);

/* Add to an object or an array, which then owns value. */
void oci_json_put(json_t *object, const char *key, json_t *value);
void oci_json_push(json_t *array, json_t *value);

/* Shortcuts for the common types. */
void oci_json_put_text(json_t *object, const char *key, const char *value);
void oci_json_put_number(json_t *object, const char *key, int64_t value);
void oci_json_push_text(json_t *array, const char *value);

/* The member as an object or array, created when missing. */
json_t *oci_json_need_object(json_t *object, const char *key);
json_t *oci_json_need_array(json_t *object, const char *key);

/* Is text an item of the array?  An array may be NULL: none. */
bool oci_json_has_text(const json_t *array, const char *text);

/* Compact text, freed by the caller; never NULL. */
char *oci_json_dump(const json_t *value);
