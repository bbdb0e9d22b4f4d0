/*
 * dumpone.c - runs the OCI runtime's `checkpoint`, and tar for the changed files.
 */
#include "pod/dumpone.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "core/objects.h"
#include "core/paths.h"
#include "image/layers.h"
#include "pod/criuconf.h"
#include "pod/dumpfiles.h"
#include "pod/rootdiff.h"

#define CRIU_LOG_MAX (64 * 1024 * 1024)

/* --- processes --- */

/* The last three errors in CRIU's log, without times; the very last one says only that it failed.
 */
static void last_errors(const char *log, struct buf *ret)
{
	const char *last[3] = { NULL, NULL, NULL };
	size_t n = 0;

	for (const char *p = log; (p = strstr(p, "Error (")); p += strcspn(p, "\n")) {
		if (memmem(p, strcspn(p, "\n"), " FAILED.", strlen(" FAILED.")))
			continue;
		last[n++ % ARRAY_LEN(last)] = p;
	}
	for (size_t i = n > ARRAY_LEN(last) ? n - ARRAY_LEN(last) : 0; i < n; i++) {
		const char *line = last[i % ARRAY_LEN(last)];

		if (ret->len)
			buf_puts(ret, "; ");
		buf_add_clean(ret, line, strcspn(line, "\n"));
	}
}

void dumpone_last_errors(const char *path, struct buf *ret)
{
	_cleanup_buf_ struct buf log = BUF_NULL;
	struct err ignored = ERR_NULL;

	if (fs_read_file(path, CRIU_LOG_MAX, &log, &ignored) == 0 && log.len)
		last_errors(log.data, ret);
}

static int runtime_failed(const struct dump_one *d, const struct spawn_result *res, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/dump.log", d->work);
	_cleanup_buf_ struct buf errors = BUF_NULL;

	dumpone_last_errors(path, &errors);
	if (errors.len)
		return err_set(e, dumprun_code_of(errors.data, ERR_PRECONDITION),
			       "CRIU cannot write its processes: %s", errors.data);
	return err_set(e, ERR_INTERNAL, "%s checkpoint: exit status %d: %s", d->row->runtime_path,
		       res->status, res->err.len ? res->err.data : "no message");
}

int dumpone_processes(const struct dump_one *d, struct err *e)
{
	_cleanup_free_ char *images = xasprintf("%s/checkpoint", d->dir);
	const char *argv[9 + DUMP_OPTIONS_MAX + 2] = { d->row->runtime_path,
						       "--root",
						       d->row->runtime_root,
						       "checkpoint",
						       "--leave-running",
						       "--image-path",
						       images,
						       "--work-path",
						       d->work };
	struct spawn_result res = SPAWN_RESULT_NULL;
	size_t n = 9;
	int r;

	for (const char *const *o = d->options; *o; o++)
		argv[n++] = *o;
	argv[n] = d->id;
	r = fs_mkdir_all(images, 0700, e);
	if (r == 0)
		r = criuconf_write(d->id, d->row, d->dir, e);
	if (r == 0)
		r = dumprun_program(d->run, argv, NULL, &res, e);
	if (r == 0 && res.status != 0)
		r = runtime_failed(d, &res, e);
	spawn_result_done(&res);
	return r;
}

/* --- files --- */

static int write_diff(const struct dump_one *d, const struct rootdiff *diff, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/rootfs-diff.tar", d->dir);
	const char *const argv[] = { "tar",
				     "--create",
				     "--file",
				     path,
				     "--directory",
				     diff->upper,
				     "--numeric-owner",
				     "--sparse",
				     "--acls",
				     "--xattrs",
				     "--xattrs-include=user.*",
				     "--xattrs-include=security.capability",
				     "--warning=no-file-ignored",
				     "--no-recursion",
				     "--null",
				     "--verbatim-files-from",
				     "--files-from=-",
				     NULL };
	int r = 0;

	if (diff->names.len)
		r = dumprun_tar(d->run, argv, &diff->names, e);
	if (r == 0 && json_array_size(diff->deleted))
		r = dumpfiles_put(d->dir, "deleted.files", diff->deleted, e);
	return r;
}

int dumpone_files(const struct dump_one *d, struct err *e)
{
	_cleanup_free_ char *upper = path_container_upper(world.conf, d->id);
	_cleanup_free_ char *images = path_images(world.conf);
	size_t n = d->row->n_diff_ids;
	char **lowers = xcalloc(n + 1, sizeof(*lowers));
	struct rootdiff diff = { .upper = upper,
				 .lowers = (const char *const *)lowers,
				 .mounts = json_object_get(d->spec, "mounts"),
				 .until_ns = d->run->until_ns };
	int r;

	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *layer = image_layer_dir(images, d->row->diff_ids[i]);

		lowers[i] = xasprintf("%s/fs", layer ? layer : "");
	}
	r = rootdiff_find(&diff, e);
	if (r == 0)
		r = write_diff(d, &diff, e);
	rootdiff_done(&diff);
	for (size_t i = 0; i < n; i++)
		free(lowers[i]);
	free(lowers);
	return r;
}
