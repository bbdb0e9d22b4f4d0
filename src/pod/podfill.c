/*
 * podfill.c - finds the directories of the volumes in the request, and unpacks into them.
 *
 * Only /dev/shm of the pod and emptyDir volumes in memory are written: the checkpoint is no way to
 * other files of the node.
 */
#include "pod/podfill.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "core/objects.h"
#include "core/paths.h"
#include "gen/api.pb-c.h"
#include "oci/json.h"
#include "pod/dumprun.h"
#include "pod/files.h"
#include "pod/podfile.h"

static int bad_volume(size_t i, struct err *e)
{
	return err_set(e, ERR_INVALID, PODFILE_NAME ": volume %zu is damaged", i);
}

/* The path of the node that the request mounts there; the caller frees it.  NULL: none. */
static char *mounted_at(const Crisp__State__Sandbox *row, const char *container, const char *path)
{
	char *found = NULL;

	for (size_t i = 0; i < row->n_restore_configs && !found; i++) {
		Runtime__V1__ContainerConfig *c = runtime__v1__container_config__unpack(
			NULL, row->restore_configs[i].len, row->restore_configs[i].data);

		for (size_t k = 0; c && k < c->n_mounts && !found; k++)
			if (strcmp(c->metadata->name, container) == 0 &&
			    strcmp(c->mounts[k]->container_path, path) == 0)
				found = xstrdup(c->mounts[k]->host_path);
		runtime__v1__container_config__free_unpacked(c, NULL);
	}
	return found;
}

/* The directory of volume i in the request; the caller frees it.  NULL: e is set. */
static char *find_volume(const json_t *volume, size_t i, const Crisp__State__Sandbox *row,
			 struct err *e)
{
	_cleanup_free_ char *dir = NULL;
	const json_t *m;
	size_t k;

	json_array_foreach(json_object_get(volume, "mounts"), k, m)
	{
		const char *container = json_string_value(json_object_get(m, "container"));
		const char *path = json_string_value(json_object_get(m, "path"));
		_cleanup_free_ char *at =
			container && path ? mounted_at(row, container, path) : NULL;

		if (!container || !path) {
			bad_volume(i, e);
			return NULL;
		}
		if (!at || !podfile_is_memory_volume(at) || (dir && strcmp(dir, at) != 0)) {
			err_set(e, ERR_PRECONDITION,
				"container_configs %.64s: mounts: %.200s is a volume in memory "
				"in the checkpoint, and %s in the request",
				container, path,
				!at    ? "not mounted"
				: !dir ? "none"
				       : "not the same one for all of its containers");
			return NULL;
		}
		free(dir);
		dir = take_ptr(at);
	}
	return take_ptr(dir);
}

struct filling {
	const struct podread *pod;
	const Crisp__State__Sandbox *row;
	const struct dump_run *run;
	const char *shm; /* NULL: only check */
};

/* name: of the checkpoint's file. */
static int fill_one(const struct filling *f, const char *name, const char *dir, struct err *e)
{
	_cleanup_free_ char *archive = xasprintf("%s/%s", f->pod->dir, name);
	int r = podread_check_sum(f->pod, name, archive, e);

	if (r == 0)
		r = dumprun_unpack(f->run, archive, dir, "", e);
	return r < 0 ? err_wrap(e, "volume %s", dir) : 0;
}

static int one_volume(const struct filling *f, const json_t *volume, size_t i, struct err *e)
{
	const char *name = json_string_value(json_object_get(volume, "file"));
	bool is_shm = json_array_size(json_object_get(volume, "mounts")) == 0;
	_cleanup_free_ char *want = xasprintf(PODFILE_VOLUMES "/%zu.tar", i), *dir = NULL;

	if (!name || strcmp(name, want) != 0 || (is_shm && (i > 0 || f->row->host_ipc)))
		return bad_volume(i, e);
	if (!is_shm) {
		dir = find_volume(volume, i, f->row, e);
		if (!dir)
			return -(int)e->code;
	}
	return f->shm ? fill_one(f, name, is_shm ? f->shm : dir, e) : 0;
}

static int all_volumes(const struct filling *f, struct err *e)
{
	const json_t *volume;
	size_t i;

	json_array_foreach(json_object_get(f->pod->doc, "volumes"), i, volume)
	{
		if (one_volume(f, volume, i, e) < 0)
			return -(int)e->code;
	}
	return 0;
}

int podfill_check(const struct podread *p, const Crisp__State__Sandbox *row, struct err *e)
{
	const struct filling f = { .pod = p, .row = row };

	return all_volumes(&f, e);
}

int podfill_volumes(const char *id, const Crisp__State__Sandbox *row, struct err *e)
{
	_cleanup_free_ char *run_dir = path_pod_run(world.conf, id);
	_cleanup_free_ char *lock = xasprintf("%s/restore.lock", run_dir);
	_cleanup_free_ char *shm = xasprintf("%s/" SANDBOX_FILE_SHM, run_dir);
	struct podread p = PODREAD_NULL;
	struct dump_run run = DUMP_RUN_NULL;
	const struct filling f = { .pod = &p, .row = row, .run = &run, .shm = shm };
	int r = podread_open(row->restore_path, &p, e);

	run.until_ns = clock_monotonic_ns() + row->restore_until_ns - clock_realtime_ns();
	if (r == 0)
		r = dumprun_lock(&run, lock, e);
	if (r == 0)
		r = all_volumes(&f, e);
	dumprun_done(&run);
	podread_done(&p);
	return r < 0 ? err_wrap(e, "checkpoint %s", row->restore_path) : 0;
}
