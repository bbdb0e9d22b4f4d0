/*
 * test_store_damage.c - a state database that is truncated, full of holes, zeroed or overwritten is
 * opened whole, refused with a reason, or mended, without a crash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "scratch.h"
#include "store/salvage.h"
#include "store/store.h"

#define PAGE 4096
#define ROWS 120

static struct scratch dir;
static char *durable_dir, *boot_dir, *durable_file, *boot_file;
static struct buf whole; /* the data file as it was closed */
static struct store_options options;
static struct store *s;

static int try_open(struct err *e)
{
	return store_open(&options, &s, e);
}

static void open_ok(void)
{
	struct err e = ERR_NULL;

	if (try_open(&e) < 0)
		fail_msg("%s", e.text);
}

static void close_it(void)
{
	store_close(take_ptr(s));
}

/* Every seventh value needs pages of its own. */
static size_t size_of(int i)
{
	return i % 7 == 0 ? 9000 + (size_t)i : 40 + (size_t)i;
}

static void fill(char *value, int i, char round)
{
	for (size_t n = 0; n < size_of(i); n++)
		value[n] = (char)(round + i + (int)n);
}

static void put_round(char round)
{
	char value[16384], key[64];
	struct err e = ERR_NULL;

	for (int i = 0; i < ROWS; i++) {
		struct store_txn t;

		snprintf(key, sizeof(key), "pod/%03d", i);
		fill(value, i, round);
		store_begin(s, &t);
		if (round == 'x' && i % 5 == 1)
			store_del(&t, STORE_ENV_DURABLE, key);
		else
			store_put(&t, STORE_ENV_DURABLE, key, value, size_of(i));
		store_put(&t, STORE_ENV_BOOT, key, value, size_of(i));
		assert_int_equal(store_commit(&t, &e), 0);
	}
}

static void read_file(const char *path, struct buf *ret)
{
	struct err e = ERR_NULL;

	ret->len = 0;
	if (fs_read_file(path, 64 << 20, ret, &e) != 0)
		fail_msg("%s", e.text);
}

static void write_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, data, size), 0);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	scratch_make(&dir);
	durable_dir = scratch_file(&dir, "durable/state");
	boot_dir = scratch_file(&dir, "boot/state");
	durable_file = xasprintf("%s/data.mdb", durable_dir);
	boot_file = xasprintf("%s/%s/data.mdb", boot_dir, clock_boot_id());
	options = (struct store_options){
		.durable_dir = durable_dir,
		.boot_dir = boot_dir,
		.map_size = 64 << 20,
		.reserve = 4096,
		.no_sync = true,
	};
	open_ok();
	put_round('a');
	put_round('x');
	close_it();
	read_file(durable_file, &whole);
	assert_true(whole.len > 60 * PAGE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_it();
	buf_done(&whole);
	whole = BUF_NULL;
	scratch_drop(&dir);
	free(durable_dir);
	free(boot_dir);
	free(durable_file);
	free(boot_file);
	return 0;
}

struct seen {
	enum store_env env;
	int intact, damaged;
};

static int count_row(void *arg, const struct store_row *row)
{
	struct seen *n = arg;
	char value[16384];
	int i;

	if (row->damaged) {
		n->damaged++;
		return 0;
	}
	n->intact++;
	assert_int_equal(sscanf(row->key, "pod/%d", &i), 1);
	if (n->env == STORE_ENV_BOOT && i == ROWS - 1)
		return 0; /* may be from the commit before the last */
	fill(value, i, 'x');
	assert_int_equal(row->size, size_of(i));
	assert_memory_equal(row->payload, value, row->size);
	return 0;
}

static struct seen count(enum store_env env)
{
	struct seen n = { .env = env };
	struct store_read r;
	struct err e = ERR_NULL;

	store_read_begin(s, &r);
	assert_int_equal(store_scan(&r, env, "pod/", count_row, &n, &e), 0);
	store_read_end(&r);
	return n;
}

/* An environment that opens can be used in full: every row is read, new ones are written. */
static void use_it(void)
{
	char value[16384] = "";
	struct seen n = count(STORE_ENV_DURABLE);
	struct err e = ERR_NULL;

	assert_int_equal(n.intact + n.damaged, ROWS - ROWS / 5);
	for (int i = 0; i < 50; i++) {
		char key[32];
		struct store_txn t;

		snprintf(key, sizeof(key), "new/%03d", i);
		store_begin(s, &t);
		store_put(&t, STORE_ENV_DURABLE, key, value, i % 2 ? 10 : 12000);
		assert_int_equal(store_commit(&t, &e), 0);
	}
}

/* 1: it was refused, with the file, the reason and the way out. */
static int opens_or_refuses(const char *how, size_t where)
{
	struct err e = ERR_NULL;

	if (try_open(&e) == 0) {
		use_it();
		close_it();
		return 0;
	}
	if (e.code != ERR_DATA_LOSS || !strstr(e.text, durable_file) || !strstr(e.text, "--repair"))
		fail_msg("%s %zu: %s", how, where, e.text);
	return 1;
}

