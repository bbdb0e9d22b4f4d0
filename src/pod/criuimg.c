/*
 * criuimg.c - frames and messages of CRIU's image files.
 *
 * The files come from a checkpoint, which anybody may have written: every length is checked, and
 * memory is bounded by the size of the file.
 */
#include "pod/criuimg.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"

#define COMMON_MAGIC 0x54564319U

static const struct {
	uint32_t magic;
	bool bare; /* written without COMMON_MAGIC */
	const ProtobufCMessageDescriptor *message;
} kinds[] = {
	{ CRIUIMG_INVENTORY, true, &crisp__criu__inventory__descriptor },
	{ CRIUIMG_PSTREE, false, &crisp__criu__pstree__descriptor },
	{ CRIUIMG_CORE, false, &crisp__criu__core__descriptor },
	{ CRIUIMG_MOUNTS, false, &crisp__criu__mount__descriptor },
	{ CRIUIMG_FILES, false, &crisp__criu__file__descriptor },
};

struct image_reader {
	const uint8_t *p;
	size_t left;
};

static bool get_u32(struct image_reader *r, uint32_t *ret)
{
	if (r->left < sizeof(*ret))
		return false;
	memcpy(ret, r->p, sizeof(*ret));
	r->p += sizeof(*ret);
	r->left -= sizeof(*ret);
	return true;
}

static int one_message(const ProtobufCMessageDescriptor *of, const uint8_t *data, size_t size,
		       criuimg_fn *fn, void *arg, struct err *e)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(of, NULL, size, data);
	int r;

	if (!m)
		return err_set(e, ERR_INVALID, "a message is damaged");
	r = fn(m, arg, e);
	protobuf_c_message_free_unpacked(m, NULL);
	return r;
}

int criuimg_each(const void *data, size_t size, uint32_t magic, criuimg_fn *fn, void *arg,
		 struct err *e)
{
	struct image_reader rd = { .p = data, .left = size };
	uint32_t word = 0;
	size_t k = 0;
	int r = 0;

	while (k < ARRAY_LEN(kinds) - 1 && kinds[k].magic != magic)
		k++;
	if (!kinds[k].bare && (!get_u32(&rd, &word) || word != COMMON_MAGIC))
		return err_set(e, ERR_INVALID, "it is no image of CRIU");
	if (!get_u32(&rd, &word) || word != magic)
		return err_set(e, ERR_INVALID, "its magic number is 0x%x, not 0x%x", word, magic);
	while (r == 0 && rd.left) {
		if (!get_u32(&rd, &word) || word > rd.left)
			return err_set(e, ERR_INVALID, "it is truncated");
		r = one_message(kinds[k].message, rd.p, word, fn, arg, e);
		rd.p += word;
		rd.left -= word;
	}
	return r;
}

/* A link, a device or a pipe in place of the file is an error. */
static int read_regular(const char *path, struct buf *ret, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_INVALID, errno, "open it");
	if (!S_ISREG(st.st_mode) || st.st_size > CRIUIMG_BYTES_MAX)
		return err_set(e, ERR_INVALID, "it is no regular file of at most %d bytes",
			       CRIUIMG_BYTES_MAX);
	do {
		n = read(fd, buf_reserve(ret, 65536), 65536);
		if (n > 0)
			buf_commit(ret, (size_t)n);
	} while (n > 0 && ret->len <= CRIUIMG_BYTES_MAX);
	return n == 0 ? 0 : err_set(e, ERR_INVALID, "it cannot be read");
}

int criuimg_each_of_file(const char *dir, const char *name, uint32_t magic, criuimg_fn *fn,
			 void *arg, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = read_regular(path, &text, e);

	if (r == 0)
		r = criuimg_each(text.len ? text.data : "", text.len, magic, fn, arg, e);
	return r < 0 ? err_wrap(e, "checkpoint/%s", name) : r;
}
