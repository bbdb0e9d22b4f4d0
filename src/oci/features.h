/*
 * features.h - what an OCI runtime says it can do: the answer of its `features` subcommand.
 *
 * A runtime that has no such subcommand has none of these; see the OCI runtime spec, features.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* What `RUNTIME exec --cgroup` takes. */
enum oci_exec_cgroup {
	OCI_EXEC_CGROUP_NONE, /* there is no such option */
	OCI_EXEC_CGROUP_PATH, /* a path: enough where there is one hierarchy */
	OCI_EXEC_CGROUP_CONTROLLER, /* CONTROLLER:PATH too */
};

struct oci_features {
	bool rro; /* mount option "rro" */
	bool idmap; /* mount extension idmap: what CRI user namespaces stand on */
	enum oci_exec_cgroup exec_cgroup; /* from its help, not from `features` */
	char *vulnerable; /* from its version (vulnerable.h), malloc'ed; NULL: nothing known */
};

/* Read what `RUNTIME exec --help` printed; NULL: nothing. */
enum oci_exec_cgroup oci_features_exec_cgroup(const char *help);

/* Read the JSON that `RUNTIME features` printed.  Unknown members are ignored;
 * exec_cgroup and vulnerable stay as they are. */
int oci_features_parse(const char *json, size_t size, struct oci_features *ret, struct err *e);
