/*
 * secrets.c - find world-readable auth files and private keys; fs_check_trusted finds files that
 * other users may change.
 */
#include "conf/secrets.h"

#include <sys/stat.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/conf.h"
#include "conf/value.h"

static void check(struct conf *c, const char *key, const char *path)
{
	struct stat st;

	if (*path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 004))
		conf_list_add(&c->warnings,
			      xasprintf("%s: %s has mode %04o, so that anybody may read its "
					"secrets: chmod o-r %s",
					key, path, st.st_mode & 07777, path));
}

static int check_file(const char *path, const char *name, void *arg, struct err *e)
{
	(void)e;
	if (str_ends(name, ".key"))
		check(arg, "crio.image.certs_dirs", path);
	return 0;
}

static int check_host(const char *path, const char *name, void *arg, struct err *e)
{
	struct err ignored = ERR_NULL;

	(void)name;
	(void)e;
	(void)fs_each(path, check_file, arg, &ignored);
	return 0;
}

void conf_check_secrets(struct conf *c)
{
	struct err ignored = ERR_NULL;

	check(c, "crio.image.global_auth_file", c->global_auth_file);
	check(c, "crio.image.pause_image_auth_file", c->pause_image_auth_file);
	check(c, "crio.api.stream_tls_key", c->stream_tls_key);
	check(c, "crio.metrics.metrics_key", c->metrics_key);
	/* The puller reports a directory that cannot be listed. */
	for (char **dir = c->certs_dirs; dir && *dir; dir++)
		(void)fs_each(*dir, check_host, c, &ignored);
}
