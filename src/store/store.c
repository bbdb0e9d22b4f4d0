/*
 * store.c - open, write and read the two LMDB environments.
 *
 * Keys are NUL-terminated in the database too, so a row's key is used in place.  LMDB opens its
 * data file without close-on-exec; store_open sets the flag before the daemon spawns any process.
 */
#include "store/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/map.h"
#include "store/reserve.h"
#include "store/row.h"
#include "store/salvage.h"

#define STORE_KEY_MAX 500
#define MENDING "stop crispd and run it with --repair beside its other options"
#define STORE_RESERVE ((size_t)4 << 20)
#define STORE_BOOT_RESERVE ((size_t)2 << 20)

struct store {
	char *note; /* repair of the boot environment, for store_note */
	MDB_env *env[2];
	MDB_dbi dbi[2];
	int lock_fds[2];
	struct reserve reserve[2];
};

static int mdb_err(struct err *e, int rc, const char *what, const char *object)
{
	switch (rc) {
	case MDB_MAP_FULL:
		return err_set(e, ERR_EXHAUSTED, "%s %s: the database has reached its size limit",
			       what, object);
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_PAGE_FULL:
	case MDB_CURSOR_FULL:
		return err_set(e, ERR_DATA_LOSS,
			       "%s %s: the state database is damaged (%s); " MENDING, what, object,
			       mdb_strerror(rc));
	case ENOSPC:
	case EDQUOT:
		return err_errno(e, ERR_EXHAUSTED, rc, "%s %s: free some disk space", what, object);
	default:
		if (rc > 0)
			return err_errno(e, ERR_UNAVAILABLE, rc, "%s %s", what, object);
		return err_set(e, ERR_UNAVAILABLE, "%s %s: %s", what, object, mdb_strerror(rc));
	}
}

/* --- opening --- */

/* Bytes of the data file up to its last page in use. */
static uint64_t used_bytes(MDB_env *env)
{
	MDB_envinfo info;
	MDB_stat st;

	if (mdb_env_info(env, &info) || mdb_env_stat(env, &st))
		return 0;
	return (uint64_t)(info.me_last_pgno + 1) * st.ms_psize;
}

static void start_reserve(struct store *s, enum store_env env, size_t size, size_t map_size)
{
	mdb_filehandle_t fd;

	if (mdb_env_get_fd(s->env[env], &fd) == 0)
		reserve_open(&s->reserve[env], fd, size, map_size, used_bytes(s->env[env]));
}

/* Address ranges of the mapped data files, for the SIGBUS handler. */
static struct {
	uintptr_t from, to;
	char path[PATH_MAX];
} mapped[2];

const char *store_mapped_at(const void *addr)
{
	for (size_t i = 0; i < ARRAY_LEN(mapped); i++)
		if ((uintptr_t)addr >= mapped[i].from && (uintptr_t)addr < mapped[i].to)
			return mapped[i].path;
	return NULL;
}

/* LMDB has no call for this: find the mapping of the data file in /proc/self/maps. */
static void note_mapped(enum store_env env, const char *dir, int fd)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct stat st;
	char line[PATH_MAX + 128];

	if (fstat(fd, &st) < 0)
		st.st_ino = 0;
	while (maps && st.st_ino && fgets(line, sizeof(line), maps)) {
		unsigned long long from, to, inode;
		unsigned major, minor;

		if (sscanf(line, "%llx-%llx %*s %*x %x:%x %llu", &from, &to, &major, &minor,
			   &inode) != 5 ||
		    inode != st.st_ino || minor != minor(st.st_dev) || major != major(st.st_dev))
			continue;
		mapped[env].from = from;
		mapped[env].to = to;
		snprintf(mapped[env].path, sizeof(mapped[env].path), "%s/" STORE_DATA_FILE, dir);
		break;
	}
	if (maps)
		fclose(maps);
}

/* LMDB aborts after this callback. */
static void on_assert(MDB_env *env, const char *text)
{
	const char *dir = NULL;

	mdb_env_get_path(env, &dir);
	dprintf(STDERR_FILENO, "the state database in %s is damaged (%s); " MENDING "\n",
		dir ? dir : "?", text);
}

/* LMDB's own errors do not name the file. */
static int check_lock_file(const char *dir, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/lock.mdb", dir);
	struct stat st;

	if (lstat(path, &st) < 0 || S_ISREG(st.st_mode))
		return 0;
	return err_set(e, ERR_PRECONDITION, "%s is no regular file: remove it, it is made anew",
		       path);
}

