/*
 * paths.c - see paths.h.
 */
#include "obj/paths.h"

#include <string.h>

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

char *path_container_exit(const struct conf *c, const char *id)
{
	return xasprintf("%s/containers/%s/exit", c->root, id);
}

char *path_images(const struct conf *c)
{
	return xasprintf("%s/images", c->root);
}

static char *below_parent(const char *parent, const char *what, const char *id)
{
	return xasprintf("%s/%s-%s", strcmp(parent, "/") == 0 ? "" : parent, what, id);
}

char *cgroup_of_container(const char *parent, const char *id)
{
	return below_parent(parent, "crisp", id);
}

char *cgroup_of_shim(const char *parent, const char *id)
{
	return below_parent(parent, "crisp-shim", id);
}
