/*
 * fields.h - the fields of a CDI specification file as one table, and the checks that follow it.
 * The YAML reader takes the type of a plain scalar from the same table.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CDI_VERSION "1.1.0" /* the newest known version of the specification */

enum cdi_type {
	CDI_TEXT,
	CDI_NUMBER,
	CDI_BOOLEAN,
	CDI_OBJECT,
	CDI_TEXT_MAP, /* an object of any names with texts */
};

struct cdi_field {
	const char *name;
	enum cdi_type type; /* of the value; of each item, if list */
	bool list;
	bool required; /* neither absent nor empty */
	bool unique; /* a text that no two objects of their list share */
	int since; /* version that first had it, see cdi_version; 0: the first */
	bool (*newer)(const char *text); /* only such a text needs `since`; NULL: each value does */
	int64_t min, max; /* of a number */
	bool (*is_valid)(const char *text); /* NULL: each text is */
	const char *want; /* completes "must be ..." after is_valid or a number out of range */
	const struct cdi_field *fields; /* of an object; the last one has no name */
};

/* The file as a whole: an object. */
extern const struct cdi_field cdi_root;

/* MAJOR * 10000 + MINOR * 100 + PATCH of a version of the specification, with or without a leading
 * "v"; 0: not a known version. */
int cdi_version(const char *text);

/* The field of that name in the object that f describes; NULL: none. */
const struct cdi_field *cdi_field_find(const struct cdi_field *f, const char *name);

/* Check a whole file.  ERR_INVALID: the text begins with the path of the field. */
int cdi_check(const json_t *root, struct err *e);