static void the_whole_file_opens(void **state)
{
	(void)state;
	assert_int_equal(opens_or_refuses("whole", 0), 0);
}

static void a_file_cut_short_anywhere_is_refused(void **state)
{
	int refused = 0;

	(void)state;
	for (size_t size = 1; size < whole.len; size = size < PAGE ? size + 511 : size + PAGE / 2) {
		write_file(durable_file, whole.data, size);
		refused += opens_or_refuses("cut at", size);
	}
	assert_true(refused > 60);
}

static void each_page_may_be_zero_or_garbage(void **state)
{
	int refused[3] = { 0 };

	(void)state;
	for (int how = 0; how < 3; how++)
		for (size_t at = 0; at < whole.len; at += PAGE) {
			_cleanup_free_ char *copy = xmemdup(whole.data, whole.len);

			for (size_t i = 0; i < PAGE; i++)
				copy[at + i] = how == 0 ? 0 : (char)(at / PAGE + i * 131 + 7);
			/* A page of another number, whole in itself. */
			if (how == 2)
				memcpy(copy + at, whole.data + (at + 5 * PAGE) % whole.len, PAGE);
			write_file(durable_file, copy, whole.len);
			refused[how] += opens_or_refuses("page", at / PAGE);
		}
	for (int how = 0; how < 3; how++)
		assert_true(refused[how] > 5);
}

/* Bytes of the headers and nodes: what LMDB goes by. */
static void changed_bytes_hurt_nobody(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 600; i++) {
		_cleanup_free_ char *copy = xmemdup(whole.data, whole.len);
		size_t page = (size_t)rand_r(&seed) % (whole.len / PAGE);
		size_t at = page * PAGE + (size_t)rand_r(&seed) % (i % 2 ? 64 : PAGE);

		if (i % 3 == 0)
			at %= 2 * PAGE; /* the meta pages have the most to say */
		copy[at] = (char)(copy[at] ^ (1 << (rand_r(&seed) % 8)));
		write_file(durable_file, copy, whole.len);
		opens_or_refuses("byte", at);
	}
}

static void an_empty_file_is_no_new_node(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	write_file(durable_file, "", 0);
	options.pods = "/run/crisp/pods has 3 pods";
	options.layers = "/var/lib/crisp/images has 2 layers";
	assert_true(try_open(&e) < 0);
	assert_int_equal(e.code, ERR_DATA_LOSS);
	assert_non_null(strstr(e.text, "has 3 pods and /var/lib/crisp/images has 2 layers"));
	assert_non_null(strstr(e.text, durable_file));
	assert_int_equal(unlink(durable_file), 0);
	options.pods = NULL;
	assert_true(try_open(&e) < 0);
	assert_int_equal(e.code, ERR_DATA_LOSS);
	assert_int_equal(access(durable_file, F_OK), -1);
	options.layers = NULL;
	open_ok();
	close_it();
	/* Made, and nothing was committed yet: still new, until a pod says otherwise. */
	options.pods = "/run/crisp/pods has 3 pods";
	assert_true(try_open(&e) < 0);
}

/* Whatever there is in the place of a file of LMDB is named, and nothing waits for it. */
static void other_kinds_of_files_are_named(void **state)
{
	_cleanup_free_ char *lock = xasprintf("%s/lock.mdb", durable_dir);
	const char *const files[] = { durable_file, lock };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files) * 3; i++) {
		const char *file = files[i / 3];
		struct err e = ERR_NULL;

		unlink(file);
		assert_int_equal(i % 3 == 0   ? mkdir(file, 0700)
				 : i % 3 == 1 ? mkfifo(file, 0600)
					      : symlink(file, file),
				 0);
		assert_true(try_open(&e) < 0);
		if (!strstr(e.text, file) || !strstr(e.text, "no regular file"))
			fail_msg("%s", e.text);
		assert_int_equal(i % 3 == 0 ? rmdir(file) : unlink(file), 0);
		write_file(durable_file, whole.data, whole.len);
	}
	open_ok();
	close_it();
}

static void a_database_without_rows_explains_no_pod(void **state)
{
	struct err e = ERR_NULL;
	char key[64];

	(void)state;
	open_ok();
	for (int i = 0; i < ROWS; i++) {
		struct store_txn t;

		snprintf(key, sizeof(key), "pod/%03d", i);
		store_begin(s, &t);
		store_del(&t, STORE_ENV_DURABLE, key);
		assert_int_equal(store_commit(&t, &e), 0);
	}
	close_it();
	options.layers = "/var/lib/crisp/images has 2 layers";
	open_ok(); /* layers without an image are swept */
	close_it();
	options.pods = "/run/crisp/pods has 3 pods";
	assert_true(try_open(&e) < 0);
	assert_int_equal(e.code, ERR_DATA_LOSS);
}

