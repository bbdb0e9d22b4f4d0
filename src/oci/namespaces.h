/*
 * namespaces.h - the namespaces that a container joins, creates or shares with the host.
 * OCI runtime spec, config-linux.md "Namespaces"; CRI NamespaceOption.
 */
#pragma once

#include "gen/api.pb-c.h"
#include "oci/ctx.h"

/* Check a pod's options: modes valid for a pod, user namespace mappings complete.  For
 * RunPodSandbox, before any resource is created.  options may be NULL. */
int oci_namespaces_check_pod(const Runtime__V1__NamespaceOption *options, struct err *e);

/* The map of the pod's user namespace; false: it has none.  options, checked, may be NULL. */
bool oci_namespaces_map(const Runtime__V1__NamespaceOption *options, struct userns_map *ret);

/* Check a container's options against those of its pod.  ERR_INVALID: an option differs from the
 * pod's, or mappings are missing; allowed are a PID namespace of the container's own and one of a
 * TARGET.  For CreateContainer, before any resource is created.  Either may be NULL: no options. */
int oci_namespaces_check_container(const Runtime__V1__NamespaceOption *options,
				   const Runtime__V1__NamespaceOption *pod, struct err *e);

/* Fill linux.namespaces and the id mappings. */
int oci_namespaces_build(struct oci_ctx *c);
