/*
 * mounts.h - the "mounts" of a config.json and their propagation, labels and mount points.
 * Inside src/oci only.  OCI runtime spec, config.md "Mounts"; CRI Mount.
 */
#pragma once

#include "oci/ctx.h"

/* Fill mounts of c->root and c->propagation.  Creates missing host directories, sets SELinux labels
 * as requested, makes mount points for the image's volumes. */
int oci_mounts_build(struct oci_ctx *c);