static void a_damaged_boot_copy_is_mended(void **state)
{
	struct buf boot = BUF_NULL;
	int most = 0;

	(void)state;
	read_file(boot_file, &boot);
	for (size_t at = 2 * PAGE; at < boot.len; at += 16 * PAGE) {
		_cleanup_free_ char *copy = xmemdup(boot.data, boot.len);
		struct seen n;

		memset(copy + at, 0x5a, MIN((size_t)16 * PAGE, boot.len - at));
		write_file(boot_file, copy, boot.len);
		write_file(durable_file, whole.data, whole.len);
		open_ok();
		n = count(STORE_ENV_BOOT);
		assert_true(n.intact + n.damaged == ROWS || store_note(s));
		most = MAX(most, n.intact);
		close_it();
	}
	assert_true(most > ROWS / 2);
	write_file(boot_file, boot.data, 3 * PAGE);
	open_ok();
	assert_non_null(store_note(s));
	assert_non_null(strstr(store_note(s), boot_file));
	close_it();
	open_ok();
	assert_null(store_note(s));
	close_it();
	write_file(boot_file, "", 0);
	open_ok();
	assert_null(store_note(s)); /* as after a reboot */
	close_it();
	write_file(boot_file, "", 0);
	options.shims = "2 shims run";
	open_ok();
	assert_non_null(strstr(store_note(s), "2 shims run"));
	buf_done(&boot);
}

/* --- salvage --- */

struct found {
	struct map *rows;
	int stray;
};

static void note_row(void *arg, const struct store_row *row, bool stray)
{
	struct found *f = arg;
	char value[16384];
	int i;

	assert_int_equal(sscanf(row->key, "pod/%d", &i), 1);
	fill(value, i, 'x');
	if (row->size != size_of(i) || memcmp(row->payload, value, row->size) != 0)
		return; /* an old one */
	f->stray += stray;
	if (!map_get(f->rows, row->key)) {
		char *key = xstrdup(row->key);

		map_put(f->rows, key, key);
	}
}

static size_t salvaged(size_t *ret_unread)
{
	struct found f = { .rows = map_new() };
	size_t n, pos = 0;
	char *key;

	*ret_unread = store_salvage(durable_dir, note_row, &f);
	n = map_count(f.rows);
	while ((key = map_next(f.rows, &pos))) {
		map_del(f.rows, key);
		free(key);
		pos = 0;
	}
	map_free(f.rows);
	return n;
}

static void rows_of_a_damaged_file_are_found(void **state)
{
	const size_t kept = ROWS - ROWS / 5;
	size_t unread, n, least = kept;

	(void)state;
	n = salvaged(&unread);
	assert_int_equal(n, kept);
	assert_int_equal(unread, 0);
	for (size_t at = 0; at < whole.len; at += PAGE) {
		_cleanup_free_ char *copy = xmemdup(whole.data, whole.len);

		memset(copy + at, 0xee, PAGE);
		write_file(durable_file, copy, whole.len);
		n = salvaged(&unread);
		least = MIN(least, n);
	}
	/* One page is some thirty rows at most; a branch page costs none. */
	assert_true(least >= kept - 60);
	for (size_t size = 0; size < whole.len; size += 3 * PAGE) {
		write_file(durable_file, whole.data, size);
		salvaged(&unread);
		assert_true(unread > 0 || size == 0 || size > whole.len / 2);
	}
}

static void a_new_file_takes_the_place_of_the_old(void **state)
{
	const struct store_keep rows[] = { { "pod/007", "x", 1 }, { "pod/a", "yz", 2 } };
	_cleanup_free_ char *kept = NULL, *data = NULL;
	struct buf old = BUF_NULL;
	struct err e = ERR_NULL;
	struct store_row row;
	struct store_read r;

	(void)state;
	if (store_replace(durable_dir, rows, 2, &kept, &e) < 0)
		fail_msg("%s", e.text);
	data = xasprintf("%s/data.mdb", kept);
	read_file(data, &old);
	assert_int_equal(old.len, whole.len);
	buf_done(&old);
	open_ok();
	store_read_begin(s, &r);
	assert_int_equal(store_get(&r, STORE_ENV_DURABLE, "pod/a", &row, &e), 0);
	assert_false(row.damaged);
	assert_int_equal(row.size, 2);
	assert_int_equal(store_get(&r, STORE_ENV_DURABLE, "pod/008", &row, &e), 1);
	store_read_end(&r);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(the_whole_file_opens),
		test(a_file_cut_short_anywhere_is_refused),
		test(each_page_may_be_zero_or_garbage),
		test(changed_bytes_hurt_nobody),
		test(an_empty_file_is_no_new_node),
		test(other_kinds_of_files_are_named),
		test(a_database_without_rows_explains_no_pod),
		test(a_damaged_boot_copy_is_mended),
		test(rows_of_a_damaged_file_are_found),
		test(a_new_file_takes_the_place_of_the_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
