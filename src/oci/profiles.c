/*
 * profiles.c - seccomp, AppArmor and SELinux: profiles by name and defaults.
 * Invariants: a profile requested by name is enforced or the container is refused.  The default
 * profile is enforced if the host supports it, else omitted with a warning.
 */
#include "oci/profiles.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "oci/rootfs.h"
#include "os/apparmor.h"
#include "os/seccomp.h"
#include "os/selinux.h"

/* A requested profile, from either the new or the deprecated field. */
struct wanted {
	enum {
		WANT_NONE,
		WANT_DEFAULT,
		WANT_UNCONFINED,
		WANT_LOCALHOST
	} what;
	const char *ref;
};

static int from_profile(struct oci_ctx *c, const char *field, const Runtime__V1__SecurityProfile *p,
			struct wanted *ret)
{
	switch (p->profile_type) {
	case RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault:
		ret->what = WANT_DEFAULT;
		break;
	case RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Unconfined:
		ret->what = WANT_UNCONFINED;
		break;
	case RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE__Localhost:
		ret->what = WANT_LOCALHOST;
		ret->ref = p->localhost_ref;
		if (!*p->localhost_ref)
			return err_set(c->e, ERR_INVALID,
				       "%s: localhost_ref is required with the type Localhost",
				       field);
		return 0;
	case _RUNTIME__V1__SECURITY_PROFILE__PROFILE_TYPE_IS_INT_SIZE:
		break;
	}
	if (ret->what == WANT_NONE)
		return err_set(c->e, ERR_INVALID, "%s.profile_type is not a known value", field);
	if (*p->localhost_ref)
		return err_set(c->e, ERR_INVALID,
			       "%s: localhost_ref is only valid with the type Localhost", field);
	return 0;
}

/* "runtime/default", "docker/default", "unconfined", "localhost/NAME" of the deprecated fields. */
static int from_text(struct oci_ctx *c, const char *field, const char *text, struct wanted *ret)
{
	if (!*text) {
		ret->what = WANT_NONE;
	} else if (strcmp(text, "runtime/default") == 0 || strcmp(text, "docker/default") == 0) {
		ret->what = WANT_DEFAULT;
	} else if (strcmp(text, "unconfined") == 0) {
		ret->what = WANT_UNCONFINED;
	} else if (str_starts(text, "localhost/") && text[10]) {
		ret->what = WANT_LOCALHOST;
		ret->ref = text + 10;
	} else {
		return err_set(
			c->e, ERR_INVALID,
			"%s: \"%.128s\" is none of runtime/default, unconfined, localhost/NAME",
			field, text);
	}
	return 0;
}

static int read_wanted(struct oci_ctx *c, const char *field, const Runtime__V1__SecurityProfile *p,
		       const char *old_field, const char *old, struct wanted *ret)
{
	int r;

	*ret = (struct wanted){ .what = WANT_NONE };
	r = p ? from_profile(c, field, p, ret) : from_text(c, old_field, old, ret);
	if (r == 0 && ret->what == WANT_NONE &&
	    (c->no_context || c->is_sandbox || c->in->conf->seccomp_use_default_when_empty))
		ret->what = WANT_DEFAULT;
	return r;
}

/* --- seccomp -------------------------------------------------------------------------------- */

/* Does the image need the 32-bit sibling architecture? True for a 32-bit image, or one with a
 * 32-bit dynamic loader.  Omitting the second architecture makes each create and exec a fifth
 * faster, and removes a whole system call table from the attack surface. */
static bool needs_compat(const struct oci_ctx *c)
{
	static const char *const loaders[] = { "/lib/ld-linux.so.2", "/lib/ld-musl-i386.so.1",
					       "/lib/ld-linux-armhf.so.3",
					       "/lib/ld-musl-armhf.so.1" };
	const char *arch = c->in->image ? c->in->image->architecture : NULL;

	if (arch && (strcmp(arch, "386") == 0 || strcmp(arch, "arm") == 0))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(loaders); i++)
		if (rootfs_exists(c->rootfs, loaders[i]))
			return true;
	return false;
}

static int seccomp_from_file(struct oci_ctx *c, const char *path, json_t **ret)
{
	_cleanup_buf_ struct buf unknown = BUF_NULL;
	int r;

	if (path[0] != '/')
		return err_set(c->e, ERR_INVALID,
			       "seccomp profile \"%.128s\" is not an absolute path", path);
	r = seccomp_profile_load(path, c->bounding, &unknown, ret, c->e);
	if (r == 0 && unknown.len > 0)
		oci_ctx_warn(c, "seccomp profile %s names system calls that are not known here: %s",
			     path, unknown.data);
	return r;
}

static int seccomp_default(struct oci_ctx *c, json_t **ret)
{
	const struct conf_runtime *rt =
		c->in->runtime ? c->in->runtime : conf_runtime_find(c->in->conf, NULL);
	const char *file = c->in->conf->seccomp_profile;

	if (rt && rt->seccomp_profile && *rt->seccomp_profile)
		file = rt->seccomp_profile;
	if (file && strcmp(file, "unconfined") == 0)
		return 0;
	if (file && *file)
		return seccomp_from_file(c, file, ret);
	*ret = seccomp_profile_default(c->bounding, needs_compat(c));
	return 0;
}

