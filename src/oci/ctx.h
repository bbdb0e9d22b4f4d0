/*
 * ctx.h - state shared by the parts of the spec builder while building one config.json.
 * Inside src/oci only.  The parts run in the order of oci_spec_build: each reads the fields above
 * its own results here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/json.h"
#include "oci/rootview.h"
#include "oci/spec.h"
#include "oci/user.h"
#include "os/userns.h"

/* One "containerEdits" of a CDI specification; the catalog owns its values. */
struct oci_edit {
	const char *file;
	const char *device; /* full name; NULL: the edits are for each device of the file */
	const json_t *json;
};

struct oci_ctx {
	const struct oci_spec_input *in;
	struct err *e;

	/* The request; for a sandbox's init derived from the sandbox's context.  Never NULL, except
	 * resources. */
	const Runtime__V1__ContainerConfig *config;
	const Runtime__V1__LinuxContainerSecurityContext *sec;
	const Runtime__V1__LinuxContainerResources *resources;
	const char *seccomp_profile_path, *apparmor_profile; /* deprecated fields, "" */
	const Runtime__V1__NamespaceOption *pod_ns; /* network, ipc, user */
	const Runtime__V1__NamespaceOption *pid_ns; /* pid */
	struct userns_map map; /* of the pod's user namespace; counts 0: none */
	bool is_sandbox;
	bool privileged;
	bool no_context; /* the request has no security context: defaults only */

	int rootfs; /* O_PATH descriptor */
	struct rootview *view; /* of rootfs; includes the mounts placed so far */
	json_t *root, *process, *linux_part;

	struct user user;
	char *passwd_file, *group_file; /* generated, mounted over those in /etc; NULL: none */
	bool has_files; /* the tmpfs of passwd_file and group_file is mounted */
	uint64_t bounding; /* capabilities of the container */
	char *process_label, *file_label; /* SELinux, NULL: none */
	const char *propagation; /* rootfsPropagation, NULL: the runtime's default */

	/* Edits of the CDI devices, in the order of injection; see edits.h. */
	struct oci_edit *edits;
	size_t n_edits;

	char **warnings;
	size_t n_warnings;
};

/* Record a warning about a weakened setting; at most 64 are kept. */
void oci_ctx_warn(struct oci_ctx *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Normalise path, absolute in the container, by text alone: remove ".", "..", "//" and a trailing
 * slash.  The caller frees the result; "/" is the root itself. */
char *oci_clean_path(const char *path);

/* Does the pod have a user namespace of its own? */
static inline bool oci_has_userns(const struct oci_ctx *c)
{
	return c->map.uid.count > 0;
}

/* Check that text is UTF-8, as JSON requires; ERR_INVALID names field. */
int oci_check_text(struct oci_ctx *c, const char *field, const char *text);

/* Id mappings as the runtime spec writes them; a new value. */
json_t *oci_mappings_json(Runtime__V1__IDMapping *const *list, size_t n);
