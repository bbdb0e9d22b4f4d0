/*
 * profiles.h - which seccomp, AppArmor and SELinux confinement a container gets.
 *
 * Inside src/oci only.
 */
#pragma once

#include "oci/ctx.h"

/* Fill c->process_label and c->file_label: before the mounts are made, which are labelled. */
int oci_selinux_build(struct oci_ctx *c);

/* Fill linux.seccomp, process.apparmorProfile, process.selinuxLabel and linux.mountLabel; after the
 * capabilities, which decide what the default seccomp profile allows. */
int oci_profiles_build(struct oci_ctx *c);
