/*
 * podids_probe.c - try what a pod with a user namespace needs of the node, with the functions that
 * such a pod is made with: a user namespace, a /proc in it, mapped mounts of the layers' file
 * system, an overlay.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/util.h"
#include "core/paths.h"
#include "image/layers.h"
#include "os/mount.h"
#include "os/ns.h"
#include "pod/podids.h"

/* Any map will do: nothing of it stays. */
static const struct userns_map probe_map = { { 1000, 65536 }, { 2000, 65536 } };
static const char probe_layer[] =
	"sha256:0000000000000000000000000000000000000000000000000000000000000000";

struct trial {
	char *run; /* namespace and mounts */
	char *images; /* a store of one layer, in the file system of the images */
};

static int clean(const struct trial *p, struct err *e)
{
	_cleanup_free_ char *ns = xasprintf("%s/ns", p->run);
	int r = ns_unpin(ns, e);

	if (r == 0)
		r = mount_remove_below(p->run, e);
	if (r == 0)
		r = fs_remove_tree(p->run, e);
	return r == 0 ? fs_remove_tree(p->images, e) : r;
}

/* Mount the layer and look for the pod's root as the owner of its file. */
static int try_mount(const struct trial *p, struct err *e)
{
	const char *const ids[] = { probe_layer };
	_cleanup_free_ char *layer = image_layer_dir(p->images, probe_layer);
	_cleanup_free_ char *dir = xasprintf("%s/fs/dir", layer);
	_cleanup_free_ char *ns = xasprintf("%s/ns", p->run);
	_cleanup_free_ char *user = xasprintf("%s/ns/user", p->run);
	_cleanup_free_ char *mapped = xasprintf("%s/layers", p->run);
	_cleanup_free_ char *upper = xasprintf("%s/upper", p->images);
	_cleanup_free_ char *work = xasprintf("%s/work", p->images);
	_cleanup_free_ char *rootfs = xasprintf("%s/rootfs", p->run);
	_cleanup_free_ char *seen = xasprintf("%s/rootfs/dir", p->run);
	const struct image_idmap idmap = { .userns = user, .map = &probe_map, .dir = mapped };
	struct stat st;
	int r = fs_mkdir_all(dir, 0700, e);

	if (r == 0)
		r = ns_pin(ns, NS_KIND_IPC, NULL, &probe_map, e);
	if (r == 0)
		r = image_mount(p->images, ids, 1, upper, work, rootfs, &idmap, e);
	if (r < 0)
		return r;
	if (stat(seen, &st) < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "stat %s", seen);
	if (st.st_uid != probe_map.uid.host || st.st_gid != probe_map.gid.host)
		return err_set(e, ERR_PRECONDITION,
			       "overlay mounts of this kernel do not map ids: Linux 5.19 does");
	return 0;
}

/* Processes of a pod reach their root file system by its path. */
static int check_path(const char *path, struct err *e)
{
	_cleanup_free_ char *at = xstrdup(path);
	struct stat st;

	for (char *end = at + strlen(at); end > at; end = strrchr(at, '/')) {
		*end = '\0';
		if (*at && (stat(at, &st) < 0 || !(st.st_mode & S_IXOTH)))
			return err_set(e, ERR_PRECONDITION,
				       "%s: users of a user namespace cannot pass it: chmod o+x",
				       at);
	}
	return 0;
}

int pod_userns_try(const struct conf *c, struct err *e)
{
	_cleanup_free_ char *run = xasprintf("%s/userns-probe", c->runroot);
	_cleanup_free_ char *root = xasprintf("%s/userns-probe", c->root);
	const struct trial p = { .run = run, .images = root };
	struct err ignored = ERR_NULL;
	int r = check_path(c->runroot, e);

	if (r == 0)
		r = userns_try_proc(e);
	if (r == 0)
		r = clean(&p, e); /* of a daemon that was killed here */
	if (r < 0)
		return r;
	r = try_mount(&p, e);
	if (clean(&p, r < 0 ? &ignored : e) < 0 && r == 0)
		r = -(int)e->code;
	return r;
}
