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

/* Is what a container asks for in a pod with the options of pod possible?  An option that differs
 * from the pod's is ERR_INVALID, except a PID namespace of the container's own and one of a TARGET.
 * For CreateContainer, before anything is made.  Either may be NULL: nothing is asked. */
int oci_namespaces_check_container(const Runtime__V1__NamespaceOption *options,
				   const Runtime__V1__NamespaceOption *pod, struct err *e);

/* Fill linux.namespaces and the id mappings. */
int oci_namespaces_build(struct oci_ctx *c);
