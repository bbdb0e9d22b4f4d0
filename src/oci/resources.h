/*
 * resources.h - linux.resources of a config.json: the limits of a container's cgroup.
 * Inside src/oci, and for an update of a running container.  OCI runtime spec, config-linux.md
 * "Control groups".
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "conf/conf.h"
#include "gen/api.pb-c.h"
#include "os/security.h"

/* Called for each omitted setting that this host cannot enforce. */
typedef void oci_resources_warn_fn(void *arg, const char *text);

struct oci_resources_input {
	const Runtime__V1__LinuxContainerResources *resources; /* NULL: no limits */
	const struct os_security *host;
	int64_t min_memory; /* minimum memory limit, smaller ones are refused; 0: none */
	int64_t pids_limit; /* <= 0: none */
	oci_resources_warn_fn *warn; /* may be NULL */
	void *warn_arg;
};

/* Add the members to out, an object: the "linux.resources" of a config.json, or the whole text for
 * `RUNTIME update --resources FILE`.  ERR_INVALID names the field. */
int oci_resources_put(const struct oci_resources_input *in, json_t *out, struct err *e);
