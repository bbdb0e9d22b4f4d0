/*
 * records.h - setters for steps, which edit a record.
 *
 * A record is a protobuf-c message unpacked with the default allocator.  Unset strings point to
 * protobuf_c_empty_string and must not be freed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "sm/engine.h"

/* Replace a string field; value NULL or "": empty. */
void row_set_str(char **field, const char *value);
/* Replace a repeated string field by a NULL-terminated list (NULL: empty). */
void row_set_strs(char ***field, size_t *n, char *const *values);
/* Append to a repeated string field unless it contains value. */
void row_add_str(char ***field, size_t *n, const char *value);
/* Append to a repeated string field; duplicates are allowed. */
void row_append_str(char ***field, size_t *n, const char *value);
/* Remove the first match from a repeated string field; false: no match. */
bool row_del_str(char ***field, size_t *n, const char *value);

/* Record ev's error as the cause of the failure; ev without an error: ERR_DEADLINE. */
void row_fail(Crisp__State__Failure **field, const struct sm_event *ev);
void row_clear_failure(Crisp__State__Failure **field);
/* Set e to the failure; returns -code. */
int row_failure_err(const Crisp__State__Failure *f, struct err *e);
