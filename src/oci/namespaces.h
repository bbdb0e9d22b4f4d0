/*
 * namespaces.h - which namespaces a container joins, gets or shares with the host.
 *
 * OCI runtime spec, config-linux.md "Namespaces"; CRI NamespaceOption.
 */
#pragma once

#include "gen/api.pb-c.h"
#include "oci/ctx.h"

/* Is what a pod asks for possible: modes valid for a pod, user namespace mappings complete and
 * supported by the runtime?  For RunPodSandbox, before anything is made.  options may be NULL. */
int oci_namespaces_check_pod(const Runtime__V1__NamespaceOption *options,
			     const struct oci_features *features, struct err *e);

/* Fill linux.namespaces and the id mappings. */
int oci_namespaces_build(struct oci_ctx *c);
