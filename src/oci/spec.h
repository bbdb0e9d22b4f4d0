/*
 * spec.h - from what the kubelet asked for to the config.json that an OCI runtime gets.
 *
 * Blocks (reads the container's own rootfs and host paths that mounts name): for a worker.  Has no
 * state: the same input gives the same text.  What it may change on disk: it creates host
 * directories that mounts name and that are missing, those of the image's volumes, and in the
 * container's rootfs the working directory and the mount points of the image's volumes.
 * What must hold: the rootfs is hostile (every path in it is resolved with openat2 inside it), a
 * setting that cannot be enforced is an error and never dropped in silence, except where the
 * header or a warning in struct oci_spec says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "conf/conf.h"
#include "gen/api.pb-c.h"
#include "image/config.h"
#include "oci/features.h"
#include "os/security.h"

/* Everything is borrowed for the time of the call. */
struct oci_spec_input {
	const char *id; /* of the container; of the sandbox for its init */
	const char *sandbox_id;
	const char *image_name; /* as asked for, only for annotations; NULL: none */

	/* The container, or NULL: the spec of the sandbox's init process, then init_args is its
	 * command line (NULL-terminated) and the settings come from the sandbox's context. */
	const Runtime__V1__ContainerConfig *config;
	const Runtime__V1__PodSandboxConfig *sandbox; /* required */
	const struct image_config *image; /* NULL: no defaults from an image */
	const char *const *init_args;

	const char *rootfs; /* absolute, already mounted */
	/* Existing directory, the container's own, for generated files (passwd), which get a small
	 * tmpfs below it; NULL: none are generated. */
	const char *dir;

	/* The pod's pinned namespaces.  Needed for each one whose mode is POD; the mode NODE wins
	 * over a path.  uts NULL: the host's. */
	const char *netns, *ipcns, *utsns;
	const char *pidns; /* with pid POD: /proc/PID/ns/pid of the sandbox's init */
	const char *userns; /* with a pod user namespace: its path, NULL: the runtime makes one */
	pid_t target_pid; /* with pid TARGET: first process of the target container */

	const char *cgroups_path; /* in the form the cgroup manager wants, not empty */
	const char *hostname; /* for HOSTNAME in the environment; NULL or "": not set */

	/* Host files of the pod, NULL: not mounted. */
	const char *resolv_conf, *hosts_file, *hostname_file;
	const char *shm; /* host directory for /dev/shm; NULL: a tmpfs of its own */

	/* Where host directories for the image's volumes are made, with crio.conf's image_volumes
	 * "bind"; NULL: they are directories of the rootfs. */
	const char *volumes_dir;

	/* Beside each config->mounts[i] whose image is set: host directory of the image's content,
	 * read-only by nature; the image_sub_path is resolved in it here.  Others are NULL.  The
	 * array itself may be NULL when no mount names an image. */
	const char *const *image_mount_sources;

	const struct conf *conf;
	const struct conf_runtime *runtime; /* the handler; NULL: the default one of conf */
	const struct oci_features *features; /* of that runtime */
	const struct os_security *host;
	const char *apparmor_default; /* profile for RuntimeDefault once it is loaded; NULL: none */
};

struct oci_spec {
	char *config_json; /* NUL-terminated */
	size_t config_size;
	int64_t uid, gid; /* as resolved, for ContainerStatus.user */
	int64_t *
		groups; /* supplemental; gid is one of them, so that no file mode can shut it out */
	size_t n_groups;
	int stop_signal; /* Linux number: config, else image, else SIGTERM */
	bool own_pid_ns; /* false: a kill of the first process leaves its children */
	bool may_trace; /* it has CAP_SYS_PTRACE, is not privileged and does not see the host */
	char **warnings; /* NULL-terminated or NULL: what was weakened and why, for the log */
	char *mount_label; /* SELinux label of the rootfs, NULL: none */
};

#define OCI_SPEC_NULL ((struct oci_spec){ .config_json = NULL })

/* Build the config.json (OCI runtime spec 1.0.2) of a container.
 * Errors: ERR_INVALID for what the request itself has wrong, ERR_PRECONDITION for a user, device,
 * profile or host path that does not exist and for what this host cannot enforce, ERR_INTERNAL
 * for a rootfs that cannot be read.  Texts name the field.  A recursive read-only mount that
 * cannot be had has "RROUnsupported" in its text.  ret is freed with oci_spec_done, also empty.
 *
 * What the request leaves out is protected.  No security context, no seccomp profile (unless
 * crio.conf has seccomp_use_default_when_empty = false) and empty lists of masked and read-only
 * paths (unless the pod has a user namespace) mean the defaults. */
int oci_spec_build(const struct oci_spec_input *in, struct oci_spec *ret, struct err *e);
void oci_spec_done(struct oci_spec *s);
