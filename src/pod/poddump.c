/*
 * poddump.c - writes the containers of a pod into one directory.
 *
 * Everything is made in the directory .ID.partial of the client's, which becomes `pod` when it is
 * complete and synced.  Entries that another name or pod.json has made are never removed.  All
 * programs hold the lock, as those of dump.c do.
 */
#include "pod/poddump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "core/objects.h"
#include "core/paths.h"
#include "oci/json.h"
#include "os/cgroup.h"
#include "pod/container.h"
#include "pod/dumpfiles.h"
#include "pod/dumpone.h"
#include "pod/files.h"
#include "pod/podfile.h"
#include "pod/restorecheck.h"
#include "pod/sandbox.h"

struct dumped {
	const struct poddump_member *in;
	Runtime__V1__ContainerConfig *config;
	char *cgroup;
	char *dir; /* in partial */
	char *work; /* of CRIU's log, which a full disk of the client's must not cut */
	json_t *spec;
	struct dump_log log;
};

struct poddump {
	const struct poddump_request *in;
	struct dump_run run;
	struct dumped *members;
	Runtime__V1__PodSandboxConfig *config;
	char *partial, *complete, *lock_path;
	char deadline[36]; /* no other call of this pod has it */
	int64_t paused_ns;
	bool stuck;
	json_t *volumes; /* array, each {file, mounts: [{container, path}]} */
};

static void poddump_init(struct poddump *d, const struct poddump_request *in)
{
	_cleanup_free_ char *run = path_pod_run(world.conf, in->id);
	const char *path = in->row->checkpoint_path;

	*d = (struct poddump){ .in = in, .run = DUMP_RUN_NULL, .volumes = oci_json_array() };
	d->run.cancel_fd = in->cancel_fd;
	d->run.until_ns = clock_monotonic_ns() + in->row->checkpoint_until_ns - clock_realtime_ns();
	clock_format(in->row->checkpoint_until_ns, d->deadline);
	d->config = sandbox_config(in->row);
	d->partial = xasprintf("%s/.%.13s.partial", path, in->id);
	d->complete = xasprintf("%s/" PODFILE_DIR, path);
	d->lock_path = xasprintf("%s/dump.lock", run);
	d->members = xcalloc(in->n_members + 1, sizeof(*d->members));
	for (size_t i = 0; i < in->n_members; i++) {
		_cleanup_free_ char *durable = path_container_dir(world.conf, in->members[i].id);
		struct dumped *m = &d->members[i];

		m->in = &in->members[i];
		m->config = container_config(m->in->row);
		m->cgroup = cgroup_dir(m->in->row->cgroups_path);
		m->dir = xasprintf("%s/" PODFILE_CONTAINERS "/%s", d->partial,
				   m->config->metadata->name);
		m->work = xasprintf("%s/dump", durable);
		m->log.fd = -1;
	}
}

static void poddump_done(struct poddump *d)
{
	for (size_t i = 0; i < d->in->n_members; i++) {
		struct dumped *m = &d->members[i];

		runtime__v1__container_config__free_unpacked(m->config, NULL);
		free(m->cgroup);
		free(m->dir);
		free(m->work);
		json_decref(m->spec);
		close_fdp(&m->log.fd);
	}
	free(d->members);
	runtime__v1__pod_sandbox_config__free_unpacked(d->config, NULL);
	free(d->partial);
	free(d->complete);
	free(d->lock_path);
	json_decref(d->volumes);
	dumprun_done(&d->run);
}

/* --- the client's directory --- */

static int no_entry(const char *path, const char *name, void *arg, struct err *e)
{
	(void)name;
	(void)arg;
	return err_set(e, ERR_INVALID, "output_path: %s is in the way: give an empty directory",
		       path);
}

static int check_path(const struct poddump *d, struct err *e)
{
	const char *path = d->in->row->checkpoint_path;
	int r = dumprun_check_directory(path, "output_path", e);

	return r == 0 ? fs_each(path, no_entry, NULL, e) : r;
}

