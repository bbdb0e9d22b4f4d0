/*
 * yaml.h - a YAML file of a CDI specification as the JSON tree of the same meaning.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

/* Read one document; *ret is a new reference.  Plain scalars have the type of their field in the
 * table of fields.h; aliases share their value.  ERR_INVALID names the line: malformed text, a
 * member twice, an alias inside its own anchor, too many values (each alias counts with all that it
 * stands for), too many levels or anchors, a second document. */
int cdi_yaml_read(const char *text, size_t size, json_t **ret, struct err *e);
