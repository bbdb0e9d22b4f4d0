/*
 * spec.h - build the config.json of an OCI runtime from the kubelet's request.
 * Blocks (reads the container's own rootfs and host paths that mounts name): call on a worker.
 * Stateless: the same input gives the same text.  Creates missing host directories that mounts
 * name, and those of the image's volumes.  In the container's rootfs it creates the working
 * directory and the mount points of the image's volumes.
 * Invariants: the rootfs is untrusted; every path in it is resolved with openat2 inside it.  A
 * setting that cannot be enforced is an error.  It is never dropped silently, except where this
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

struct cdi_catalog;

/* All pointers are borrowed for the time of the call. */
struct oci_spec_input {
	const char *id; /* of the container; of the sandbox for its init */
	const char *sandbox_id;
	const char *image_name; /* as requested, only for annotations; NULL: none */

	/* The container's config; NULL: build the spec of the sandbox's init process.  Then
	 * init_args is its command line (NULL-terminated) and the sandbox's context has the
	 * settings. */
	const Runtime__V1__ContainerConfig *config;
	const Runtime__V1__PodSandboxConfig *sandbox; /* required */
	const struct image_config *image; /* NULL: no defaults from an image */
	const char *const *init_args;

	const char *rootfs; /* absolute, already mounted */
	/* Existing directory of the container, for generated files (passwd), which get a small
	 * tmpfs below it; NULL: generate none. */
	const char *dir;

	const char *criu_conf; /* file with CRIU's options, written for a checkpoint; NULL: none */

	/* The pod's pinned namespaces, required for each with mode POD; mode NODE wins over a path.
	 * uts may be NULL: the host's. */
	const char *netns, *ipcns, *utsns;
	const char *pidns; /* with pid POD: /proc/PID/ns/pid of the sandbox's init */
	const char *userns; /* likewise, with a user namespace of the pod */
	pid_t target_pid; /* with pid TARGET: first process of the target container */

	const char *cgroups_path; /* in the cgroup manager's form, not empty */
	const char *hostname; /* for HOSTNAME in the environment; NULL or "": not set */

	/* Host files of the pod, NULL: not mounted. */
	const char *resolv_conf, *hosts_file, *hostname_file;
	const char *shm; /* host directory for /dev/shm; NULL: a tmpfs of its own */

	/* Host directory for the image's volumes, with crio.conf's image_volumes "bind"; NULL:
	 * volumes are directories of the rootfs. */
	const char *volumes_dir;

	/* For each config->mounts[i] with an image: host directory of the image's content,
	 * read-only by nature; oci_spec_build resolves image_sub_path in it.  Other entries are
	 * NULL.  The array may be NULL when no mount names an image. */
	const char *const *image_mount_sources;

	/* Devices of the node; NULL: not read, since oci_spec_wants_cdi said so. */
	const struct cdi_catalog *cdi;

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
	int64_t *groups; /* supplemental, and gid, so that no file mode excludes it */
	size_t n_groups;
	int stop_signal; /* Linux number: config, else image, else SIGTERM */
	bool own_pid_ns; /* false: a kill of the first process leaves its children */
	bool may_trace; /* has CAP_SYS_PTRACE, is not privileged, not in the host's PID namespace */
	char **warnings; /* weakened settings with reasons, for the log; NULL-terminated or NULL */
	char *mount_label; /* SELinux label of the rootfs, NULL: none */
};

#define OCI_SPEC_NULL ((struct oci_spec){ .config_json = NULL })

/* Build the config.json (OCI runtime spec 1.0.2) of a container; free ret with oci_spec_done, also
 * after an error.  ERR_INVALID: the request is invalid.  ERR_PRECONDITION: a user, device, profile
 * or host path does not exist, or this host cannot enforce a setting.  ERR_INTERNAL: the rootfs
 * cannot be read.  Texts name the field; "RROUnsupported" marks an unavailable recursive read-only
 * mount.
 * An omitted setting gets the protective default: no security context; no seccomp profile, unless
 * crio.conf has seccomp_use_default_when_empty = false; an empty list of masked or read-only
 * paths, unless the pod has a user namespace. */
int oci_spec_build(const struct oci_spec_input *in, struct oci_spec *ret, struct err *e);
void oci_spec_done(struct oci_spec *s);

/* Does the container ask for CDI devices, by its field or by annotations?  Then oci_spec_build
 * needs the catalog. */
bool oci_spec_wants_cdi(const Runtime__V1__ContainerConfig *config);
