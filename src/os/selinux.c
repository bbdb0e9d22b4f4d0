/*
 * selinux.c - make, check and set labels with libselinux.
 */
#include "os/selinux.h"

#include <errno.h>
#include <fcntl.h>
#include <selinux/context.h>
#include <selinux/selinux.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"

#define CONTEXTS_MAX (64 * 1024)
#define CATEGORIES 1024
#define DEPTH_MAX 64

static void context_freep(context_t *c)
{
	if (*c)
		context_free(*c);
}

bool selinux_is_enabled(void)
{
	return is_selinux_enabled() == 1;
}

/* Value of `key = "value"` in the policy's file of container contexts. */
static int read_default(const char *text, const char *key, char **ret, struct err *e)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line;) {
		const char *end = strchrnul(line, '\n'), *at = line;

		if (strncmp(at, key, len) == 0) {
			const char *open, *close;

			at += len;
			at += strspn(at, " \t");
			open = *at == '=' ? memchr(at, '"', (size_t)(end - at)) : NULL;
			close = open ? memchr(open + 1, '"', (size_t)(end - open - 1)) : NULL;
			if (close) {
				*ret = xstrndup(open + 1, (size_t)(close - open - 1));
				return 0;
			}
		}
		line = *end ? end + 1 : end;
	}
	return err_set(e, ERR_PRECONDITION,
		       "%s has no entry \"%s\": install the container policy of this "
		       "distribution",
		       selinux_lxc_contexts_path(), key);
}

/* Derive two different categories from a text; FNV-1a spreads texts that differ only at the end. */
static void derive_level(const char *seed, char out[32])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	unsigned a, b;

	for (; *seed; seed++)
		h = (h ^ (unsigned char)*seed) * UINT64_C(0x100000001b3);
	a = (unsigned)(h % CATEGORIES);
	b = (unsigned)((h >> 32) % (CATEGORIES - 1));
	if (b >= a)
		b++;
	snprintf(out, 32, "s0:c%u,c%u", a < b ? a : b, a < b ? b : a);
}

static int set_part(context_t c, int (*set)(context_t, const char *), const char *value,
		    const char *name, struct err *e)
{
	if (!value || !*value)
		return 0;
	if (set(c, value) != 0)
		return err_set(e, ERR_INVALID,
			       "selinux_options.%s: \"%s\" cannot be part of a label", name, value);
	return 0;
}

/* Insert the given parts into the policy's context; the kernel checks the result. */
static int make_label(const char *base, const struct selinux_parts *parts, const char *level,
		      char **ret, struct err *e)
{
	_cleanup_(context_freep) context_t c = context_new(base);
	const char *text;
	int r;

	if (!c)
		return err_set(e, ERR_PRECONDITION,
			       "the policy's container context \"%s\" is not one", base);
	r = set_part(c, context_user_set, parts->user, "user", e);
	if (r == 0)
		r = set_part(c, context_role_set, parts->role, "role", e);
	if (r == 0)
		r = set_part(c, context_type_set, parts->type, "type", e);
	if (r == 0)
		r = set_part(c, context_range_set, level, "level", e);
	if (r < 0)
		return r;
	text = context_str(c);
	if (!text)
		return err_set(e, ERR_INTERNAL, "out of memory for a label");
	if (security_check_context(text) < 0)
		return err_set(e, ERR_INVALID,
			       "selinux_options: the loaded policy does not know the label %s",
			       text);
	*ret = xstrdup(text);
	return 0;
}

int selinux_make_labels(const struct selinux_parts *parts, const char *seed, char **ret_process,
			char **ret_file, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	_cleanup_free_ char *process = NULL, *file = NULL, *label = NULL;
	/* Files keep the policy's object role and type: only user and level are inserted. */
	struct selinux_parts file_parts = { .user = parts->user };
	const char *level = parts->level;
	char derived[32];
	int r;

	if (!level || !*level) {
		derive_level(seed, derived);
		level = derived;
	}
	r = fs_read_file(selinux_lxc_contexts_path(), CONTEXTS_MAX, &text, e);
	if (r > 0)
		return err_set(e, ERR_PRECONDITION,
			       "SELinux is enabled but %s is missing: install the container policy "
			       "of this distribution",
			       selinux_lxc_contexts_path());
	if (r == 0)
		r = read_default(text.data, "process", &process, e);
	if (r == 0)
		r = read_default(text.data, "file", &file, e);
	if (r == 0)
		r = make_label(process, parts, level, &label, e);
	if (r == 0)
		r = make_label(file, &file_parts, level, ret_file, e);
	if (r < 0)
		return r;
	*ret_process = take_ptr(label);
	return 0;
}

static int refuse_host_dirs(const char *path, struct err *e)
{
	static const char *const dirs[] = { "/",     "/bin",   "/boot", "/dev",	 "/etc",  "/home",
					    "/lib",  "/lib64", "/opt",	"/proc", "/root", "/run",
					    "/sbin", "/srv",   "/sys",	"/tmp",	 "/usr",  "/var" };

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (strcmp(path, dirs[i]) == 0)
			return err_set(
				e, ERR_INVALID,
				"relabelling %s would break the host: mount a directory below "
				"it, or do without selinux_relabel",
				path);
	return 0;
}

static int relabel_fd(int fd, const char *path, const char *label, struct err *e)
{
	char self[64];

	/* fsetfilecon refuses O_PATH descriptors; the link in /proc leads to the same inode. */
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (setfilecon(self, label) == 0 || errno == EOPNOTSUPP || errno == EROFS)
		return 0;
	return err_errno(e, ERR_INTERNAL, errno, "label %s with %s", path, label);
}

static int relabel_at(int dir, const char *name, dev_t dev, const char *path, const char *label,
		      unsigned depth, struct err *e)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_closedir_ DIR *list = NULL;
	struct dirent *entry;
	struct stat st;
	int sub, r;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	if (fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat %s", path);
	if (st.st_dev != dev || S_ISLNK(st.st_mode))
		return 0;
	r = relabel_fd(fd, path, label, e);
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r;
	if (depth == DEPTH_MAX)
		return err_set(e, ERR_EXHAUSTED, "%s is deeper than %d directories", path,
			       DEPTH_MAX);
	sub = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	list = sub >= 0 ? fdopendir(sub) : NULL;
	if (!list)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	while ((entry = readdir(list))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = relabel_at(dirfd(list), entry->d_name, dev, path, label, depth + 1, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int selinux_relabel_tree(const char *path, const char *label, struct err *e)
{
	struct stat st;
	int r = refuse_host_dirs(path, e);

	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "stat %s", path);
	return relabel_at(AT_FDCWD, path, st.st_dev, path, label, 0, e);
}
