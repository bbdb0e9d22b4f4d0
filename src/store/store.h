/*
 * store.h - the only user of LMDB: two environments, rows with a header, one writer.
 *
 * The durable environment is on disk and synced: what must survive power loss.  The boot
 * environment is on tmpfs, unsynced, below a directory named by the boot id: what dies with the
 * kernel, and a copy of every row so that readers look in one place.  Each row carries a schema
 * version, the boot id of its writing and an XXH3 checksum over header, key and payload.
 *
 * Writing is for the loop thread alone; reading is for any thread and never waits for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct store;

#define STORE_FILE_MAX ((size_t)1 << 30) /* bytes of one environment, unless options say */

enum store_env {
	STORE_ENV_DURABLE,
	STORE_ENV_BOOT,
};

struct store_options {
	const char *durable_dir; /* made when missing */
	const char *boot_dir; /* made when missing; holds one directory a boot, older ones go */
	size_t map_size; /* bytes of address space for each environment, 0: 1 GiB */
	size_t reserve; /* bytes of disk kept for what is there when it fills, 0: 4 MiB */
	size_t boot_reserve; /* the same for the boot environment, 0: 2 MiB */
	bool no_sync; /* tests that kill processes but never the kernel */
	/* What is on the node and rows must explain, in words; NULL: nothing. */
	const char *pods; /* directories of pods and containers: there is a row at least */
	const char *layers; /* of images: something was committed once */
	const char *shims; /* processes of this boot: the boot environment is there */
};

/* Opens both. Fails when another process holds them. The files are checked before they are
 * mapped. ERR_DATA_LOSS: the durable environment is damaged, or lost while the node has what
 * needs its rows; nothing was changed. A damaged boot environment is replaced by one with its
 * readable rows: it is a copy of the durable ones, but for the latest moves. Its file is kept,
 * see store_note. */
int store_open(const struct store_options *o, struct store **ret, struct err *e);
void store_close(struct store *s);

/* How opening has found and mended the boot environment; NULL: it was whole. */
const char *store_note(const struct store *s);

/* The data file of an open environment that is mapped at addr, NULL: none.  Safe in a handler of
 * SIGBUS, which is how a mapped file tells that it was cut short or cannot be read. */
const char *store_mapped_at(const void *addr);

/* Locks of both environments against a daemon, for work on their files; ERR_PRECONDITION: one runs.
 * Directories are made.  fds[]: closing them unlocks. */
int store_lock(const struct store_options *o, int fds[2], struct err *e);

/* --- writing: the first failure sticks, commit reports it --- */

struct store_undo {
	struct store_undo *next;
	void *key, *value; /* value NULL: there was none */
	size_t key_size, size;
};

struct store_txn {
	struct store *store;
	void *txn[2]; /* one MDB_txn an environment, begun when first needed */
	struct store_undo *undo; /* of the durable half */
	bool grows; /* by the caller: makes a new object, which is refused without a reserve */
	bool failed;
	struct err err;
};

void store_begin(struct store *s, struct store_txn *t);
void store_put(struct store_txn *t, enum store_env env, const char *key, const void *payload,
	       size_t size);
/* A missing key is fine. */
void store_del(struct store_txn *t, enum store_env env, const char *key);
/* Durable first, then boot.  On failure nothing is changed anywhere: when the boot half fails, the
 * durable half is put back. */
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
	char boot_id[37]; /* of its writing */
	bool damaged; /* checksum, version or header wrong: payload is the raw value */
};

/* Each environment's snapshot is taken when it is first read. */
void store_read_begin(struct store *s, struct store_read *r);
void store_read_end(struct store_read *r);
/* 0: found (perhaps damaged), 1: not there. */
int store_get(struct store_read *r, enum store_env env, const char *key, struct store_row *ret,
	      struct err *e);
/* Every row whose key starts with prefix, in key order; fn returns 0 to go on, anything else
 * ends the scan and is returned. */
int store_scan(struct store_read *r, enum store_env env, const char *prefix,
	       int (*fn)(void *arg, const struct store_row *row), void *arg, struct err *e);