/* Is `pod` the outcome of this call? */
static bool is_ours(const struct poddump *d)
{
	_cleanup_json_ json_t *doc = NULL;
	struct err ignored = ERR_NULL;
	const char *id, *deadline;

	if (restorecheck_load(d->complete, PODFILE_NAME, true, &doc, &ignored) < 0)
		return false;
	id = json_string_value(json_object_get(json_object_get(doc, "pod"), "id"));
	deadline = json_string_value(json_object_get(doc, "deadline"));
	return id && deadline && strcmp(id, d->in->id) == 0 && strcmp(deadline, d->deadline) == 0;
}

/* outcome: remove what the call has made in the client's directory, too. */
static int clean(const struct poddump *d, bool outcome, struct err *e)
{
	int r = outcome ? fs_remove_tree(d->partial, e) : 0;

	if (r == 0 && outcome && is_ours(d))
		r = fs_remove_tree(d->complete, e);
	for (size_t i = 0; i < d->in->n_members && r == 0; i++)
		r = fs_remove_tree(d->members[i].work, e);
	return r;
}

static int make_directories(const struct poddump *d, struct err *e)
{
	_cleanup_free_ char *volumes = xasprintf("%s/" PODFILE_VOLUMES, d->partial);
	int r = fs_mkdir_all(volumes, 0700, e);

	for (size_t i = 0; i < d->in->n_members && r == 0; i++)
		if (fs_mkdir_all(d->members[i].dir, 0700, e) < 0 ||
		    fs_mkdir_all(d->members[i].work, 0700, e) < 0)
			r = -(int)e->code;
	return r;
}

/* --- volumes in memory --- */

static json_t *volume_mount(const char *container, const char *path)
{
	json_t *m = oci_json_object();

	oci_json_put_text(m, "container", container);
	oci_json_put_text(m, "path", path);
	return m;
}

/* The mounts of the volume at host_path; NULL: one of them was before member i, mount k. */
static json_t *mounts_of(const struct poddump *d, const char *host_path, size_t i, size_t k)
{
	json_t *mounts = oci_json_array();

	for (size_t m = 0; m < d->in->n_members; m++) {
		const Runtime__V1__ContainerConfig *c = d->members[m].config;

		for (size_t n = 0; n < c->n_mounts; n++) {
			if (strcmp(c->mounts[n]->host_path, host_path) != 0)
				continue;
			if (m < i || (m == i && n < k)) {
				json_decref(mounts);
				return NULL;
			}
			oci_json_push(mounts, volume_mount(c->metadata->name,
							   c->mounts[n]->container_path));
		}
	}
	return mounts;
}

/* Pack dir into the next volume file.  Takes mounts. */
static int dump_volume(struct poddump *d, const char *dir, json_t *mounts, struct err *e)
{
	_cleanup_free_ char *name =
		xasprintf(PODFILE_VOLUMES "/%zu.tar", json_array_size(d->volumes));
	_cleanup_free_ char *path = xasprintf("%s/%s", d->partial, name);
	const char *const argv[] = { "tar",
				     "--create",
				     "--file",
				     path,
				     "--directory",
				     dir,
				     "--numeric-owner",
				     "--sparse",
				     "--acls",
				     "--xattrs",
				     "--xattrs-include=user.*",
				     "--one-file-system",
				     "--warning=no-file-ignored",
				     ".",
				     NULL };
	json_t *volume = oci_json_object();

	oci_json_put_text(volume, "file", name);
	oci_json_put(volume, "mounts", mounts);
	oci_json_push(d->volumes, volume);
	return dumprun_tar(&d->run, argv, NULL, e);
}

static int dump_volumes(struct poddump *d, struct err *e)
{
	_cleanup_free_ char *run = path_pod_run(world.conf, d->in->id);
	_cleanup_free_ char *shm = xasprintf("%s/" SANDBOX_FILE_SHM, run);
	int r = 0;

	if (!d->in->row->host_ipc)
		r = dump_volume(d, shm, oci_json_array(), e);
	for (size_t i = 0; i < d->in->n_members; i++) {
		const Runtime__V1__ContainerConfig *c = d->members[i].config;

		for (size_t k = 0; k < c->n_mounts && r == 0; k++) {
			const char *path = c->mounts[k]->host_path;
			json_t *mounts =
				podfile_is_memory_volume(path) ? mounts_of(d, path, i, k) : NULL;

			if (mounts)
				r = dump_volume(d, path, mounts, e);
		}
	}
	return r;
}