/* In the CRI, privileged means unconfined, regardless of the requested profile.  crio.conf may set
 * a profile for privileged containers. */
static int seccomp_privileged(struct oci_ctx *c)
{
	const char *file = c->in->conf->privileged_seccomp_profile;
	json_t *profile = NULL;
	int r;

	if (!file || !*file)
		return 0;
	if (!c->in->host->seccomp)
		return err_set(c->e, ERR_PRECONDITION,
			       "crio.runtime.privileged_seccomp_profile is %s, but this kernel has "
			       "no seccomp filters",
			       file);
	r = seccomp_from_file(c, file, &profile);
	if (r == 0)
		oci_json_put(c->linux_part, "seccomp", profile);
	return r;
}

static int build_seccomp(struct oci_ctx *c)
{
	struct wanted want;
	json_t *profile = NULL;
	int r = read_wanted(c, "security_context.seccomp", c->sec->seccomp,
			    "security_context.seccomp_profile_path", c->seccomp_profile_path,
			    &want);

	if (r < 0)
		return r;
	if (c->privileged)
		return seccomp_privileged(c);
	if (!c->in->host->seccomp && want.what == WANT_LOCALHOST)
		return err_set(
			c->e, ERR_PRECONDITION,
			"seccomp profile %s is asked for, but this kernel has no seccomp filters",
			want.ref);
	if (!c->in->host->seccomp) {
		if (want.what == WANT_DEFAULT)
			oci_ctx_warn(c, "no seccomp profile: this kernel has no seccomp filters");
		return 0;
	}
	switch (want.what) {
	case WANT_NONE:
	case WANT_UNCONFINED:
		break;
	case WANT_DEFAULT:
		r = seccomp_default(c, &profile);
		break;
	case WANT_LOCALHOST:
		r = seccomp_from_file(c, want.ref, &profile);
		break;
	}
	if (profile)
		oci_json_put(c->linux_part, "seccomp", profile);
	return r;
}

/* --- AppArmor ------------------------------------------------------------------------------- */

static int apparmor_named(struct oci_ctx *c, const char *name)
{
	int r;

	if (!c->in->host->apparmor)
		return err_set(
			c->e, ERR_PRECONDITION,
			"AppArmor profile %.255s is asked for, but AppArmor is not enabled on "
			"this host",
			name);
	if (strlen(name) > APPARMOR_NAME_MAX)
		return err_set(c->e, ERR_INVALID, "AppArmor profile name is longer than %d bytes",
			       APPARMOR_NAME_MAX);
	r = apparmor_find_profile(name, c->e);
	if (r < 0)
		return r;
	if (r > 0)
		return err_set(c->e, ERR_PRECONDITION,
			       "AppArmor profile %s is not loaded: load it with apparmor_parser",
			       name);
	oci_json_put_text(c->process, "apparmorProfile", name);
	return 0;
}

static int build_apparmor(struct oci_ctx *c)
{
	struct wanted want;
	int r = read_wanted(c, "security_context.apparmor", c->sec->apparmor,
			    "security_context.apparmor_profile", c->apparmor_profile, &want);

	if (r < 0 || c->privileged)
		return r;
	switch (want.what) {
	case WANT_UNCONFINED:
		break;
	case WANT_NONE:
	case WANT_DEFAULT:
		if (c->in->host->apparmor && c->in->apparmor_default)
			oci_json_put_text(c->process, "apparmorProfile", c->in->apparmor_default);
		break;
	case WANT_LOCALHOST:
		r = apparmor_named(c, want.ref);
		break;
	}
	return r;
}

/* --- SELinux -------------------------------------------------------------------------------- */

int oci_selinux_build(struct oci_ctx *c)
{
	const Runtime__V1__LinuxPodSandboxConfig *pod = c->in->sandbox->linux;
	const Runtime__V1__SELinuxOption *options = c->sec->selinux_options;
	struct selinux_parts parts = { .user = NULL };

	if (!options && pod && pod->security_context)
		options = pod->security_context->selinux_options;
	if (!c->in->host->selinux)
		return 0;
	/* Privileged containers and those in the host's PID or IPC namespace keep the runtime's
	 * domain, unless the request names another. */
	if (!options && (c->privileged || c->pid_ns->pid == RUNTIME__V1__NAMESPACE_MODE__NODE ||
			 c->pod_ns->ipc == RUNTIME__V1__NAMESPACE_MODE__NODE))
		return 0;
	if (options)
		parts = (struct selinux_parts){ options->user, options->role, options->type,
						options->level };
	return selinux_make_labels(&parts, c->in->sandbox_id, &c->process_label, &c->file_label,
				   c->e);
}

int oci_profiles_build(struct oci_ctx *c)
{
	int r = build_seccomp(c);

	if (r == 0)
		r = build_apparmor(c);
	if (r < 0)
		return r;
	if (c->process_label)
		oci_json_put_text(c->process, "selinuxLabel", c->process_label);
	if (c->file_label)
		oci_json_put_text(c->linux_part, "mountLabel", c->file_label);
	return 0;
}
