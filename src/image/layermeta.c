/*
 * layermeta.c - "key value" lines. Unknown keys are ignored, so a layer survives upgrades and
 * downgrades.
 */
#include "image/layermeta.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/treewalk.h"
#include "base/util.h"
#include "image/ref.h"

#define META_MAX 4096

int image_layer_meta_write(const char *dir, const struct image_layer_meta *meta, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/meta", dir);
	_cleanup_free_ char *text = xasprintf(
		"diff_id %s\nblob %s\nsize %ju\nunpacked %ju\ndisk %ju\ninodes %ju\nboot_id %s\n"
		"%s%s%s",
		meta->diff_id, meta->blob, (uintmax_t)meta->size, (uintmax_t)meta->unpacked,
		(uintmax_t)meta->disk, (uintmax_t)meta->inodes, meta->boot_id,
		*meta->sum ? "sum " : "", meta->sum, *meta->sum ? "\n" : "");

	return fs_replace_file(path, text, strlen(text), 0600, false, e);
}

static void set_text(char *ret, size_t size, const char *value)
{
	snprintf(ret, size, "%s", value);
}

static int set_value(struct image_layer_meta *m, const char *key, const char *value)
{
	if (strcmp(key, "diff_id") == 0)
		set_text(m->diff_id, sizeof(m->diff_id), value);
	else if (strcmp(key, "blob") == 0)
		set_text(m->blob, sizeof(m->blob), value);
	else if (strcmp(key, "boot_id") == 0)
		set_text(m->boot_id, sizeof(m->boot_id), value);
	else if (strcmp(key, "sum") == 0)
		set_text(m->sum, sizeof(m->sum), value);
	else if (strcmp(key, "size") == 0)
		return str_to_u64(value, UINT64_MAX, &m->size);
	else if (strcmp(key, "unpacked") == 0)
		return str_to_u64(value, UINT64_MAX, &m->unpacked);
	else if (strcmp(key, "disk") == 0)
		return str_to_u64(value, UINT64_MAX, &m->disk);
	else if (strcmp(key, "inodes") == 0)
		return str_to_u64(value, UINT64_MAX, &m->inodes);
	return 0;
}

int image_layer_meta_read(const char *dir, struct image_layer_meta *ret, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/meta", dir);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct image_layer_meta m = IMAGE_LAYER_META_NULL;
	char *line, *rest;

	if (fs_read_file(path, META_MAX, &text, e) != 0 || !text.data)
		return 1;
	for (rest = text.data; (line = strsep(&rest, "\n"));) {
		char *space = strchr(line, ' ');

		if (!space)
			continue;
		*space = '\0';
		if (set_value(&m, line, space + 1) < 0)
			return 1;
	}
	if (!image_digest_is_valid(m.diff_id) || !image_digest_is_valid(m.blob))
		return 1;
	*ret = m;
	return 0;
}

static int walk_ids(const char *dir, const char *path, uint32_t *ret_uid, uint32_t *ret_gid,
		    struct err *e)
{
	_cleanup_free_ char *fs = xasprintf("%s/fs", dir), *text = NULL;
	struct treewalk_sum sum;
	int r = treewalk_all(fs, dir, &sum, e);

	if (r < 0)
		return r;
	*ret_uid = sum.uid_max;
	*ret_gid = sum.gid_max;
	if (sum.partial || !sum.entries)
		return 0;
	text = xasprintf("%u %u\n", sum.uid_max, sum.gid_max);
	return fs_replace_file(path, text, strlen(text), 0600, false, e);
}

int image_layer_ids(const char *dir, uint32_t *ret_uid, uint32_t *ret_gid, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/ids", dir);
	_cleanup_buf_ struct buf text = BUF_NULL;

	if (fs_read_file(path, META_MAX, &text, e) == 0 && text.data &&
	    sscanf(text.data, "%u %u", ret_uid, ret_gid) == 2)
		return 0;
	return walk_ids(dir, path, ret_uid, ret_gid, e);
}
