/*
 * features.h - what an OCI runtime says it can do: the answer of its `features` subcommand.
 *
 * A runtime that has no such subcommand has none of these; see the OCI runtime spec, features.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct oci_features {
	bool rro;   /* mount option "rro" */
	bool idmap; /* mount extension idmap: what CRI user namespaces stand on */
};

/* Read the JSON that `RUNTIME features` printed.  Unknown members are ignored. */
int oci_features_parse(const char *json, size_t size, struct oci_features *ret, struct err *e);
