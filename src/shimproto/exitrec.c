/*
 * exitrec.c - format, parse and durably replace exit records.
 */
#include "shimproto/exitrec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"

#define HEAD "crisp-exit 1\n"
#define ROOM_BYTES 4096

int exitrec_format(const struct exitrec *r, char out[EXITREC_MAX])
{
	int n = snprintf(out, EXITREC_MAX,
			 HEAD "code %d\nsignal %d\noom %d\nstarted %lld\nexited %lld\npid %lld\n"
			      "ticks %llu\nboot %s\n",
			 r->code, r->signal, r->oom ? 1 : 0, (long long)r->started_ns,
			 (long long)r->exited_ns, (long long)r->pid,
			 (unsigned long long)r->start_ticks, r->boot_id);

	/* The sum of the longest values is far below EXITREC_MAX. */
	n += snprintf(out + n, (size_t)(EXITREC_MAX - n), "check %016llx\n",
		      (unsigned long long)XXH64(out, (size_t)n, 0));
	return n;
}

/* --- reading --- */

struct exitrec_reader {
	char *p; /* unread text, NUL-terminated, cut line by line */
};

/* Value of the next line, whose name must be name; else NULL. */
static char *next_value(struct exitrec_reader *c, const char *name)
{
	size_t n = strlen(name);
	char *end = strchr(c->p, '\n'), *value;

	if (!end || strncmp(c->p, name, n) != 0 || c->p[n] != ' ')
		return NULL;
	*end = '\0';
	value = c->p + n + 1;
	c->p = end + 1;
	return value;
}

static int next_number(struct exitrec_reader *c, const char *name, int64_t max, int64_t *ret)
{
	const char *value = next_value(c, name);

	return value ? str_to_i64(value, 0, max, ret) : -1;
}

/* Returns the name of the first wrong field; NULL: all fields are valid. */
static const char *parse_fields(struct exitrec_reader *c, struct exitrec *r)
{
	int64_t code, sig, oom, ticks;
	const char *boot;

	if (next_number(c, "code", 255, &code) < 0)
		return "code";
	if (next_number(c, "signal", 64, &sig) < 0)
		return "signal";
	if (next_number(c, "oom", 1, &oom) < 0)
		return "oom";
	if (next_number(c, "started", INT64_MAX, &r->started_ns) < 0)
		return "started";
	if (next_number(c, "exited", INT64_MAX, &r->exited_ns) < 0)
		return "exited";
	if (next_number(c, "pid", INT_MAX, &r->pid) < 0)
		return "pid";
	if (next_number(c, "ticks", INT64_MAX, &ticks) < 0)
		return "ticks";
	boot = next_value(c, "boot");
	if (!boot || strlen(boot) != sizeof(r->boot_id) - 1 ||
	    strspn(boot, "0123456789abcdef-") != sizeof(r->boot_id) - 1)
		return "boot";
	r->code = (int)code;
	r->signal = (int)sig;
	r->oom = oom != 0;
	r->start_ticks = (uint64_t)ticks;
	memcpy(r->boot_id, boot, sizeof(r->boot_id));
	return NULL;
}

int exitrec_parse(const char *text, size_t size, struct exitrec *ret, struct err *e)
{
	char copy[EXITREC_MAX + 1], want[17];
	struct exitrec_reader c = { .p = copy + strlen(HEAD) };
	const char *bad, *sum;
	size_t covered;

	if (size > EXITREC_MAX || memchr(text, '\0', size))
		return err_set(e, ERR_DATA_LOSS, "exit record: not a text of at most %d bytes",
			       EXITREC_MAX);
	memcpy(copy, text, size);
	copy[size] = '\0';
	if (!str_starts(copy, HEAD))
		return err_set(e, ERR_DATA_LOSS,
			       "exit record: does not start with a known version");
	*ret = (struct exitrec){ .code = 0 };
	bad = parse_fields(&c, ret);
	if (bad)
		return err_set(e, ERR_DATA_LOSS, "exit record: %s is missing or wrong", bad);
	covered = (size_t)(c.p - copy);
	sum = next_value(&c, "check");
	snprintf(want, sizeof(want), "%016llx", (unsigned long long)XXH64(text, covered, 0));
	if (!sum || strcmp(sum, want) != 0 || *c.p)
		return err_set(e, ERR_DATA_LOSS, "exit record: the checksum does not fit");
	return 0;
}

int exitrec_read(const char *path, struct exitrec *ret, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_file(path, EXITREC_MAX, &text, e);

	if (r != 0)
		return r < 0 ? err_set(e, ERR_DATA_LOSS, "exit record %s cannot be read", path) : r;
	r = exitrec_parse(text.data ? text.data : "", text.len, ret, e);
	return r < 0 ? err_wrap(e, "%s", path) : 0;
}

/* --- writing --- */

static int room_path(const char *path, char out[PATH_MAX], struct err *e)
{
	if (snprintf(out, PATH_MAX, "%s.room", path) >= PATH_MAX)
		return err_set(e, ERR_INVALID, "exit record path is too long");
	return 0;
}

int exitrec_prepare(const char *path, struct err *e)
{
	_cleanup_close_ int fd = -1;
	char room[PATH_MAX];
	int r = room_path(path, room, e);

	if (r < 0)
		return r;
	fd = open(room, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "create %s", room);
	r = posix_fallocate(fd, 0, ROOM_BYTES);
	if (r) {
		unlink(room);
		return err_errno(e, ERR_INTERNAL, r, "reserve room for exit record %s", path);
	}
	return 0;
}

static int write_into_room(const char *room, const char *path, const char *text, int len)
{
	_cleanup_close_ int fd = open(room, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || pwrite(fd, text, (size_t)len, 0) != len || ftruncate(fd, len) < 0 ||
	    fsync(fd) < 0 || rename(room, path) < 0)
		return -1;
	return 0;
}

int exitrec_write(const char *path, const struct exitrec *r, struct err *e)
{
	char text[EXITREC_MAX], room[PATH_MAX], dir[PATH_MAX];
	int len = exitrec_format(r, text), bad = room_path(path, room, e);
	const char *slash = strrchr(path, '/');

	if (bad < 0)
		return bad;
	if (write_into_room(room, path, text, len) < 0) {
		unlink(room);
		return fs_replace_file(path, text, (size_t)len, 0600, true, e);
	}
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)MAX(slash - path, (ptrdiff_t)1) : 1,
		 slash ? path : ".");
	return fs_sync_dir(dir, e);
}

int exitrec_remove(const char *path, struct err *e)
{
	char room[PATH_MAX];
	int r = room_path(path, room, e);

	if (r < 0)
		return r;
	if ((unlink(path) < 0 && errno != ENOENT) || (unlink(room) < 0 && errno != ENOENT))
		return err_errno(e, ERR_INTERNAL, errno, "remove exit record %s", path);
	return 0;
}
