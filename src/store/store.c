/*
 * store.c - see store.h.
 *
 * Keys are NUL-terminated in the database too, so a row's key can be handed out as it lies.
 * LMDB's data file is opened without close-on-exec: it is set right after opening, before
 * anything can be spawned.
 */
#include "store/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/fs.h"
#include "store/reserve.h"

#define STORE_VERSION 1
#define STORE_KEY_MAX 500
#define STORE_MAP_SIZE ((size_t)1 << 30)
#define STORE_RESERVE ((size_t)4 << 20)
#define STORE_BOOT_RESERVE ((size_t)2 << 20)

/* What stands before each payload; little endian by copying, no padding. */
struct header {
	uint32_t version;
	uint32_t size; /* of the payload */
	char boot_id[40];
	uint64_t checksum; /* of header (this one 0), key, payload: each seeds the next */
};

struct store {
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
	case ENOSPC:
	case EDQUOT:
		return err_errno(e, ERR_EXHAUSTED, rc, "%s %s: free some disk space", what, object);
	default:
		if (rc > 0)
			return err_errno(e, ERR_UNAVAILABLE, rc, "%s %s", what, object);
		return err_set(e, ERR_UNAVAILABLE, "%s %s: %s", what, object, mdb_strerror(rc));
	}
}

static uint64_t checksum(const struct header *h, const char *key, const void *payload)
{
	struct header zeroed = *h;
	uint64_t sum;

	zeroed.checksum = 0;
	sum = XXH3_64bits(&zeroed, sizeof(zeroed));
	sum = XXH3_64bits_withSeed(key, strlen(key), sum);
	return XXH3_64bits_withSeed(payload, h->size, sum);
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

static int env_open(const char *dir, size_t map_size, unsigned flags, MDB_env **ret,
		    MDB_dbi *ret_dbi, struct err *e)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	mdb_filehandle_t fd;
	int dead, rc;

	rc = mdb_env_create(&env);
	if (rc == 0)
		rc = mdb_env_set_mapsize(env, map_size);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(env, 512);
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
		rc = mdb_dbi_open(txn, NULL, 0, ret_dbi);
	if (rc == 0)
		rc = mdb_txn_commit(txn);
	else if (txn)
		mdb_txn_abort(txn);
	if (rc) {
		if (env)
			mdb_env_close(env);
		return mdb_err(e, rc, "open the database in", dir);
	}
	*ret = env;
	return 0;
}

/* Directories of earlier boots: their processes are gone, their rows mean nothing. */
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

static int open_boot(struct store *s, const char *boot_dir, size_t map_size, struct err *e)
{
	_cleanup_free_ char *dir = xasprintf("%s/%s", boot_dir, clock_boot_id());
	const unsigned flags = MDB_NOSYNC | MDB_NOMETASYNC;
	MDB_env **env = &s->env[STORE_ENV_BOOT];
	MDB_dbi *dbi = &s->dbi[STORE_ENV_BOOT];
	int r;

	/* The old ones first: that leaves room for the new one. */
	r = remove_other_boots(boot_dir, e);
	if (r == 0)
		r = fs_mkdir_all(dir, 0700, e);
	if (r < 0)
		return r;
	if (env_open(dir, map_size, flags, env, dbi, e) == 0)
		return 0;
	r = fs_remove_tree(dir, e);
	if (r == 0)
		r = fs_mkdir_all(dir, 0700, e);
	if (r < 0)
		return r;
	return env_open(dir, map_size, flags, env, dbi, e);
}

/* The name begins with a dot so that it is not taken for an earlier boot. */
static int lock_dir(const char *dir, const char *flag, int *ret_fd, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/.lock", dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(e, ERR_PRECONDITION,
			       "%s is in use by another crispd: stop it, or name another %s",
			       dir, flag);
	*ret_fd = take_fd(fd);
	return 0;
}

