/*
 * devices.h - the device nodes of a container and the rules of its device cgroup.
 * Inside src/oci only.  OCI runtime spec, config-linux.md "Devices".
 */
#pragma once

#include "oci/ctx.h"

/* Fill linux.devices and linux.resources.devices.  The runtime itself adds null, zero, full,
 * random, urandom, tty, console and ptmx. */
int oci_devices_build(struct oci_ctx *c);
