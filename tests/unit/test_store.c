/*
 * test_store.c - rows come back from the store. Damaged rows, full disks and a second daemon are
 * errors; the damage is made with LMDB and in its file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "scratch.h"
#include "store/store.h"

static struct scratch dir;
static char *durable_dir, *boot_dir;
static struct store *s;

static int try_open(size_t map_size, struct err *e)
{
	const struct store_options o = {
		.durable_dir = durable_dir,
		.boot_dir = boot_dir,
		.map_size = map_size,
		.reserve = 64 * 1024,
		.boot_reserve = 512 * 1024,
		.no_sync = true,
	};

	return store_open(&o, &s, e);
}

static void reopen(size_t map_size)
{
	struct err e = ERR_NULL;

	store_close(take_ptr(s));
	if (try_open(map_size, &e) < 0)
		fail_msg("%s", e.text);
}

static int setup(void **state)
{
	(void)state;
	scratch_make(&dir);
	durable_dir = scratch_file(&dir, "durable/state");
	boot_dir = scratch_file(&dir, "boot/state");
	reopen(1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(take_ptr(s));
	(void)umount2(boot_dir, MNT_DETACH); /* of the test with a tmpfs */
	scratch_drop(&dir);
	free(durable_dir);
	free(boot_dir);
	return 0;
}

static void put(enum store_env env, const char *key, const char *value)
{
	struct store_txn t;
	struct err e = ERR_NULL;

	store_begin(s, &t);
	store_put(&t, env, key, value, strlen(value));
	assert_int_equal(store_commit(&t, &e), 0);
}

/* The payload as text, "(none)" or "(damaged)". */
static const char *get(enum store_env env, const char *key)
{
	static char text[64];
	struct store_row row;
	struct store_read r;
	struct err e = ERR_NULL;
	int rc;

	store_read_begin(s, &r);
	rc = store_get(&r, env, key, &row, &e);
	assert_true(rc >= 0);
	if (rc == 0 && !row.damaged)
		assert_string_equal(row.boot_id, clock_boot_id());
	snprintf(text, sizeof(text), "%.*s", rc || row.damaged ? 9 : (int)row.size,
		 rc	       ? "(none)"
		 : row.damaged ? "(damaged)"
			       : (const char *)row.payload);
	store_read_end(&r);
	return text;
}

static void rows_come_back(void **state)
{
	struct store_txn t;
	struct err e = ERR_NULL;

	(void)state;
	put(STORE_ENV_DURABLE, "pod/a", "one");
	put(STORE_ENV_BOOT, "pod/a", "two");
	put(STORE_ENV_BOOT, "pod/empty", "");
	reopen(1 << 20);
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "one");
	assert_string_equal(get(STORE_ENV_BOOT, "pod/a"), "two");
	assert_string_equal(get(STORE_ENV_BOOT, "pod/empty"), "");
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/empty"), "(none)");
	put(STORE_ENV_DURABLE, "pod/a", "other");
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "other");
	store_begin(s, &t);
	store_del(&t, STORE_ENV_DURABLE, "pod/a");
	store_del(&t, STORE_ENV_DURABLE, "pod/never was");
	assert_int_equal(store_commit(&t, &e), 0);
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "(none)");
	assert_string_equal(get(STORE_ENV_BOOT, "pod/a"), "two");
}

static void an_aborted_transaction_is_none(void **state)
{
	struct store_txn t;

	(void)state;
	store_begin(s, &t);
	store_put(&t, STORE_ENV_DURABLE, "pod/a", "x", 1);
	store_put(&t, STORE_ENV_BOOT, "pod/a", "x", 1);
	store_abort(&t);
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "(none)");
	assert_string_equal(get(STORE_ENV_BOOT, "pod/a"), "(none)");
}

static void a_key_of_any_length_can_be_asked_for(void **state)
{
	char key[2000];

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	assert_string_equal(get(STORE_ENV_DURABLE, key), "(none)");
	key[499] = '\0';
	put(STORE_ENV_DURABLE, key, "long");
	assert_string_equal(get(STORE_ENV_DURABLE, key), "long");
}