static int env_open(struct store *s, enum store_env which, const char *dir, size_t map_size,
		    unsigned flags, struct err *e)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	mdb_filehandle_t fd;
	int dead, rc;

	if (check_lock_file(dir, e) < 0)
		return -(int)e->code;
	rc = mdb_env_create(&env);
	if (rc == 0)
		rc = mdb_env_set_mapsize(env, map_size);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(env, 512);
	if (rc == 0)
		rc = mdb_env_set_assert(env, on_assert);
	if (rc == 0)
		rc = reserve_lock_file(dir);
	if (rc == 0)
		rc = mdb_env_open(env, dir, MDB_NOTLS | MDB_NORDAHEAD | flags, 0600);
	if (rc == 0)
		rc = mdb_env_get_fd(env, &fd);
	if (rc == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		rc = errno;
	if (rc == 0)
		rc = mdb_reader_check(env, &dead);
	if (rc == 0)
		rc = mdb_txn_begin(env, NULL, 0, &txn);
	if (rc == 0)
		rc = mdb_dbi_open(txn, NULL, 0, &s->dbi[which]);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	else if (txn)
		mdb_txn_abort(txn);
	if (rc) {
		if (env)
			mdb_env_close(env);
		return mdb_err(e, rc, "open the database in", dir);
	}
	note_mapped(which, dir, fd);
	s->env[which] = env;
	return 0;
}

/* Remove the directories of earlier boots: their processes are gone, their rows obsolete. */
static int remove_other_boots(const char *boot_dir, struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir(boot_dir);
	struct dirent *d;

	if (!dir)
		return err_errno(e, ERR_INTERNAL, errno, "list %s", boot_dir);
	while ((d = readdir(dir))) {
		_cleanup_free_ char *path = NULL;

		if (d->d_name[0] == '.' || strcmp(d->d_name, clock_boot_id()) == 0)
			continue;
		path = xasprintf("%s/%s", boot_dir, d->d_name);
		if (fs_remove_tree(path, e) < 0)
			return err_wrap(e, "state of an earlier boot");
	}
	return 0;
}

/* --- check --- */

struct saved {
	struct map *seen;
	struct store_keep *rows;
	size_t n;
};

/* Keep the first copy of a row, which is the most trusted one. */
static void save_row(void *arg, const struct store_row *row, bool stray)
{
	struct saved *s = arg;
	void *payload;
	char *key;

	if (stray || map_get(s->seen, row->key))
		return;
	key = xstrdup(row->key);
	payload = xmemdup(row->payload, MAX(row->size, (size_t)1));
	s->rows = xrealloc(s->rows, (s->n + 1) * sizeof(*s->rows));
	s->rows[s->n++] = (struct store_keep){ key, payload, row->size };
	map_put(s->seen, key, key);
}

static void saved_done(struct saved *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free((char *)(uintptr_t)s->rows[i].key);
		free((void *)(uintptr_t)s->rows[i].payload);
	}
	free(s->rows);
	map_free(s->seen);
}

static int replace_boot(struct store *s, const char *dir, const struct err *why, struct err *e)
{
	struct saved saved = { .seen = map_new() };
	_cleanup_free_ char *kept = NULL;
	size_t unread = store_salvage(dir, save_row, &saved);
	int r = store_replace(dir, saved.rows, saved.n, &kept, e);

	if (r == 0)
		s->note = xasprintf("%s; %zu rows were read and %zu pages and rows were not; the "
				    "durable rows take their place; the file is kept in %s",
				    why->text, saved.n, unread, kept);
	saved_done(&saved);
	return r;
}

static int open_boot(struct store *s, const struct store_options *o, size_t map_size, struct err *e)
{
	_cleanup_free_ char *dir = xasprintf("%s/%s", o->boot_dir, clock_boot_id());
	struct err why = ERR_NULL;
	enum store_health health;
	uint64_t rows;
	int r;

	/* Remove the old ones first, to make room for the new one. */
	r = remove_other_boots(o->boot_dir, e);
	if (r == 0)
		r = fs_mkdir_all(dir, 0700, e);
	if (r == 0)
		r = store_health(dir, &health, &rows, &why, e);
	if (r < 0)
		return r;
	if (health == STORE_HEALTH_DAMAGED)
		r = replace_boot(s, dir, &why, e);
	else if (health == STORE_HEALTH_NEW && o->shims)
		s->note = xasprintf("%s/" STORE_DATA_FILE " is missing or empty, but %s; the "
				    "durable rows take its place",
				    dir, o->shims);
	if (r < 0)
		return r;
	return env_open(s, STORE_ENV_BOOT, dir, map_size, MDB_NOSYNC | MDB_NOMETASYNC, e);
}

