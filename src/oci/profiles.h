/*
 * profiles.h - the seccomp, AppArmor and SELinux confinement of a container.
 * Inside src/oci only.
 */
#pragma once

#include "oci/ctx.h"

/* Fill c->process_label and c->file_label.  Call before the mounts are built, which get labels. */
int oci_selinux_build(struct oci_ctx *c);

/* Fill linux.seccomp, process.apparmorProfile, process.selinuxLabel and linux.mountLabel.  Call
 * after the capabilities, on which the default seccomp profile depends. */
int oci_profiles_build(struct oci_ctx *c);