/* --- the containers --- */

static int dump_member(const struct poddump *d, struct dumped *m, struct err *e)
{
	struct dump_one one = {
		.run = &d->run, .id = m->in->id, .row = m->in->row, .dir = m->dir, .work = m->work
	};
	size_t n = d->in->row->n_checkpoint_options;
	int r = 0;

	m->spec = dumpfiles_spec(m->in->id, e);
	if (!m->spec)
		return -(int)e->code;
	one.spec = m->spec;
	for (size_t i = 0; i < MIN(n, (size_t)DUMP_OPTIONS_MAX); i++)
		one.options[i] = d->in->row->checkpoint_options[i];
	r = dumpfiles_write(m->dir, m->in->id, m->in->row, d->in->row, m->spec, e);
	if (r == 0)
		r = dumpone_processes(&one, e);
	if (r == 0)
		r = dumpone_files(&one, e);
	m->log = dumpfiles_log_mark(m->in->row->log_path);
	return r < 0 ? err_wrap(e, "container %s (%.13s)", m->config->metadata->name, m->in->id)
		     : 0;
}

static int freeze_all(const struct poddump *d, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < d->in->n_members && r == 0; i++)
		r = cgroup_freeze(world.cgroups, d->members[i].cgroup, e);
	return r;
}

/* Thaw each, also behind one that cannot be thawed. */
static int thaw_all(const struct poddump *d, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < d->in->n_members; i++) {
		struct err why = ERR_NULL;

		if (cgroup_thaw_one(world.cgroups, d->members[i].cgroup, &why) < 0) {
			*e = why;
			r = -(int)e->code;
		}
	}
	return r;
}

static int dump_frozen(struct poddump *d, struct err *e)
{
	int64_t begun_ns = clock_monotonic_ns();
	struct err thaw = ERR_NULL;
	int r = freeze_all(d, e);

	for (size_t i = 0; i < d->in->n_members && r == 0; i++)
		r = dump_member(d, &d->members[i], e);
	if (r == 0)
		r = dump_volumes(d, e);
	if (thaw_all(d, &thaw) < 0) {
		*e = thaw;
		d->stuck = true;
		r = -(int)e->code;
	}
	d->paused_ns = clock_monotonic_ns() - begun_ns;
	return r;
}

static int copy_logs(struct dumped *m, struct err *e)
{
	static const char *const names[] = { "dump.log", "stats-dump" };
	int r = dumpfiles_log_copy(&m->log, m->dir, DUMPFILES_LOG, e);

	for (size_t i = 0; i < ARRAY_LEN(names) && r == 0; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", m->work, names[i]);
		struct dump_log log = dumpfiles_log_mark(path);

		r = dumpfiles_log_copy(&log, m->dir, names[i], e);
	}
	return r;
}

/* --- pod.json --- */

static void put_packed(json_t *to, const ProtobufCBinaryData *packed)
{
	_cleanup_buf_ struct buf text = BUF_NULL;

	base64_put(&text, packed->data, packed->len);
	oci_json_put_text(to, "config", text.len ? text.data : "");
}

static json_t *describe_pod(const struct poddump *d)
{
	const Runtime__V1__PodSandboxMetadata *m = d->config->metadata;
	const Crisp__State__Sandbox *row = d->in->row;
	json_t *pod = oci_json_object();

	oci_json_put_text(pod, "id", d->in->id);
	oci_json_put_text(pod, "name", m->name);
	oci_json_put_text(pod, "namespace", m->namespace_);
	oci_json_put_text(pod, "runtimeHandler", row->runtime_handler);
	oci_json_put(pod, "ips", oci_json_texts(row->ips, row->n_ips));
	put_packed(pod, &row->config);
	return pod;
}