/* An empty or new file does not make the node new if it has pods or layers. */
static int check_durable(const struct store_options *o, struct err *e)
{
	struct err why = ERR_NULL;
	enum store_health health;
	uint64_t rows;
	int r = store_health(o->durable_dir, &health, &rows, &why, e);

	if (r < 0)
		return r;
	if (health == STORE_HEALTH_DAMAGED)
		return err_set(e, ERR_DATA_LOSS, "the state database is damaged: %s; " MENDING,
			       why.text);
	if (health == STORE_HEALTH_NEW && (o->pods || o->layers))
		return err_set(e, ERR_DATA_LOSS,
			       "the state database %s/" STORE_DATA_FILE " is missing or empty, but "
			       "%s%s%s: this is no new node; " MENDING,
			       o->durable_dir, o->pods ? o->pods : "",
			       o->pods && o->layers ? " and " : "", o->layers ? o->layers : "");
	if (rows == 0 && o->pods)
		return err_set(e, ERR_DATA_LOSS,
			       "the state database %s/" STORE_DATA_FILE
			       " has no row, but %s; " MENDING,
			       o->durable_dir, o->pods);
	return 0;
}

/* The leading dot keeps remove_other_boots from taking it for an earlier boot. */
static int lock_dir(const char *dir, const char *flag, int *ret_fd, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/.lock", dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_PRECONDITION,
			       "%s is in use by another crispd: stop it, or name another %s", dir,
			       flag);
	*ret_fd = take_fd(fd);
	return 0;
}

int store_lock(const struct store_options *o, int fds[2], struct err *e)
{
	int r = fs_mkdir_all(o->durable_dir, 0700, e);

	fds[0] = fds[1] = -1;
	if (r == 0)
		r = lock_dir(o->durable_dir, "--root", &fds[STORE_ENV_DURABLE], e);
	if (r == 0)
		r = fs_mkdir_all(o->boot_dir, 0700, e);
	if (r == 0)
		r = lock_dir(o->boot_dir, "--runroot", &fds[STORE_ENV_BOOT], e);
	return r;
}

int store_open(const struct store_options *o, struct store **ret, struct err *e)
{
	size_t map_size = o->map_size ? o->map_size : STORE_FILE_MAX;
	struct store *s = xcalloc(1, sizeof(*s));
	int r;

	r = store_lock(o, s->lock_fds, e);
	if (r == 0)
		r = check_durable(o, e);
	if (r == 0)
		r = env_open(s, STORE_ENV_DURABLE, o->durable_dir, map_size,
			     o->no_sync ? MDB_NOSYNC : 0, e);
	if (r == 0)
		r = open_boot(s, o, map_size, e);
	if (r < 0) {
		store_close(s);
		return r;
	}
	start_reserve(s, STORE_ENV_DURABLE, o->reserve ? o->reserve : STORE_RESERVE, map_size);
	start_reserve(s, STORE_ENV_BOOT, o->boot_reserve ? o->boot_reserve : STORE_BOOT_RESERVE,
		      map_size);
	*ret = s;
	return 0;
}

const char *store_note(const struct store *s)
{
	return s->note;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (int i = 0; i < 2; i++) {
		if (s->env[i])
			mdb_env_close(s->env[i]);
		if (s->env[i])
			mapped[i].from = mapped[i].to = 0;
		close_fdp(&s->lock_fds[i]);
	}
	free(s->note);
	free(s);
}

/* --- writing --- */

void store_begin(struct store *s, struct store_txn *t)
{
	*t = (struct store_txn){ .store = s };
}

static bool txn_ready(struct store_txn *t, enum store_env env)
{
	int rc;

	if (t->failed)
		return false;
	if (t->txn[env])
		return true;
	rc = mdb_txn_begin(t->store->env[env], NULL, 0, (MDB_txn **)&t->txn[env]);
	if (rc) {
		mdb_err(&t->err, rc, "begin a transaction", env ? "(boot)" : "(durable)");
		t->failed = true;
	}
	return rc == 0;
}

