/*
 * rowflip.c - damage rows of a database, as a failing disk would: one bit of the value changes, the
 * key stays.
 *
 * usage: rowflip DIRECTORY TEXT     in the LMDB environment in DIRECTORY, every row whose key
 * contains TEXT
 *
 * Compiled with -DDROP it deletes the rows instead.
 *
 * Prints the keys. Status 0: at least one row was changed, 1: there is none, 2: the database cannot
 * be used. The daemon must not be running: pages are written behind its back otherwise.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "rowflip: %s: %s\n", what, mdb_strerror(rc));
	exit(2);
}

/* Changes the last byte: headers come first, so this is payload, which only a checksum can tell
 * from good. */
static void flip(MDB_cursor *cursor, MDB_val *key, const MDB_val *old)
{
	unsigned char *copy = malloc(old->mv_size);
	MDB_val value = { .mv_size = old->mv_size, .mv_data = copy };

	if (!copy)
		must(ENOMEM, "copy a row");
	memcpy(copy, old->mv_data, old->mv_size);
	copy[old->mv_size - 1] ^= 0x10;
	must(mdb_cursor_put(cursor, key, &value, MDB_CURRENT), "write a row");
	printf("%.*s\n", (int)key->mv_size, (const char *)key->mv_data);
	free(copy);
}

int main(int argc, char **argv)
{
	MDB_val key, value;
	MDB_cursor *cursor;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	int rc, changed = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: rowflip DIRECTORY TEXT\n");
		return 2;
	}
	must(mdb_env_create(&env), "create an environment");
	must(mdb_env_open(env, argv[1], 0, 0600), argv[1]);
	must(mdb_txn_begin(env, NULL, 0, &txn), "begin");
	must(mdb_dbi_open(txn, NULL, 0, &dbi), "open the main database");
	must(mdb_cursor_open(txn, dbi, &cursor), "open a cursor");
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		if (!value.mv_size || !memmem(key.mv_data, key.mv_size, argv[2], strlen(argv[2])))
			continue;
#ifdef DROP
		printf("%.*s\n", (int)key.mv_size, (const char *)key.mv_data);
		must(mdb_cursor_del(cursor, 0), "delete a row");
		(void)flip;
#else
		flip(cursor, &key, &value);
#endif
		changed++;
	}
	if (rc != MDB_NOTFOUND)
		must(rc, "read rows");
	mdb_cursor_close(cursor);
	must(mdb_txn_commit(txn), "commit");
	mdb_env_close(env);
	return changed ? 0 : 1;
}