static json_t *describe_member(const struct dumped *m)
{
	const Crisp__State__Container *row = m->in->row;
	json_t *c = oci_json_object();

	oci_json_put_text(c, "id", m->in->id);
	oci_json_put_text(c, "name", m->config->metadata->name);
	oci_json_put_text(c, "imageId", row->image_id);
	oci_json_put_text(c, "imageName", row->image_name);
	oci_json_put(c, "diffIds", oci_json_texts(row->diff_ids, row->n_diff_ids));
	put_packed(c, &row->config);
	return c;
}

static int write_podfile(const struct poddump *d, struct err *e)
{
	_cleanup_json_ json_t *doc = oci_json_object();
	json_t *containers = oci_json_array();
	char created[36];
	struct utsname host;

	uname(&host);
	clock_format(clock_realtime_ns(), created);
	oci_json_put_number(doc, "version", PODFILE_VERSION);
	oci_json_put_text(doc, "architecture", host.machine);
	oci_json_put_text(doc, "kernel", host.release);
	oci_json_put_text(doc, "created", created);
	oci_json_put_text(doc, "deadline", d->deadline);
	oci_json_put_number(doc, "pausedNs", d->paused_ns);
	oci_json_put(doc, "pod", describe_pod(d));
	for (size_t i = 0; i < d->in->n_members; i++)
		oci_json_push(containers, describe_member(&d->members[i]));
	oci_json_put(doc, "containers", containers);
	oci_json_put(doc, "volumes", json_incref(d->volumes));
	return podfile_write(d->partial, doc, e);
}

/* --- all of it --- */

static int publish(const struct poddump *d, struct err *e)
{
	if (dumprun_is_cancelled(&d->run))
		return err_set(e, ERR_ABORTED, "it was ended before the files were complete");
	if (clock_monotonic_ns() > d->run.until_ns)
		return err_set(e, ERR_DEADLINE, "the checkpoint did not end in time");
	if (rename(d->partial, d->complete) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "rename %s", d->partial);
	return fs_sync_dir(d->in->row->checkpoint_path, e);
}

static int make(struct poddump *d, struct err *e)
{
	int r = dumprun_check_criu(e);

	if (r == 0)
		r = check_path(d, e);
	if (r == 0)
		r = dumprun_lock(&d->run, d->lock_path, e);
	if (r == 0)
		r = make_directories(d, e);
	if (r == 0)
		r = dump_frozen(d, e);
	for (size_t i = 0; i < d->in->n_members && r == 0; i++)
		r = copy_logs(&d->members[i], e);
	if (r == 0)
		r = write_podfile(d, e);
	return r == 0 ? publish(d, e) : r;
}

int poddump_make(const struct poddump_request *in, bool *ret_stuck, struct err *e)
{
	struct err left = ERR_NULL;
	struct poddump d;
	int r;

	poddump_init(&d, in);
	r = make(&d, e);
	if (clean(&d, r < 0, &left) < 0)
		log_err(LOG_LEVEL_WARN, "remove an unfinished checkpoint", &left);
	if (r == 0)
		log_info("pod checkpoint", "sbx=%.13s containers=%zu paused_ms=%lld path=%s",
			 in->id, in->n_members, (long long)(d.paused_ns / NSEC_PER_MSEC),
			 d.complete);
	*ret_stuck = d.stuck;
	poddump_done(&d);
	return r < 0 ? err_wrap(e, "checkpoint of sandbox %.13s", in->id) : 0;
}

int poddump_end(const struct poddump_request *in, bool *ret_stuck, struct err *e)
{
	struct poddump d;
	int r = 0;

	poddump_init(&d, in);
	/* After a reboot the directory of the lock is gone, and so are all programs. */
	if (fs_exists(d.lock_path))
		r = dumprun_lock(&d.run, d.lock_path, e);
	if (r == 0)
		r = thaw_all(&d, e);
	*ret_stuck = r < 0;
	if (r == 0)
		r = clean(&d, *in->row->checkpoint_path, e);
	poddump_done(&d);
	return r < 0 ? err_wrap(e, "sandbox %.13s", in->id) : 0;
}