/* Store the old value of a durable key, in case the boot commit fails. */
static int note_undo(struct store_txn *t, const MDB_val *k)
{
	struct store_undo *u;
	MDB_val old;
	int rc = mdb_get(t->txn[STORE_ENV_DURABLE], t->store->dbi[STORE_ENV_DURABLE],
			 (MDB_val *)(uintptr_t)k, &old);

	if (rc && rc != MDB_NOTFOUND)
		return rc;
	u = xcalloc(1, sizeof(*u));
	u->key = xmemdup(k->mv_data, k->mv_size);
	u->key_size = k->mv_size;
	if (rc == 0) {
		u->value = xmemdup(old.mv_data, old.mv_size);
		u->size = old.mv_size;
	}
	u->next = t->undo;
	t->undo = u;
	return 0;
}

static void free_undo(struct store_txn *t)
{
	while (t->undo) {
		struct store_undo *u = t->undo;

		t->undo = u->next;
		free(u->key);
		free(u->value);
		free(u);
	}
}

/* Restore the old values, the newest change first. */
static int undo_durable(struct store_txn *t)
{
	MDB_dbi dbi = t->store->dbi[STORE_ENV_DURABLE];
	MDB_txn *txn;
	int rc = mdb_txn_begin(t->store->env[STORE_ENV_DURABLE], NULL, 0, &txn);

	if (rc)
		return rc;
	for (const struct store_undo *u = t->undo; u && rc == 0; u = u->next) {
		MDB_val k = { u->key_size, u->key }, v = { u->size, u->value };

		rc = u->value ? mdb_put(txn, dbi, &k, &v, 0) : mdb_del(txn, dbi, &k, NULL);
		if (rc == MDB_NOTFOUND)
			rc = 0;
	}
	if (rc) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

/* Is the row unchanged?  Then its write needs no page. */
static bool is_same(const struct store_txn *t, enum store_env env, const MDB_val *k,
		    const char *key, const void *payload, size_t size)
{
	MDB_val old;

	return mdb_get(t->txn[env], t->store->dbi[env], (MDB_val *)(uintptr_t)k, &old) == 0 &&
	       store_row_is(old.mv_data, old.mv_size, key, payload, size);
}

void store_put(struct store_txn *t, enum store_env env, const char *key, const void *payload,
	       size_t size)
{
	MDB_val k = { strlen(key) + 1, (void *)(uintptr_t)key };
	MDB_val v = { store_row_header() + size, NULL };
	int rc;

	assert(k.mv_size <= STORE_KEY_MAX && size <= UINT32_MAX);
	if (!txn_ready(t, env))
		return;
	if (is_same(t, env, &k, key, payload, size))
		return;
	rc = env == STORE_ENV_DURABLE ? note_undo(t, &k) : 0;
	if (rc == 0)
		rc = mdb_put(t->txn[env], t->store->dbi[env], &k, &v, MDB_RESERVE);
	if (rc) {
		mdb_err(&t->err, rc, "write row", key);
		t->failed = true;
		return;
	}
	store_row_write(v.mv_data, key, payload, size);
}

void store_del(struct store_txn *t, enum store_env env, const char *key)
{
	MDB_val k = { strlen(key) + 1, (void *)(uintptr_t)key };
	int rc;

	if (!txn_ready(t, env))
		return;
	rc = env == STORE_ENV_DURABLE ? note_undo(t, &k) : 0;
	if (rc == 0)
		rc = mdb_del(t->txn[env], t->store->dbi[env], &k, NULL);
	if (rc && rc != MDB_NOTFOUND) {
		mdb_err(&t->err, rc, "delete row", key);
		t->failed = true;
	}
}

void store_abort(struct store_txn *t)
{
	free_undo(t);
	for (int i = 0; i < 2; i++) {
		if (t->txn[i])
			mdb_txn_abort(t->txn[i]);
		t->txn[i] = NULL;
	}
}

/* LMDB reports a write cut short by a full disk as an I/O error. */
static int commit_error(MDB_env *env, int rc)
{
	mdb_filehandle_t fd;
	struct statvfs fs;

	if (rc == EIO && mdb_env_get_fd(env, &fd) == 0 && fstatvfs(fd, &fs) == 0 &&
	    fs.f_bavail < 16)
		return ENOSPC;
	return rc;
}

/* A new object requires complete reserves after this transaction's own pages. */
static void check_reserves(struct store_txn *t)
{
	for (int i = 0; i < 2 && t->grows && !t->failed; i++) {
		struct reserve *r = &t->store->reserve[i];

		if (!t->txn[i])
			continue;
		reserve_keep(r, used_bytes(t->store->env[i]));
		t->failed = !r->complete;
		if (t->failed)
			err_errno(&t->err, ERR_EXHAUSTED, ENOSPC,
				  "no room for new objects in the "
				  "%s database: free some disk space",
				  i ? "boot" : "durable");
	}
}

int store_commit(struct store_txn *t, struct err *e)
{
	bool durable = false;

	check_reserves(t);

	for (int i = 0; i < 2 && !t->failed; i++) {
		int rc;

		if (!t->txn[i])
			continue;
		rc = mdb_txn_commit(t->txn[i]);
		t->txn[i] = NULL;
		if (rc) {
			rc = commit_error(t->store->env[i], rc);
			mdb_err(&t->err, rc, "commit", i ? "(boot)" : "(durable)");
			t->failed = true;
		} else {
			reserve_keep(&t->store->reserve[i], used_bytes(t->store->env[i]));
		}
		durable = durable || (i == STORE_ENV_DURABLE && rc == 0);
	}
	/* A power cut now leaves the durable half: the boot environment is lost then anyway. */
	if (t->failed && durable && undo_durable(t) != 0)
		err_wrap(&t->err, "durable rows are ahead of the boot's");
	store_abort(t);
	if (t->failed) {
		*e = t->err;
		return -(int)e->code;
	}
	return 0;
}

/* --- reading --- */

void store_read_begin(struct store *s, struct store_read *r)
{
	*r = (struct store_read){ .store = s };
}

void store_read_end(struct store_read *r)
{
	for (int i = 0; i < 2; i++) {
		if (r->txn[i])
			mdb_txn_abort(r->txn[i]);
		r->txn[i] = NULL;
	}
}

static int read_ready(struct store_read *r, enum store_env env, struct err *e)
{
	MDB_txn **txn = (MDB_txn **)&r->txn[env];
	int rc, dead;

	if (*txn)
		return 0;
	rc = mdb_txn_begin(r->store->env[env], NULL, MDB_RDONLY, txn);
	if (rc == MDB_READERS_FULL && mdb_reader_check(r->store->env[env], &dead) == 0)
		rc = mdb_txn_begin(r->store->env[env], NULL, MDB_RDONLY, txn);
	return rc ? mdb_err(e, rc, "begin to read", env ? "(boot)" : "(durable)") : 0;
}

int store_get(struct store_read *r, enum store_env env, const char *key, struct store_row *ret,
	      struct err *e)
{
	MDB_val k = { strlen(key) + 1, (void *)(uintptr_t)key }, v;
	int rc = read_ready(r, env, e);

	if (rc < 0)
		return rc;
	if (k.mv_size > STORE_KEY_MAX)
		return 1;
	rc = mdb_get(r->txn[env], r->store->dbi[env], &k, &v);
	if (rc == MDB_NOTFOUND)
		return 1;
	if (rc)
		return mdb_err(e, rc, "read row", key);
	store_row_read(k.mv_data, v.mv_data, v.mv_size, ret);
	return 0;
}

int store_scan(struct store_read *r, enum store_env env, const char *prefix,
	       int (*fn)(void *arg, const struct store_row *row), void *arg, struct err *e)
{
	return store_scan_after(r, env, prefix, prefix, fn, arg, e);
}

int store_scan_after(struct store_read *r, enum store_env env, const char *prefix,
		     const char *after, int (*fn)(void *arg, const struct store_row *row),
		     void *arg, struct err *e)
{
	size_t n = strlen(prefix), from = strlen(after);
	MDB_val k = { from, (void *)(uintptr_t)after }, v;
	MDB_cursor *cursor;
	int rc = read_ready(r, env, e);

	if (rc < 0)
		return rc;
	rc = mdb_cursor_open(r->txn[env], r->store->dbi[env], &cursor);
	if (rc)
		return mdb_err(e, rc, "scan rows", prefix);
	rc = mdb_cursor_get(cursor, &k, &v, from ? MDB_SET_RANGE : MDB_FIRST);
	/* Keys end with a NUL: the key after itself sorts behind its text. */
	if (rc == 0 && from > n && k.mv_size == from + 1 && memcmp(k.mv_data, after, from) == 0)
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	while (rc == 0 && k.mv_size > n && memcmp(k.mv_data, prefix, n) == 0) {
		struct store_row row;
		const char *key = k.mv_data;

		if (key[k.mv_size - 1] == '\0') {
			store_row_read(key, v.mv_data, v.mv_size, &row);
			rc = fn(arg, &row);
			if (rc) {
				mdb_cursor_close(cursor);
				return rc;
			}
		}
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (rc && rc != MDB_NOTFOUND)
		return mdb_err(e, rc, "scan rows", prefix);
	return 0;
}
