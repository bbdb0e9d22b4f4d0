/*
 * place.h - resolve container paths, so that config.json has only paths without links.
 * An OCI runtime works in the root file system as root before pivot_root, and some runtimes join
 * paths to it as plain text.  The functions here resolve each mount destination, each device node
 * and the working directory inside the container's tree.  Missing ones are created, and
 * config.json gets the paths without links.  /dev, /proc and /sys must be directories of the image
 * itself.
 */
#pragma once

#include "oci/ctx.h"

/* /dev, /proc and /sys of the root file system: create a missing one, refuse all but
 * directories. */
int oci_place_system(struct oci_ctx *c);

/* Place one entry of "mounts"; call in the order of mounting.  required_path: the runtime expects
 * exactly this destination. */
int oci_place_mount(struct oci_ctx *c, json_t *mount, bool required_path);

/* Link /etc/mtab to /proc/mounts, for df, mount and old libraries, unless the image has an mtab. */
int oci_place_mtab(struct oci_ctx *c);

/* Make the empty file /run/.containerenv, by which programs see that they are in a container. */
int oci_place_containerenv(struct oci_ctx *c);

/* Place "linux.devices" and "process.cwd"; call after all mounts. */
int oci_place_devices(struct oci_ctx *c);
int oci_place_cwd(struct oci_ctx *c);
