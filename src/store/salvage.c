/*
 * salvage.c - check, read and replace an environment.
 *
 * All reads use mdbfile, so a damaged file cannot crash the process; only the new environment is
 * opened with LMDB.
 */
#include "store/salvage.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "store/mdbfile.h"
#include "store/row.h"

int store_health(const char *dir, enum store_health *ret, uint64_t *ret_rows, struct err *why,
		 struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/" STORE_DATA_FILE, dir);
	_cleanup_(mdbfile_closep) struct mdbfile *f = NULL;
	struct mdbfile_info info = { .txnid = 0 };
	struct err open_err = ERR_NULL;
	int r = mdbfile_open(path, &f, &open_err);

	*ret = STORE_HEALTH_NEW;
	*ret_rows = 0;
	if (r == 1)
		return 0;
	if (r < 0 && open_err.code != ERR_DATA_LOSS) {
		*e = open_err;
		return r;
	}
	if (r < 0)
		*why = open_err;
	else if (mdbfile_check(f, STORE_FILE_MAX, &info, why) < 0)
		err_wrap(why, "%s", path);
	if (why->code)
		*ret = STORE_HEALTH_DAMAGED;
	else if (info.txnid)
		*ret = STORE_HEALTH_SOUND;
	*ret_rows = info.rows;
	return 0;
}

/* --- rows --- */

struct salvage {
	store_salvage_fn *fn;
	void *arg;
	size_t bad;
};

static void on_row(void *arg, enum mdbfile_source source, const void *key, size_t key_size,
		   const void *value, size_t size)
{
	struct salvage *s = arg;
	struct store_row row;

	if (memchr(key, '\0', key_size) != (const char *)key + key_size - 1) {
		s->bad += source == MDBFILE_SOURCE_TREE;
		return;
	}
	store_row_read(key, value, size, &row);
	if (!row.damaged)
		s->fn(s->arg, &row, source == MDBFILE_SOURCE_STRAY);
	else if (source == MDBFILE_SOURCE_TREE)
		s->bad++;
}

size_t store_salvage(const char *dir, store_salvage_fn *fn, void *arg)
{
	_cleanup_free_ char *path = xasprintf("%s/" STORE_DATA_FILE, dir);
	_cleanup_(mdbfile_closep) struct mdbfile *f = NULL;
	struct salvage s = { .fn = fn, .arg = arg };
	struct err e = ERR_NULL;
	int r = mdbfile_open(path, &f, &e);

	if (r)
		return r < 0;
	r = (int)MIN(mdbfile_salvage(f, on_row, &s), (size_t)INT32_MAX);
	return s.bad + (size_t)r;
}

/* --- a new environment --- */

static int put_all(MDB_txn *txn, const struct store_keep *rows, size_t n)
{
	MDB_dbi dbi;
	int rc = mdb_dbi_open(txn, NULL, 0, &dbi);

	for (size_t i = 0; i < n && rc == 0; i++) {
		MDB_val k = { strlen(rows[i].key) + 1, (void *)(uintptr_t)rows[i].key };
		MDB_val v = { rows[i].size + store_row_header(), NULL };

		rc = mdb_put(txn, dbi, &k, &v, MDB_RESERVE);
		if (rc == 0)
			store_row_write(v.mv_data, rows[i].key, rows[i].payload, rows[i].size);
	}
	return rc;
}

static int build(const char *dir, const struct store_keep *rows, size_t n, struct err *e)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	int rc = mdb_env_create(&env);

	if (rc == 0)
		rc = mdb_env_set_mapsize(env, STORE_FILE_MAX);
	if (rc == 0)
		rc = mdb_env_open(env, dir, MDB_NOLOCK, 0600);
	if (rc == 0)
		rc = mdb_txn_begin(env, NULL, 0, &txn);
	if (rc == 0)
		rc = put_all(txn, rows, n);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	else if (txn)
		mdb_txn_abort(txn);
	if (env)
		mdb_env_close(env);
	return rc ? err_set(e, ERR_UNAVAILABLE, "write a new database in %s: %s", dir,
			    mdb_strerror(rc))
		  : 0;
}

/* Path for a damaged file, on the same file system, so that it can be linked. */
static char *name_aside(const char *dir)
{
	time_t now = (time_t)(clock_realtime_ns() / NSEC_PER_SEC);
	char text[32];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
	return xasprintf("%s/damaged-%s", dir, text);
}

/* link fails if `to` is no file; then a crash before the second rename leaves no data file. */
static int swap(const char *from, const char *to, const char *kept, struct err *e)
{
	if (link(to, kept) < 0 && errno != ENOENT && rename(to, kept) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "keep %s as %s", to, kept);
	if (rename(from, to) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "put %s in the place of %s", from, to);
	return 0;
}

int store_replace(const char *dir, const struct store_keep *rows, size_t n, char **ret_kept,
		  struct err *e)
{
	_cleanup_free_ char *aside = name_aside(dir);
	_cleanup_free_ char *work = xasprintf("%s/new", dir);
	_cleanup_free_ char *made = xasprintf("%s/" STORE_DATA_FILE, work);
	_cleanup_free_ char *data = xasprintf("%s/" STORE_DATA_FILE, dir);
	_cleanup_free_ char *lock = xasprintf("%s/lock.mdb", dir);
	_cleanup_free_ char *kept = xasprintf("%s/" STORE_DATA_FILE, aside);
	int r = fs_remove_tree(work, e);

	if (r == 0)
		r = fs_mkdir_all(work, 0700, e);
	if (r == 0)
		r = fs_mkdir_all(aside, 0700, e);
	if (r == 0)
		r = build(work, rows, n, e);
	if (r == 0)
		r = swap(made, data, kept, e);
	if (r == 0 && unlink(lock) < 0 && errno != ENOENT)
		r = err_errno(e, ERR_INTERNAL, errno, "remove %s", lock);
	if (r == 0)
		r = fs_sync_dir(aside, e);
	if (r == 0)
		r = fs_remove_tree(work, e);
	if (r == 0)
		r = fs_sync_dir(dir, e);
	if (r == 0)
		*ret_kept = take_ptr(aside);
	return r;
}