static void a_snapshot_stays_as_it_was(void **state)
{
	struct store_row row;
	struct store_read r;
	struct err e = ERR_NULL;

	(void)state;
	put(STORE_ENV_BOOT, "pod/a", "before");
	store_read_begin(s, &r);
	assert_int_equal(store_get(&r, STORE_ENV_BOOT, "pod/a", &row, &e), 0);
	put(STORE_ENV_BOOT, "pod/a", "after"); /* does not wait for the reader */
	assert_int_equal(row.size, 6);
	assert_memory_equal(row.payload, "before", 6);
	assert_int_equal(store_get(&r, STORE_ENV_BOOT, "pod/a", &row, &e), 0);
	assert_memory_equal(row.payload, "before", 6);
	store_read_end(&r);
	assert_string_equal(get(STORE_ENV_BOOT, "pod/a"), "after");
}

static int collect(void *arg, const struct store_row *row)
{
	struct buf *b = arg;

	buf_printf(b, "%s%s ", row->key, row->damaged ? "!" : "");
	return strcmp(row->key, "pod/stop") == 0 ? 7 : 0;
}

static void check_scan(const char *prefix, int rc, const char *want)
{
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct store_read r;
	struct err e = ERR_NULL;

	buf_puts(&b, "");
	store_read_begin(s, &r);
	assert_int_equal(store_scan(&r, STORE_ENV_BOOT, prefix, collect, &b, &e), rc);
	store_read_end(&r);
	assert_string_equal(b.data, want);
}

static void scans_go_in_order_within_a_prefix(void **state)
{
	(void)state;
	check_scan("", 0, "");
	put(STORE_ENV_BOOT, "pod/b", "");
	put(STORE_ENV_BOOT, "podx", "");
	put(STORE_ENV_BOOT, "pod/a", "");
	put(STORE_ENV_BOOT, "ctr/z", "");
	check_scan("", 0, "ctr/z pod/a pod/b podx ");
	check_scan("pod/", 0, "pod/a pod/b ");
	check_scan("pod/b", 0, "pod/b ");
	check_scan("zzz", 0, "");
	put(STORE_ENV_BOOT, "pod/stop", "");
	put(STORE_ENV_BOOT, "pod/z", "");
	check_scan("pod/", 7, "pod/a pod/b pod/stop ");
}

/* Put a raw value under a raw key of the durable environment; the store is closed meanwhile. */
static void put_raw(const void *key, size_t key_size, const void *data, size_t size)
{
	MDB_val k = { key_size, (void *)(uintptr_t)key };
	MDB_val v = { size, (void *)(uintptr_t)data };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	store_close(take_ptr(s));
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, durable_dir, MDB_NOSYNC, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	reopen(1 << 20);
}

static size_t get_raw(const char *key, unsigned char *out, size_t max)
{
	MDB_val k = { strlen(key) + 1, (void *)(uintptr_t)key }, v;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	store_close(take_ptr(s));
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, durable_dir, MDB_RDONLY, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_get(txn, dbi, &k, &v), 0);
	assert_true(v.mv_size <= max);
	memcpy(out, v.mv_data, v.mv_size);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	reopen(1 << 20);
	return v.mv_size;
}

static void each_changed_byte_is_seen(void **state)
{
	unsigned char bytes[128];
	size_t n;

	(void)state;
	put(STORE_ENV_DURABLE, "pod/a", "payload");
	put(STORE_ENV_DURABLE, "pod/b", "neighbour");
	n = get_raw("pod/a", bytes, sizeof(bytes));
	assert_true(n > 7);
	for (size_t i = 0; i < n; i++) {
		bytes[i] ^= 0x40;
		put_raw("pod/a", 6, bytes, n);
		assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "(damaged)");
		bytes[i] ^= 0x40;
	}
	put_raw("pod/a", 6, bytes, n);
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "payload");
	for (size_t size = 0; size < n; size += 5) {
		put_raw("pod/a", 6, bytes, size);
		assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "(damaged)");
	}
	/* A good value under another key is not that key's. */
	put_raw("pod/c", 6, bytes, n);
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/c"), "(damaged)");
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/b"), "neighbour");
	/* A damaged row can be replaced and deleted like any other. */
	put(STORE_ENV_DURABLE, "pod/c", "mended");
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/c"), "mended");
}

