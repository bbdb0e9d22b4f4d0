/*
 * selinux_none.c - selinux.h for a build without libselinux: SELinux is never enabled.
 */
#include "os/selinux.h"

static int unsupported(struct err *e)
{
	return err_set(e, ERR_UNIMPLEMENTED, "this build of crisp has no SELinux support");
}

bool selinux_is_enabled(void)
{
	return false;
}

int selinux_make_labels(const struct selinux_parts *parts, const char *seed, char **ret_process,
			char **ret_file, struct err *e)
{
	(void)parts;
	(void)seed;
	(void)ret_process;
	(void)ret_file;
	return unsupported(e);
}

int selinux_relabel_tree(const char *path, const char *label, struct err *e)
{
	(void)path;
	(void)label;
	return unsupported(e);
}