int store_open(const struct store_options *o, struct store **ret, struct err *e)
{
	size_t map_size = o->map_size ? o->map_size : STORE_MAP_SIZE;
	struct store *s = xcalloc(1, sizeof(*s));
	int r;

	s->lock_fds[0] = s->lock_fds[1] = -1;
	r = fs_mkdir_all(o->durable_dir, 0700, e);
	if (r == 0)
		r = lock_dir(o->durable_dir, "--root", &s->lock_fds[STORE_ENV_DURABLE], e);
	if (r == 0)
		r = fs_mkdir_all(o->boot_dir, 0700, e);
	if (r == 0)
		r = lock_dir(o->boot_dir, "--runroot", &s->lock_fds[STORE_ENV_BOOT], e);
	if (r == 0)
		r = env_open(o->durable_dir, map_size, o->no_sync ? MDB_NOSYNC : 0,
			     &s->env[STORE_ENV_DURABLE], &s->dbi[STORE_ENV_DURABLE], e);
	if (r == 0)
		r = open_boot(s, o->boot_dir, map_size, e);
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

void store_close(struct store *s)
{
	if (!s)
		return;
	for (int i = 0; i < 2; i++) {
		if (s->env[i])
			mdb_env_close(s->env[i]);
		close_fdp(&s->lock_fds[i]);
	}
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

/* Remember what stands under a durable key, for the case that the boot commit fails. */
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

/* Put back what was there before, the newest change first. */
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

/* Is the row there already?  Then it needs no page. */
static bool is_same(const struct store_txn *t, enum store_env env, const MDB_val *k,
		    const struct header *h, const void *payload)
{
	MDB_val old;

	return mdb_get(t->txn[env], t->store->dbi[env], (MDB_val *)(uintptr_t)k, &old) == 0 &&
	       old.mv_size == sizeof(*h) + h->size && memcmp(old.mv_data, h, sizeof(*h)) == 0 &&
	       (!h->size ||
		memcmp((const char *)old.mv_data + sizeof(*h), payload, h->size) == 0);
}

void store_put(struct store_txn *t, enum store_env env, const char *key, const void *payload,
	       size_t size)
{
	struct header h = { .version = STORE_VERSION, .size = (uint32_t)size };
	MDB_val k = { strlen(key) + 1, (void *)(uintptr_t)key }, v = { sizeof(h) + size, NULL };
	int rc;

	assert(k.mv_size <= STORE_KEY_MAX && size <= UINT32_MAX);
	if (!txn_ready(t, env))
		return;
	memcpy(h.boot_id, clock_boot_id(), 37);
	h.checksum = checksum(&h, key, payload);
	if (is_same(t, env, &k, &h, payload))
		return;
	rc = env == STORE_ENV_DURABLE ? note_undo(t, &k) : 0;
	if (rc == 0)
		rc = mdb_put(t->txn[env], t->store->dbi[env], &k, &v, MDB_RESERVE);
	if (rc) {
		mdb_err(&t->err, rc, "write row", key);
		t->failed = true;
		return;
	}
	memcpy(v.mv_data, &h, sizeof(h));
	if (size)
		memcpy((char *)v.mv_data + sizeof(h), payload, size);
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

/* A write that the end of the disk cuts short is an I/O error to LMDB. */
static int commit_error(MDB_env *env, int rc)
{
	mdb_filehandle_t fd;
	struct statvfs fs;

	if (rc == EIO && mdb_env_get_fd(env, &fd) == 0 && fstatvfs(fd, &fs) == 0 &&
	    fs.f_bavail < 16)
		return ENOSPC;
	return rc;
}

/* A new object needs complete reserves, behind what this transaction may have asked for. */
static void check_reserves(struct store_txn *t)
{
	for (int i = 0; i < 2 && t->grows && !t->failed; i++) {
		struct reserve *r = &t->store->reserve[i];

		if (!t->txn[i])
			continue;
		reserve_keep(r, used_bytes(t->store->env[i]));
		t->failed = !r->complete;
		if (t->failed)
			err_errno(&t->err, ERR_EXHAUSTED, ENOSPC, "no room for new objects in the "
				  "%s database: free some disk space", i ? "boot" : "durable");
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
	/* A power cut now leaves the durable half: then the boot half is gone anyway. */
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

static void row_from(const MDB_val *k, const MDB_val *v, struct store_row *ret)
{
	struct header h;

	*ret = (struct store_row){ .key = k->mv_data, .payload = v->mv_data, .size = v->mv_size };
	ret->damaged = true;
	if (v->mv_size < sizeof(h))
		return;
	memcpy(&h, v->mv_data, sizeof(h));
	if (h.version != STORE_VERSION || h.size != v->mv_size - sizeof(h) ||
	    h.checksum != checksum(&h, ret->key, (const char *)v->mv_data + sizeof(h)))
		return;
	ret->payload = (const char *)v->mv_data + sizeof(h);
	ret->size = h.size;
	memcpy(ret->boot_id, h.boot_id, 36);
	ret->damaged = false;
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
	row_from(&k, &v, ret);
	return 0;
}

int store_scan(struct store_read *r, enum store_env env, const char *prefix,
	       int (*fn)(void *arg, const struct store_row *row), void *arg, struct err *e)
{
	size_t n = strlen(prefix);
	MDB_val k = { n, (void *)(uintptr_t)prefix }, v;
	MDB_cursor *cursor;
	int rc = read_ready(r, env, e);

	if (rc < 0)
		return rc;
	rc = mdb_cursor_open(r->txn[env], r->store->dbi[env], &cursor);
	if (rc)
		return mdb_err(e, rc, "scan rows", prefix);
	rc = mdb_cursor_get(cursor, &k, &v, n ? MDB_SET_RANGE : MDB_FIRST);
	while (rc == 0 && k.mv_size > n && memcmp(k.mv_data, prefix, n) == 0) {
		struct store_row row;
		const char *key = k.mv_data;

		if (key[k.mv_size - 1] == '\0') {
			row_from(&k, &v, &row);
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