static int count_all(void *arg, const struct store_row *row)
{
	assert_non_null(row->key);
	(*(int *)arg)++;
	return 0;
}

static void keys_of_no_text_are_passed_over(void **state)
{
	struct store_read r;
	struct err e = ERR_NULL;
	int n = 0;

	(void)state;
	put(STORE_ENV_DURABLE, "pod/a", "x");
	put_raw("pod/no end", 10, "x", 1);
	put_raw("\xff\xfe", 2, "x", 1);
	store_read_begin(s, &r);
	assert_int_equal(store_scan(&r, STORE_ENV_DURABLE, "", count_all, &n, &e), 0);
	store_read_end(&r);
	assert_int_equal(n, 1);
}

static void a_changed_byte_in_the_file_is_seen(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/data.mdb", durable_dir);
	_cleanup_buf_ struct buf file = BUF_NULL;
	struct err e = ERR_NULL;
	int flipped = 0;

	(void)state;
	put(STORE_ENV_DURABLE, "pod/a", "the words to be damaged");
	put(STORE_ENV_DURABLE, "pod/b", "neighbour");
	store_close(take_ptr(s));
	assert_int_equal(fs_read_file(path, 64 << 20, &file, &e), 0);
	for (size_t i = 0; i + 10 < file.len; i++) {
		if (memcmp(file.data + i, "the words ", 10) == 0) {
			file.data[i] = 'T';
			flipped++;
		}
	}
	assert_true(flipped > 0);
	assert_int_equal(fs_replace_file(path, file.data, file.len, 0600, false, &e), 0);
	reopen(1 << 20);
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "(damaged)");
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/b"), "neighbour");
}

static void a_second_daemon_is_refused(void **state)
{
	struct store *first = take_ptr(s);
	char *durable = durable_dir, *boot = boot_dir;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(try_open(1 << 20, &e), -ERR_PRECONDITION);
	assert_non_null(strstr(e.text, durable));
	assert_non_null(strstr(e.text, "--root"));
	/* Sharing either half is sharing. */
	durable_dir = scratch_file(&dir, "other");
	assert_int_equal(try_open(1 << 20, &e), -ERR_PRECONDITION);
	assert_non_null(strstr(e.text, boot));
	assert_non_null(strstr(e.text, "--runroot"));
	boot_dir = scratch_file(&dir, "other boot");
	assert_int_equal(try_open(1 << 20, &e), 0); /* side by side */
	put(STORE_ENV_BOOT, "pod/a", "theirs");
	store_close(take_ptr(s));
	free(durable_dir);
	free(boot_dir);
	durable_dir = durable;
	boot_dir = boot;
	s = first;
	put(STORE_ENV_BOOT, "pod/a", "ours");
	reopen(1 << 20);
	assert_string_equal(get(STORE_ENV_BOOT, "pod/a"), "ours");
}

static void what_a_killed_daemon_committed_is_there(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	store_close(take_ptr(s));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store_txn t;
		struct err e = ERR_NULL;

		reopen(1 << 20);
		put(STORE_ENV_DURABLE, "pod/a", "acknowledged");
		put(STORE_ENV_BOOT, "pod/a", "acknowledged");
		store_begin(s, &t);
		store_put(&t, STORE_ENV_DURABLE, "pod/b", "x", 1);
		if (e.code == ERR_OK)
			_exit(3); /* with a transaction open, as kill -9 would */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	reopen(1 << 20);
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "acknowledged");
	assert_string_equal(get(STORE_ENV_BOOT, "pod/a"), "acknowledged");
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/b"), "(none)");
	put(STORE_ENV_DURABLE, "pod/b", "goes on");
}

static void descriptors_are_close_on_exec(void **state)
{
	int n = 0;

	(void)state;
	for (int fd = 3; fd < 1024; fd++) {
		char link[64], target[512];
		ssize_t len;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (strncmp(target, dir.path, strlen(dir.path)) != 0)
			continue;
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		n++;
	}
	assert_true(n >= 4);
}

