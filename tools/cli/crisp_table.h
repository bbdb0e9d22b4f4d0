/*
 * crisp_table.h - aligned columns for people, and numbers as people say them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"

#define TABLE_COLUMNS_MAX 10

struct table;

/* headings: n_columns of them. */
struct table *table_new(const char *const *headings, size_t n_columns);
void table_free(struct table *t);
static inline void table_freep(struct table **t)
{
	table_free(*t);
}
#define _cleanup_table_ _cleanup_(table_freep)

/* The next cell, row by row; control characters become '?', so that no name can steer a terminal.
 * NULL is "". */
void table_add(struct table *t, const char *text);
/* The first 13 characters: what tells ids apart, short enough to type. */
void table_add_id(struct table *t, const char *id);

void table_print(const struct table *t, FILE *out);

/* "2 minutes ago" of a CLOCK_REALTIME value; "-" for 0. */
void format_ago(int64_t at_ns, int64_t now_ns, char out[32]);
/* "2 minutes". */
void format_duration(int64_t ns, char out[32]);
/* "12.3MB", in powers of 1000. */
void format_bytes(uint64_t n, char out[32]);
