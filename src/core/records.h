/*
 * records.h - how a step writes into a record.
 *
 * A record is an unpacked protobuf-c message of the default allocator; strings that were never
 * set point to protobuf_c_empty_string and are not freed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "sm/engine.h"

/* Replace a string field; NULL and "" make it empty. */
void row_set_str(char **field, const char *value);
/* Replace a repeated string field by a NULL-terminated list (NULL: empty). */
void row_set_strs(char ***field, size_t *n, char *const *values);
/* Add to a repeated string field what is not in it. */
void row_add_str(char ***field, size_t *n, const char *value);
/* The same for a list in which a value may stand more than once. */
void row_append_str(char ***field, size_t *n, const char *value);
/* Remove from a repeated string field; false: it was not there. */
bool row_del_str(char ***field, size_t *n, const char *value);

/* Note why the operation failed. */
void row_fail(Crisp__State__Failure **field, const struct sm_event *ev);
void row_clear_failure(Crisp__State__Failure **field);
/* The failure as an error to answer with; returns -code. */
int row_failure_err(const Crisp__State__Failure *f, struct err *e);