static void a_full_map_changes_nothing(void **state)
{
	static const char large[50000];
	struct err e = ERR_NULL;
	int n, r = 0;

	(void)state;
	reopen(1 << 20);
	put(STORE_ENV_BOOT, "pod/last", "before");
	for (n = 0; n < 100 && r == 0; n++) {
		char key[32];
		struct store_txn t;

		snprintf(key, sizeof(key), "pod/%d", n);
		store_begin(s, &t);
		store_put(&t, STORE_ENV_BOOT, "pod/last", key, strlen(key));
		store_put(&t, STORE_ENV_DURABLE, key, large, sizeof(large));
		r = store_commit(&t, &e);
	}
	assert_int_equal(r, -ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "size limit"));
	assert_true(n > 5 && n < 30);
	n--;
	for (int i = 0; i < 2; i++) {
		char key[32];

		snprintf(key, sizeof(key), "pod/%d", n - 1);
		assert_string_equal(get(STORE_ENV_BOOT, "pod/last"), key);
		snprintf(key, sizeof(key), "pod/%d", n);
		assert_string_equal(get(STORE_ENV_DURABLE, key), "(none)");
		reopen(1 << 20);
	}
	/* Deleting works, and makes room. */
	for (int i = 0; i < 3; i++) {
		char key[32];
		struct store_txn t;

		snprintf(key, sizeof(key), "pod/%d", i);
		store_begin(s, &t);
		store_del(&t, STORE_ENV_DURABLE, key);
		assert_int_equal(store_commit(&t, &e), 0);
	}
	put(STORE_ENV_DURABLE, "pod/again", "room");
}

/* The boot environment's tmpfs is full at the moment of the commit, the disk is not. */
static void a_full_tmpfs_changes_nothing(void **state)
{
	static const char large[60000];
	struct err e = ERR_NULL;
	int r = 0, n;

	(void)state;
	store_close(take_ptr(s));
	if (mount("none", boot_dir, "tmpfs", 0, "size=300k") < 0)
		skip();
	reopen(8 << 20);
	put(STORE_ENV_DURABLE, "pod/old", "before");
	put(STORE_ENV_DURABLE, "pod/removed", "before");
	for (n = 0; n < 20 && r == 0; n++) {
		char key[32];
		struct store_txn t;

		snprintf(key, sizeof(key), "pod/%d", n);
		store_begin(s, &t);
		store_put(&t, STORE_ENV_DURABLE, "pod/old", key, strlen(key));
		store_put(&t, STORE_ENV_DURABLE, key, "new", 3);
		store_put(&t, STORE_ENV_BOOT, key, large, sizeof(large));
		if (n > 3)
			store_del(&t, STORE_ENV_DURABLE, "pod/removed");
		r = store_commit(&t, &e);
		if (r == 0 && n > 3)
			put(STORE_ENV_DURABLE, "pod/removed", "before");
	}
	assert_int_equal(r, -ERR_EXHAUSTED);
	assert_true(n > 1);
	for (int i = 0; i < 2; i++) {
		char key[32];

		snprintf(key, sizeof(key), "pod/%d", n - 2);
		assert_string_equal(get(STORE_ENV_DURABLE, "pod/old"), key);
		assert_string_equal(get(STORE_ENV_DURABLE, key), "new");
		snprintf(key, sizeof(key), "pod/%d", n - 1);
		assert_string_equal(get(STORE_ENV_DURABLE, key), "(none)");
		assert_string_equal(get(STORE_ENV_BOOT, key), "(none)");
		assert_string_equal(get(STORE_ENV_DURABLE, "pod/removed"), "before");
		reopen(8 << 20);
	}
}

/* Take every block and inode that is left on the file system of dir. */
static void fill(const char *dir_path)
{
	static const char block[4096];
	_cleanup_free_ char *path = xasprintf("%s/.filler", dir_path);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	for (int i = 0;; i++) {
		_cleanup_free_ char *file = xasprintf("%s/.filler%d", dir_path, i);
		_cleanup_close_ int inode = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (inode < 0)
			break;
	}
}

