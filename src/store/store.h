/*
 * store.h - the only user of LMDB: two environments, rows with a header, one writer.
 *
 * The durable environment is on disk and synced: it survives power loss.  The boot environment is
 * on tmpfs, unsynced, below a directory named by the boot id.  It holds state that dies with the
 * kernel, and a copy of every durable row, so that readers use one environment.  Each row has a
 * schema version, the boot id of its write and an XXH3 checksum over header, key, payload.
 *
 * Only the loop thread writes; any thread reads, without waiting for the writer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct store;

#define STORE_FILE_MAX ((size_t)1 << 30) /* bytes of one environment, unless options set it */

enum store_env {
	STORE_ENV_DURABLE,
	STORE_ENV_BOOT,
};

struct store_options {
	const char *durable_dir; /* made when missing */
	const char *boot_dir; /* made when missing; has one directory per boot, removes older
			       * ones */
	size_t map_size; /* bytes of address space for each environment, 0: 1 GiB */
	size_t reserve; /* bytes of disk reserved for existing objects when it fills; 0: 4 MiB */
	size_t boot_reserve; /* likewise for the boot environment; 0: 2 MiB */
	bool no_sync; /* for tests that kill processes but never the kernel */
	/* Evidence on the node that rows must explain, in words; NULL: none. */
	const char *pods; /* directories of pods and containers: at least one row exists */
	const char *layers; /* of images: at least one commit happened */
	const char *shims; /* processes of this boot: the boot environment exists */
};

/* Check the files of both environments, then open them.  Fails if another process holds them.
 * ERR_DATA_LOSS: the durable environment is damaged, or lost while the evidence needs its rows;
 * nothing was changed.  A damaged boot environment is replaced by one with its readable rows: it
 * copies the durable ones, except for the latest moves.  Its file is kept, see store_note. */
int store_open(const struct store_options *o, struct store **ret, struct err *e);
void store_close(struct store *s);

/* Result of a repair of the boot environment; NULL: it was sound. */
const char *store_note(const struct store *s);

/* The data file of the open environment mapped at addr; NULL: none.  Safe in a SIGBUS handler: the
 * kernel raises SIGBUS for a mapped file that was truncated or is unreadable. */
const char *store_mapped_at(const void *addr);

/* Lock both environments against a daemon, for work on their files.  ERR_PRECONDITION: one runs.
 * Makes the directories.  fds[]: close them to unlock. */
int store_lock(const struct store_options *o, int fds[2], struct err *e);

/* --- writing: the first failure sticks, commit reports it --- */

struct store_undo {
	struct store_undo *next;
	void *key, *value; /* value NULL: the key did not exist */
	size_t key_size, size;
};

struct store_txn {
	struct store *store;
	void *txn[2]; /* one MDB_txn per environment, begun at the first use */
	struct store_undo *undo; /* of the durable environment */
	bool grows; /* set by the caller: makes a new object, refused without a reserve */
	bool failed;
	struct err err;
};

void store_begin(struct store *s, struct store_txn *t);
void store_put(struct store_txn *t, enum store_env env, const char *key, const void *payload,
	       size_t size);
/* A missing key is no error. */
void store_del(struct store_txn *t, enum store_env env, const char *key);
/* Commit the durable environment, then boot.  On failure neither is changed: if the boot commit
 * fails, the durable one is undone. */
int store_commit(struct store_txn *t, struct err *e);
void store_abort(struct store_txn *t);

/* --- reading: a snapshot --- */

struct store_read {
	struct store *store;
	void *txn[2];
};

struct store_row {
	const char *key; /* valid until the read ends, NUL-terminated */
	const void *payload; /* valid until the read ends, not aligned */
	size_t size;
	char boot_id[37]; /* of its write */
	bool damaged; /* checksum, version or header wrong: payload is the raw value */
};

/* The first read of each environment takes its snapshot. */
void store_read_begin(struct store *s, struct store_read *r);
void store_read_end(struct store_read *r);
/* 0: found, perhaps damaged.  1: not found. */
int store_get(struct store_read *r, enum store_env env, const char *key, struct store_row *ret,
	      struct err *e);
/* Call fn for every row whose key starts with prefix, in key order.  A result of fn other than 0
 * ends the scan and is returned. */
int store_scan(struct store_read *r, enum store_env env, const char *prefix,
	       int (*fn)(void *arg, const struct store_row *row), void *arg, struct err *e);
/* store_scan of the rows behind the key after, which starts with prefix and need not exist. */
int store_scan_after(struct store_read *r, enum store_env env, const char *prefix,
		     const char *after, int (*fn)(void *arg, const struct store_row *row),
		     void *arg, struct err *e);
