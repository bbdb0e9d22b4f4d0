/*
 * mountinfo.c - parse /proc/PID/mountinfo line by line.
 */
#include "os/mountinfo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

static void close_filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Decode \040 and other octal escapes in place. */
static void unescape(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
		    p[3] >= '0' && p[3] <= '7') {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /target opts optional... - type source super" */
static bool parse(char *line, struct mountinfo *m)
{
	char *rest = line, *root, *target, *optional, *type;
	char *dash;

	rest[strcspn(rest, "\n")] = '\0';
	strsep(&rest, " ");
	strsep(&rest, " ");
	strsep(&rest, " ");
	root = strsep(&rest, " ");
	target = strsep(&rest, " ");
	strsep(&rest, " ");
	if (!rest)
		return false;
	optional = rest;
	if (rest[0] == '-' && rest[1] == ' ') {
		*rest = '\0';
		rest += 2;
	} else {
		dash = strstr(rest, " - ");
		if (!dash)
			return false;
		*dash = '\0';
		rest = dash + 3;
	}
	type = strsep(&rest, " ");
	strsep(&rest, " ");
	unescape(root);
	unescape(target);
	*m = (struct mountinfo){ .root = root,
				 .target = target,
				 .optional = optional,
				 .type = type,
				 .super_options = rest ? rest : "" };
	return true;
}

int mountinfo_read(const char *path, int (*fn)(void *arg, const struct mountinfo *m), void *arg,
		   struct err *e)
{
	_cleanup_(close_filep) FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (!path)
		path = "/proc/thread-self/mountinfo";
	f = fopen(path, "re");
	if (!f)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	while (!r && getline(&line, &size, f) >= 0) {
		struct mountinfo m;

		if (parse(line, &m))
			r = fn(arg, &m);
	}
	if (!r && ferror(f))
		return err_errno(e, ERR_INTERNAL, errno, "read %s", path);
	return r;
}
