/*
 * crisp_table.h - aligned columns, and human-readable numbers.
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

/* Add the next cell, row by row.  Control characters become '?', so that no name can send escape
 * sequences to a terminal.  text may be NULL: "". */
void table_add(struct table *t, const char *text);
/* Add the first 13 characters of id: unique in practice, short enough to type. */
void table_add_id(struct table *t, const char *id);

void table_print(const struct table *t, FILE *out);

/* Age of a CLOCK_REALTIME value, such as "2 minutes ago"; "-" for 0. */
void format_ago(int64_t at_ns, int64_t now_ns, char out[32]);
/* A duration, such as "2 minutes". */
void format_duration(int64_t ns, char out[32]);
/* "12.3MB", in powers of 1000. */
void format_bytes(uint64_t n, char out[32]);
