/*
 * mounts.h - the "mounts" of a config.json, and what hangs on them.
 *
 * Inside src/oci only.  OCI runtime spec, config.md "Mounts"; CRI Mount.
 */
#pragma once

#include "oci/ctx.h"

/* Fill mounts of c->root and c->propagation.  Creates missing host directories, relabels what the
 * request wants relabelled, makes mount points for the image's volumes. */
int oci_mounts_build(struct oci_ctx *c);
