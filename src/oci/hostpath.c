/*
 * hostpath.c - mount propagation of host paths from mountinfo, and creation of missing mount
 * sources.
 */
#include "oci/hostpath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"

#define MOUNTINFO_MAX (64 * 1024 * 1024)

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U
#endif

/* Find the line "ID parent dev root point options [optional fields] - ..." of a mount. */
static const char *find_line(const char *table, unsigned long long id)
{
	char start[32];
	size_t len = (size_t)snprintf(start, sizeof(start), "%llu ", id);

	for (const char *line = table; line && *line;) {
		if (strncmp(line, start, len) == 0)
			return line;
		line = strchr(line, '\n');
		line += line != NULL;
	}
	return NULL;
}

int hostpath_propagation(const char *path, struct hostpath_propagation *ret, struct err *e)
{
	_cleanup_buf_ struct buf table = BUF_NULL;
	const char *line, *end;
	struct statx st;
	int r;

	if (statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "stat %s", path);
	r = fs_read_file("/proc/self/mountinfo", MOUNTINFO_MAX, &table, e);
	if (r != 0)
		return r < 0 ? r : err_set(e, ERR_INTERNAL, "/proc/self/mountinfo is missing");
	line = find_line(table.data, st.stx_mnt_id);
	if (!line)
		return err_set(e, ERR_INTERNAL, "%s: its mount is not in the mount table", path);
	/* Optional fields end with " - ". */
	end = strstr(line, " - ");
	*ret = (struct hostpath_propagation){ .shared = false };
	for (const char *at = line; end && at < end; at++) {
		ret->shared |= strncmp(at, " shared:", 8) == 0;
		ret->slave |= strncmp(at, " master:", 8) == 0;
	}
	return 0;
}

int hostpath_prepare(const char *path, char *const *reject, char **ret, struct err *e)
{
	char *real = realpath(path, NULL);
	int r;

	if (!real && errno == ENOENT) {
		for (; reject && *reject; reject++)
			if (strcmp(*reject, path) == 0)
				return err_set(e, ERR_PRECONDITION,
					       "host path %s does not exist, and "
					       "absent_mount_sources_to_reject forbids to make it",
					       path);
		r = fs_mkdir_all(path, 0755, e);
		if (r < 0)
			return err_wrap(e, "make host path %s", path);
		real = realpath(path, NULL);
	}
	if (!real)
		return err_errno(e, ERR_PRECONDITION, errno, "host path %s", path);
	*ret = real;
	return 0;
}
