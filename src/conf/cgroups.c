/*
 * cgroups.c - the keys about cgroups: the parents of pods and shims, the prefix of names.
 */
#include "conf/cgroups.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "conf/conf.h"
#include "os/cgroup.h"

/* A relative path begins at the cgroup root.  NULL: no path; a lone slice is meant for systemd. */
static char *path_below_root(const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s%s", text[0] == '/' ? "" : "/", text);

	if (!cgroup_path_is_valid(path) || (text[0] != '/' && str_ends(text, ".slice")))
		return NULL;
	return take_ptr(path);
}

int conf_cgroup_parent(enum conf_cgroup_manager manager, const char *text, char **ret,
		       struct err *e)
{
	bool systemd = manager == CONF_CGROUP_MANAGER_SYSTEMD;

	*ret = systemd ? cgroup_slice_name(text) : path_below_root(text);
	if (*ret)
		return 0;
	return err_set(e, ERR_INVALID, "\"%s\" is not %s", text,
		       systemd ? "the name of a slice, which the systemd cgroup manager needs"
			       : "a path below the cgroup root, which the cgroupfs cgroup manager "
				 "needs");
}

static int finish_cgroup_parent(struct conf *c, struct err *e)
{
	bool systemd = c->cgroup_manager == CONF_CGROUP_MANAGER_SYSTEMD;
	char *parent = NULL;
	int r;

	if (!*c->default_cgroup_parent) {
		free(c->default_cgroup_parent);
		c->default_cgroup_parent = xstrdup(systemd ? "system.slice" : "/crisp");
	}
	r = conf_cgroup_parent(c->cgroup_manager, c->default_cgroup_parent, &parent, e);
	if (r < 0)
		return err_wrap(e, "crio.runtime.default_cgroup_parent");
	free(c->default_cgroup_parent);
	c->default_cgroup_parent = parent;
	return 0;
}

static void finish_cgroup_prefix(struct conf *c)
{
	bool crio = strcmp(c->listen, CONF_CRIO_SOCKET) == 0 ||
		    strcmp(c->listen, CONF_CRIO_RUN_SOCKET) == 0;

	if (*c->cgroup_prefix)
		return;
	free(c->cgroup_prefix);
	c->cgroup_prefix = xstrdup(crio ? "crio" : "crisp");
}

bool conf_has_crio_cgroups(const struct conf *c)
{
	return strcmp(c->cgroup_prefix, "crio") == 0;
}

int conf_finish_cgroups(struct conf *c, struct err *e)
{
	finish_cgroup_prefix(c);
	return finish_cgroup_parent(c, e);
}

static const char *monitor_cgroup(const struct conf *c, const struct conf_runtime *rt)
{
	return *c->conmon_cgroup ? c->conmon_cgroup : rt->monitor_cgroup;
}

const char *conf_shim_parent(const struct conf *c, const struct conf_runtime *rt,
			     const char *pod_parent)
{
	const char *place = monitor_cgroup(c, rt);

	if (strcmp(place, "pod") == 0)
		return pod_parent;
	return place[0] == '/' ? place : c->default_cgroup_parent;
}