static int commit_row(const char *key, size_t size, bool grows, bool delete, struct err *e)
{
	_cleanup_free_ char *payload = xcalloc(1, size + 1);
	struct store_txn t;

	memset(payload, key[strlen(key) - 1], size);
	store_begin(s, &t);
	t.grows = grows;
	for (int env = STORE_ENV_DURABLE; env <= STORE_ENV_BOOT; env++) {
		if (delete)
			store_del(&t, (enum store_env)env, key);
		else
			store_put(&t, (enum store_env)env, key, payload, size);
	}
	return store_commit(&t, e);
}

/* No block and no inode is free: what is there changes and goes, only new objects are refused, and
 * a start needs nothing. */
static void a_full_file_system_refuses_new_objects_only(void **state)
{
	_cleanup_free_ char *filler = xasprintf("%s/.filler", boot_dir);
	struct err e = ERR_NULL;
	char key[32];
	size_t size;

	(void)state;
	store_close(take_ptr(s));
	if (mount("none", boot_dir, "tmpfs", 0, "size=3m,nr_inodes=64") < 0)
		skip();
	reopen(8 << 20);
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof(key), "pod/%d", i);
		assert_int_equal(commit_row(key, 9000, true, false, &e), 0);
	}
	fill(boot_dir);
	for (int round = 0; round < 3; round++) {
		for (int i = round; i < 40; i++) {
			snprintf(key, sizeof(key), "pod/%d", i);
			size = 9500 + (size_t)round;
			assert_int_equal(commit_row(key, size, false, false, &e), 0);
		}
		reopen(8 << 20);
		snprintf(key, sizeof(key), "pod/%d", round);
		assert_int_equal(commit_row(key, 0, false, true, &e), 0);
	}
	/* It takes what it can get; then it is told. */
	for (int i = 100; i < 400 && e.code == 0; i++) {
		snprintf(key, sizeof(key), "pod/%d", i);
		commit_row(key, 9000, true, false, &e);
	}
	assert_int_equal(e.code, ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "No space left on device"));
	for (int i = 0; i < 400; i++) {
		snprintf(key, sizeof(key), "pod/%d", i);
		assert_int_equal(commit_row(key, 0, false, true, &e), 0);
	}
	assert_int_equal(unlink(filler), 0);
	assert_int_equal(commit_row("pod/new", 9000, true, false, &e), 0);
}

static void an_unreadable_boot_copy_is_made_anew(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/data.mdb", boot_dir, clock_boot_id());
	static char rubbish[20000];
	struct err e = ERR_NULL;

	(void)state;
	put(STORE_ENV_DURABLE, "pod/a", "kept");
	put(STORE_ENV_BOOT, "pod/a", "copy");
	store_close(take_ptr(s));
	memset(rubbish, 0x5a, sizeof(rubbish));
	assert_int_equal(fs_replace_file(path, rubbish, sizeof(rubbish), 0600, false, &e), 0);
	reopen(1 << 20);
	assert_string_equal(get(STORE_ENV_DURABLE, "pod/a"), "kept");
	assert_string_equal(get(STORE_ENV_BOOT, "pod/a"), "(none)");
	put(STORE_ENV_BOOT, "pod/a", "copied again");
}

static void an_unreadable_disk_is_left_alone(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/data.mdb", durable_dir);
	_cleanup_buf_ struct buf after = BUF_NULL;
	static char rubbish[20000];
	struct err e = ERR_NULL;

	(void)state;
	store_close(take_ptr(s));
	memset(rubbish, 0x5a, sizeof(rubbish));
	assert_int_equal(fs_replace_file(path, rubbish, sizeof(rubbish), 0600, false, &e), 0);
	assert_int_equal(try_open(1 << 20, &e), -ERR_DATA_LOSS);
	assert_null(s);
	assert_non_null(strstr(e.text, durable_dir));
	assert_int_equal(fs_read_file(path, 1 << 20, &after, &e), 0);
	assert_int_equal(after.len, sizeof(rubbish));
	assert_memory_equal(after.data, rubbish, sizeof(rubbish));
}

