/*
 * fuzz_tar.c - any bytes as a tar archive, in pieces: an error with a text, or entries within the
 * promises of tar.h.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pull/unpack/tar.h"
#include "tests/unit/tarmake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	bool in_file;
	struct tar_entry entry;
	uint64_t end; /* of the data so far */
};

static void check(bool holds)
{
	if (!holds)
		abort();
}

static int on_entry(void *arg, const struct tar_entry *entry, struct err *e)
{
	struct seen *s = arg;
	bool link = entry->type == TAR_TYPE_HARDLINK || entry->type == TAR_TYPE_SYMLINK;
	size_t total = 0;

	(void)e;
	check(!s->in_file);
	check(*entry->path && strlen(entry->path) <= TAR_PATH_MAX);
	check(strlen(entry->link) <= TAR_PATH_MAX && (!link || *entry->link));
	check(entry->mode <= 07777);
	check(entry->uid != UINT32_MAX && entry->gid != UINT32_MAX);
	check(entry->type == TAR_TYPE_FILE || entry->size == 0);
	check(entry->mtime_ns >= 0 && entry->mtime_ns < 1000000000);
	for (size_t i = 0; i < entry->n_xattrs; i++) {
		const struct tar_xattr *x = &entry->xattrs[i];

		check(*x->name && x->value[x->size] == '\0');
		total += strlen(x->name) + x->size;
	}
	check(total <= TAR_EXTENSION_MAX);
	*s = (struct seen){ .in_file = entry->type == TAR_TYPE_FILE, .entry = *entry };
	return 0;
}

static int on_data(void *arg, uint64_t offset, const void *data, size_t size, struct err *e)
{
	struct seen *s = arg;

	(void)e;
	check(s->in_file && size && offset >= s->end);
	check(offset + size <= s->entry.size && offset + size > offset);
	check(((const char *)data)[0] == ((const volatile char *)data)[0]);
	check(((const char *)data)[size - 1] == ((const volatile char *)data)[size - 1]);
	s->end = offset + size;
	return 0;
}

static int on_end(void *arg, struct err *e)
{
	struct seen *s = arg;

	(void)e;
	/* The entry is still there. */
	check(s->in_file && *s->entry.path);
	s->in_file = false;
	return 0;
}

static const struct tar_ops ops = { .entry = on_entry, .data = on_data, .end = on_end };

/* The first byte says in which pieces the rest comes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = { .in_file = false };
	_cleanup_(tar_freep) struct tar *t = tar_new(&ops, &seen);
	_cleanup_free_ unsigned char *fixed = xmemdup(data, size);
	struct err e = ERR_NULL;
	size_t chunk = size && data[0] ? (size_t)data[0] * 7 : 1 << 20;
	int r = 0;

	if (size)
		tm_fix(fixed + 1, size - 1);
	for (size_t at = 1; at < size && r == 0; at += chunk)
		r = tar_feed(t, fixed + at, MIN(chunk, size - at), &e);
	r = r < 0 ? r : tar_finish(t, &e);
	check(r == 0 ? !seen.in_file : e.code == ERR_INVALID && e.text[0]);
	return 0;
}
