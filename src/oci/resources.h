/*
 * resources.h - linux.resources of a config.json: what the cgroup of a container limits.
 *
 * Inside src/oci, and for an update of a container that runs.  OCI runtime spec, config-linux.md
 * "Control groups".
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "conf/conf.h"
#include "gen/api.pb-c.h"
#include "os/security.h"

/* Called for what this host cannot enforce and that is left out. */
typedef void oci_resources_warn_fn(void *arg, const char *text);

struct oci_resources_input {
	const Runtime__V1__LinuxContainerResources *resources; /* NULL: no limits */
	const struct os_security *host;
	int64_t min_memory; /* a smaller limit is refused, 0: none is */
	int64_t pids_limit; /* <= 0: none */
	oci_resources_warn_fn *warn; /* may be NULL */
	void *warn_arg;
};

/* Add the members to out, an object: the "linux.resources" of a config.json, which is also the
 * whole text for `RUNTIME update --resources FILE`.  ERR_INVALID names the field. */
int oci_resources_put(const struct oci_resources_input *in, json_t *out, struct err *e);
