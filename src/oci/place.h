/*
 * place.h - give the runtime paths in the container that have no links in them.
 *
 * What must hold: an OCI runtime works in the root file system as root before pivot_root, and some
 * join paths to it as plain text.  So each destination of a mount, each device node and the working
 * directory is resolved inside the container's tree here, made there when it is missing, and
 * written to config.json without links.  /dev, /proc and /sys are directories of the image itself.
 */
#pragma once

#include "oci/ctx.h"

/* /dev, /proc and /sys of the root file system: make a missing one, refuse all but directories. */
int oci_place_system(struct oci_ctx *c);

/* One entry of "mounts", in the order of mounting.  required_path: the runtime expects the mount
 * there and nowhere else. */
int oci_place_mount(struct oci_ctx *c, json_t *mount, bool required_path);

/* /etc/mtab leads to /proc/mounts, for df, mount and old libraries, where the image has none. */
int oci_place_mtab(struct oci_ctx *c);

/* "linux.devices" and "process.cwd", after all mounts. */
int oci_place_devices(struct oci_ctx *c);
int oci_place_cwd(struct oci_ctx *c);
