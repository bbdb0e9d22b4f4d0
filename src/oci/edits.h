/*
 * edits.h - the CDI devices that a container asks for, and their edits of its config.json.
 * Inside src/oci only.  Environment and groups are added in process.c, nodes in devices.c, mounts
 * in mounts.c, everything else here.
 */
#pragma once

#include "oci/ctx.h"

/* Fill c->edits: for each file its own edits, then those of its devices, in the order of the
 * request; a device asked for twice comes once.  ERR_INVALID: no name of a device.
 * ERR_PRECONDITION: CDI is switched off, or no file describes the device. */
int oci_edits_find(struct oci_ctx *c);

/* Add hooks, linux.intelRdt and linux.netDevices. */
int oci_edits_build(struct oci_ctx *c);

/* Prefix c->e with file and device of the edit.  Returns -code. */
int oci_edit_wrap(struct oci_ctx *c, const struct oci_edit *edit);
