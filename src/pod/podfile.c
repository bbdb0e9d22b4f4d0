/*
 * podfile.c - checksums of a checkpoint's files, pod.json.
 */
#include "pod/podfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <xxhash.h>

#include "base/fs.h"
#include "oci/json.h"

#define BLOCK (256 * 1024)
#define EMPTY_DIR "/volumes/kubernetes.io~empty-dir/" /* in the kubelet's path of such a volume */

static void sum_text(XXH128_hash_t sum, char ret[PODFILE_SUM_TEXT])
{
	snprintf(ret, PODFILE_SUM_TEXT, "xxh3:%016llx%016llx", (unsigned long long)sum.high64,
		 (unsigned long long)sum.low64);
}

static int add_content(XXH3_state_t *state, int fd, int64_t *ret_size, const char *path,
		       struct err *e)
{
	_cleanup_free_ char *block = xmalloc(BLOCK);

	*ret_size = 0;
	for (;;) {
		ssize_t n = read(fd, block, BLOCK);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_errno(e, ERR_INTERNAL, errno, "read %s", path);
		if (n > 0)
			XXH3_128bits_update(state, block, (size_t)n);
		*ret_size += MAX(n, (ssize_t)0);
	}
}

int podfile_sum(const char *path, char ret[PODFILE_SUM_TEXT], int64_t *ret_size, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	XXH3_state_t *state;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, errno,
				 "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s is no regular file", path);
	state = XXH3_createState();
	XXH3_128bits_reset(state);
	r = add_content(state, fd, ret_size, path, e);
	sum_text(XXH3_128bits_digest(state), ret);
	XXH3_freeState(state);
	return r;
}

struct file_list {
	json_t *files;
	size_t skip; /* bytes of the directory's path and its slash */
};

static int add_file(const char *path, const char *name, void *arg, struct err *e)
{
	const struct file_list *l = arg;
	char sum[PODFILE_SUM_TEXT];
	json_t *entry;
	struct stat st;
	int64_t size;
	int r;

	(void)name;
	if (lstat(path, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat %s", path);
	if (S_ISDIR(st.st_mode))
		return fs_each(path, add_file, arg, e);
	r = podfile_sum(path, sum, &size, e);
	if (r < 0)
		return r;
	entry = oci_json_object();
	oci_json_put_number(entry, "size", size);
	oci_json_put_text(entry, "sum", sum);
	oci_json_put(l->files, path + l->skip, entry);
	return 0;
}

static int put_sum(const char *dir, const char *text, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/" PODFILE_SUM_NAME, dir);
	char sum[PODFILE_SUM_TEXT];

	sum_text(XXH3_128bits(text, strlen(text)), sum);
	return fs_replace_file(path, sum, strlen(sum), 0600, false, e);
}

static int sync_all(const char *dir, struct err *e)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		return err_errno(e, errno == ENOSPC ? ERR_EXHAUSTED : ERR_INTERNAL, errno,
				 "sync %s", dir);
	return 0;
}

int podfile_write(const char *dir, json_t *pod, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/" PODFILE_NAME, dir), *text = NULL;
	struct file_list list = { .files = oci_json_need_object(pod, "files"),
				  .skip = strlen(dir) + 1 };
	int r = fs_each(dir, add_file, &list, e);

	if (r < 0)
		return r;
	text = oci_json_dump(pod);
	if (strlen(text) > PODFILE_MAX)
		return err_set(e, ERR_EXHAUSTED, "the checkpoint has too many files");
	r = fs_replace_file(path, text, strlen(text), 0600, false, e);
	if (r == 0)
		r = put_sum(dir, text, e);
	return r == 0 ? sync_all(dir, e) : r;
}

bool podfile_is_memory_volume(const char *path)
{
	struct statfs fs;

	return strstr(path, EMPTY_DIR) && statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}
