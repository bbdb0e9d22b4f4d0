/*
 * capabilities.h - process.capabilities of a config.json.
 * Inside src/oci only.  OCI runtime spec, config.md "Linux Process".
 */
#pragma once

#include "oci/ctx.h"

/* Fill c->bounding and process.capabilities from the request.  ERR_INVALID: a name is no
 * capability.  A capability that the daemon lacks is omitted with a warning. */
int oci_capabilities_build(struct oci_ctx *c);