static void other_boots_are_swept(void **state)
{
	static const char other[] = "00000000-0000-4000-8000-000000000000";
	_cleanup_free_ char *old = xasprintf("%s/%s", boot_dir, other);
	_cleanup_free_ char *deep = xasprintf("%s/%s/x", boot_dir, other);
	struct err e = ERR_NULL;

	(void)state;
	put(STORE_ENV_BOOT, "pod/a", "of this boot");
	store_close(take_ptr(s));
	assert_int_equal(fs_mkdir_all(deep, 0700, &e), 0);
	reopen(1 << 20);
	assert_false(fs_exists(old));
	assert_string_equal(get(STORE_ENV_BOOT, "pod/a"), "of this boot");
}

static void it_says_what_cannot_be_opened(void **state)
{
	_cleanup_free_ char *file = scratch_file(&dir, "file");
	char *saved = durable_dir;
	struct err e = ERR_NULL;

	(void)state;
	store_close(take_ptr(s));
	assert_int_equal(fs_replace_file(file, "", 0, 0600, false, &e), 0);
	durable_dir = xasprintf("%s/below", file);
	assert_true(try_open(1 << 20, &e) < 0);
	assert_non_null(strstr(e.text, file));
	free(durable_dir);
	durable_dir = saved;
}

/* --- readers on other threads --- */

static int stop_reading;

static void *reader_main(void *arg)
{
	intptr_t reads = 0;

	(void)arg;
	while (!__atomic_load_n(&stop_reading, __ATOMIC_ACQUIRE)) {
		struct store_row a, b;
		struct store_read r;
		struct err e = ERR_NULL;

		store_read_begin(s, &r);
		if (store_get(&r, STORE_ENV_BOOT, "pod/a", &a, &e) == 0 &&
		    store_get(&r, STORE_ENV_BOOT, "pod/b", &b, &e) == 0 &&
		    (a.damaged || b.damaged || a.size != b.size ||
		     memcmp(a.payload, b.payload, a.size) != 0))
			return NULL; /* one half of a transaction */
		store_read_end(&r);
		reads++;
	}
	return (void *)(reads + 1);
}

static void readers_see_whole_transactions(void **state)
{
	pthread_t threads[3];

	(void)state;
	reopen(256 << 20); /* what a reader holds cannot be used again meanwhile */
	stop_reading = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader_main, NULL), 0);
	for (int i = 0; i < 2000; i++) {
		struct store_txn t;
		struct err e = ERR_NULL;
		char value[32];

		snprintf(value, sizeof(value), "%d", i * i);
		store_begin(s, &t);
		store_put(&t, STORE_ENV_BOOT, "pod/a", value, strlen(value));
		store_put(&t, STORE_ENV_BOOT, "pod/b", value, strlen(value));
		assert_int_equal(store_commit(&t, &e), 0);
	}
	__atomic_store_n(&stop_reading, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 3; i++) {
		void *reads;

		assert_int_equal(pthread_join(threads[i], &reads), 0);
		assert_non_null(reads);
	}
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(rows_come_back),
		test(an_aborted_transaction_is_none),
		test(a_key_of_any_length_can_be_asked_for),
		test(a_snapshot_stays_as_it_was),
		test(scans_go_in_order_within_a_prefix),
		test(each_changed_byte_is_seen),
		test(keys_of_no_text_are_passed_over),
		test(a_changed_byte_in_the_file_is_seen),
		test(a_second_daemon_is_refused),
		test(what_a_killed_daemon_committed_is_there),
		test(descriptors_are_close_on_exec),
		test(a_full_map_changes_nothing),
		test(a_full_tmpfs_changes_nothing),
		test(a_full_file_system_refuses_new_objects_only),
		test(an_unreadable_boot_copy_is_made_anew),
		test(an_unreadable_disk_is_left_alone),
		test(other_boots_are_swept),
		test(it_says_what_cannot_be_opened),
		test(readers_see_whole_transactions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
