/*
 * process.h - the "process" of a config.json: command, user, privileges and limits.
 * Inside src/oci only.  OCI runtime spec, config.md "Process".
 */
#pragma once

#include "oci/ctx.h"

/* Fill c->process, c->user and c->bounding.  Creates the working directory. */
int oci_process_build(struct oci_ctx *c);
