/*
 * toml.h - the subset of TOML 1.0 that configuration files use, as a small tree.
 * Supported: tables, dotted keys and tables, arrays of tables, inline tables, bare and quoted
 * keys.  All four kinds of strings, integers (decimal, hex, octal, binary), floats, booleans.
 * Arrays over several lines, comments.  Dates are refused.  The text is untrusted: every error
 * names file and line; nesting and width are bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum toml_type {
	TOML_TYPE_STRING,
	TOML_TYPE_INTEGER,
	TOML_TYPE_FLOAT,
	TOML_TYPE_BOOLEAN,
	TOML_TYPE_ARRAY, /* also an array of tables: its children are tables */
	TOML_TYPE_TABLE,
};

/* One value, read-only for callers; the root owns all values. */
struct toml {
	enum toml_type type;
	int line; /* line of its definition, from 1 */
	char *key; /* NULL in an array and at the root */
	char *string; /* UTF-8 without NUL; TOML_TYPE_STRING only */
	int64_t integer;
	double number;
	bool boolean;
	struct toml *first, *last; /* children of arrays and tables, in the order of the file */
	struct toml *next; /* the next child of the same parent */
	size_t n; /* number of children */
	unsigned char how; /* form of its definition; internal to the parser */
};

/* Parse size bytes of text into a table; the caller frees it with toml_free.  name is for errors,
 * which are ERR_INVALID. */
int toml_parse(const char *text, size_t size, const char *name, struct toml **ret, struct err *e);

/* Parse a file of at most LIMIT_CONF_FILE bytes in the same way.  1: no such file. */
int toml_load(const char *path, struct toml **ret, struct err *e);

void toml_free(struct toml *root);

static inline void toml_freep(struct toml **t)
{
	toml_free(*t);
}

/* The child of that name.  NULL: no such child, or table is NULL. */
const struct toml *toml_get(const struct toml *table, const char *key);

/* "a string", "an array": for errors. */
const char *toml_type_name(enum toml_type type);
