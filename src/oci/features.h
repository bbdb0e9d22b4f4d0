/*
 * features.h - the features of an OCI runtime, from its `features` subcommand.
 * A runtime without that subcommand has none of them; see the OCI runtime spec, features.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Argument of `RUNTIME exec --cgroup`. */
enum oci_exec_cgroup {
	OCI_EXEC_CGROUP_NONE, /* the runtime has no such option */
	OCI_EXEC_CGROUP_PATH, /* a path: enough on hosts with one hierarchy */
	OCI_EXEC_CGROUP_CONTROLLER, /* CONTROLLER:PATH too */
};

struct oci_features {
	bool rro; /* mount option "rro" */
	bool idmap; /* mount extension idmap: required for CRI user namespaces */
	bool net_devices; /* linux.netDevices */
	bool rdt_schemata, rdt_monitoring; /* linux.intelRdt.schemata, .enableMonitoring */
	bool no_checkpoint; /* it says that it was built without CRIU */
	enum oci_exec_cgroup exec_cgroup; /* from its help, not from `features` */
	char *vulnerable; /* from its version (vulnerable.h), malloc'ed; NULL: none known */
};

/* Parse the output of `RUNTIME exec --help`; help may be NULL: no output. */
enum oci_exec_cgroup oci_features_exec_cgroup(const char *help);

/* Parse the JSON of `RUNTIME features`.  Unknown members are ignored; exec_cgroup and vulnerable
 * are not changed. */
int oci_features_parse(const char *json, size_t size, struct oci_features *ret, struct err *e);
