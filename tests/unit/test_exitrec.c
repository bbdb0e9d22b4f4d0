/*
 * test_exitrec.c - exit records: exact, parsed strictly, written on a full disk.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"
#include "shimproto/exitrec.h"

static struct exitrec sample(void)
{
	struct exitrec r = {
		.code = 137,
		.signal = 9,
		.oom = true,
		.started_ns = 1,
		.exited_ns = INT64_MAX,
		.pid = 4194304,
		.start_ticks = 123456789,
	};

	memcpy(r.boot_id, clock_boot_id(), sizeof(r.boot_id));
	return r;
}

static void round_trip(void **state)
{
	struct exitrec in = sample(), out;
	char text[EXITREC_MAX];
	struct err e = ERR_NULL;
	int n = exitrec_format(&in, text);

	(void)state;
	assert_true(n > 0 && n < EXITREC_MAX && text[n] == '\0');
	assert_int_equal(exitrec_parse(text, (size_t)n, &out, &e), 0);
	assert_int_equal(out.code, 137);
	assert_int_equal(out.signal, 9);
	assert_true(out.oom);
	assert_true(out.exited_ns == INT64_MAX && out.started_ns == 1);
	assert_int_equal(out.pid, in.pid);
	assert_int_equal(out.start_ticks, in.start_ticks);
	assert_string_equal(out.boot_id, in.boot_id);
}

/* No cut, no flipped bit is taken for a record. */
static void damage(void **state)
{
	struct exitrec in = sample(), out;
	char text[EXITREC_MAX];
	struct err e = ERR_NULL;
	size_t n = (size_t)exitrec_format(&in, text);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *exact = xmemdup(text, i ? i : 1);

		assert_int_equal(exitrec_parse(exact, i, &out, &e), -ERR_DATA_LOSS);
		for (int bit = 0; bit < 8; bit++) {
			text[i] ^= (char)(1 << bit);
			assert_int_equal(exitrec_parse(text, n, &out, &e), -ERR_DATA_LOSS);
			text[i] ^= (char)(1 << bit);
		}
	}
	text[n] = '\n';
	assert_int_equal(exitrec_parse(text, n + 1, &out, &e), -ERR_DATA_LOSS);
}

static int make_dir(void **state)
{
	char template[] = "/tmp/crisp-exitrec.XXXXXX";

	*state = xstrdup(mkdtemp(template));
	return 0;
}

static int remove_dir(void **state)
{
	struct err e = ERR_NULL;

	umount2(*state, MNT_DETACH);
	assert_int_equal(fs_remove_tree(*state, &e), 0);
	free(*state);
	return 0;
}

static void files(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/ctr", (char *)*state);
	_cleanup_free_ char *room = xasprintf("%s.room", path);
	_cleanup_free_ char *nowhere = xasprintf("%s/none/ctr", (char *)*state);
	struct exitrec in = sample(), out;
	struct err e = ERR_NULL;

	assert_int_equal(exitrec_read(path, &out, &e), 1);
	assert_true(exitrec_prepare(nowhere, &e) < 0);
	assert_int_equal(exitrec_prepare(path, &e), 0);
	assert_true(fs_exists(room));
	assert_int_equal(exitrec_read(path, &out, &e), 1);
	assert_int_equal(exitrec_write(path, &in, &e), 0);
	assert_false(fs_exists(room));
	assert_int_equal(exitrec_read(path, &out, &e), 0);
	assert_int_equal(out.code, 137);
	/* Without room as well: a record of an earlier life is replaced. */
	in.code = 1;
	assert_int_equal(exitrec_write(path, &in, &e), 0);
	assert_int_equal(exitrec_read(path, &out, &e), 0);
	assert_int_equal(out.code, 1);
	assert_int_equal(fs_replace_file(path, "crisp-exit 1\n", 13, 0600, false, &e), 0);
	assert_int_equal(exitrec_read(path, &out, &e), -ERR_DATA_LOSS);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(exitrec_remove(path, &e), 0);
	assert_int_equal(exitrec_remove(path, &e), 0);
	assert_false(fs_exists(path));
}

static void full_disk(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/ctr", (char *)*state);
	_cleanup_free_ char *other = xasprintf("%s/other", (char *)*state);
	_cleanup_free_ char *fill = xasprintf("%s/fill", (char *)*state);
	struct exitrec in = sample(), out;
	struct err e = ERR_NULL;
	char block[4096] = { 1 };
	int fd;

	if (mount("tmpfs", *state, "tmpfs", 0, "size=256k") < 0)
		skip(); /* needs root */
	assert_int_equal(exitrec_prepare(path, &e), 0);
	fd = open(fill, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	assert_int_equal(exitrec_prepare(other, &e), -ERR_EXHAUSTED);
	assert_int_equal(exitrec_write(path, &in, &e), 0);
	assert_int_equal(exitrec_read(path, &out, &e), 0);
	assert_int_equal(out.code, 137);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(damage),
		cmocka_unit_test_setup_teardown(files, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(full_disk, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
