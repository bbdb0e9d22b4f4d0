/*
 * paths.c - builds paths and cgroup names from ids.
 */
#include "core/paths.h"

#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"

char *path_pod_run(const struct conf *c, const char *id)
{
	return xasprintf("%s/pods/%s", c->runroot, id);
}

char *path_pod_ns(const struct conf *c, const char *id)
{
	if (*c->namespaces_dir)
		return xasprintf("%s/crisp-%s", c->namespaces_dir, id);
	return xasprintf("%s/pods/%s/ns", c->runroot, id);
}

char *path_container_run(const struct conf *c, const char *id)
{
	return xasprintf("%s/containers/%s", c->runroot, id);
}

char *path_container_criu_conf(const struct conf *c, const char *id)
{
	return xasprintf("%s/containers/%s/criu.conf", c->runroot, id);
}

char *path_container_rootfs(const struct conf *c, const char *id)
{
	return xasprintf("%s/containers/%s/rootfs", c->runroot, id);
}

char *path_pod_dir(const struct conf *c, const char *id)
{
	return xasprintf("%s/pods/%s", c->root, id);
}

char *path_container_dir(const struct conf *c, const char *id)
{
	return xasprintf("%s/containers/%s", c->root, id);
}

char *path_container_upper(const struct conf *c, const char *id)
{
	_cleanup_free_ char *old = xasprintf("%s/containers/%s/upper", c->root, id);

	return fs_exists(old) ? take_ptr(old) : xasprintf("%s/containers/%s/diff", c->root, id);
}

char *path_container_merged(const struct conf *c, const char *id)
{
	return xasprintf("%s/containers/%s/merged", c->root, id);
}

char *path_container_exit(const struct conf *c, const char *id)
{
	return xasprintf("%s/containers/%s/exit", c->root, id);
}

char *path_container_trash(const struct conf *c)
{
	return xasprintf("%s/containers/trash", c->root);
}

char *path_image_trash(const struct conf *c)
{
	return xasprintf("%s/images/trash", c->root);
}

char *path_pod_logs(const struct conf *c, const char *id)
{
	return xasprintf("%s/%s", c->log_dir, id);
}

char *path_images(const struct conf *c)
{
	return xasprintf("%s/images", c->root);
}

static char *below_parent(const char *parent, const char *what, const char *id)
{
	return xasprintf("%s/%s-%s", strcmp(parent, "/") == 0 ? "" : parent, what, id);
}

char *cgroup_of_container(const struct conf *c, const char *parent, const char *id)
{
	if (c->cgroup_manager == CONF_CGROUP_MANAGER_SYSTEMD)
		return xasprintf("%s:%s:%s", parent, c->cgroup_prefix, id);
	return below_parent(parent, c->cgroup_prefix, id);
}

char *cgroup_of_sandbox(const struct conf *c, const char *parent, const char *id)
{
	_cleanup_free_ char *dir = cgroup_of_pod(parent);
	_cleanup_free_ char *path = below_parent(dir, c->cgroup_prefix, id);

	/* With the systemd manager cAdvisor takes no other name; with both, the kubelet's summary
	 * finds the id in no other name. */
	return conf_has_crio_cgroups(c) ? xasprintf("%s.scope", path) : NULL;
}

char *cgroup_of_shim(const char *parent, const char *id)
{
	return below_parent(parent, "crisp-shim", id);
}

/* "a-b.slice" is a.slice/a-b.slice: each dash adds one level. */
static void add_slice(struct buf *b, const char *slice, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (slice[i] == '-')
			buf_printf(b, "/%.*s.slice", (int)i, slice);
	buf_printf(b, "/%.*s.slice", (int)len, slice);
}

char *cgroup_of_pod(const char *parent)
{
	_cleanup_buf_ struct buf b = BUF_NULL;

	if (parent[0] == '/' || !str_ends(parent, ".slice"))
		return xstrdup(parent);
	add_slice(&b, parent, strlen(parent) - strlen(".slice"));
	return buf_take(&b);
}

char *cgroup_dir(const char *cgroups_path)
{
	const char *slice = cgroups_path, *colon = strchr(slice, ':'), *id;
	int prefix;
	_cleanup_buf_ struct buf b = BUF_NULL;
	size_t len;

	if (!colon || slice[0] == '/')
		return xstrdup(cgroups_path);
	id = strrchr(cgroups_path, ':') + 1;
	prefix = (int)(id - colon) - 2;
	len = (size_t)(colon - slice);
	if (len > strlen(".slice") && memcmp(colon - strlen(".slice"), ".slice", 6) == 0)
		add_slice(&b, slice, len - strlen(".slice"));
	buf_printf(&b, "/%.*s-%s.scope", prefix, colon + 1, id);
	return buf_take(&b);
}
