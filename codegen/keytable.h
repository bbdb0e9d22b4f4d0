/*
 * keytable.h - reader of src/conf/crisp.keys, the table of all keys and options; the file itself
 * explains its words.
 * The whole file is read: every mistake becomes a "file:line: text" that says what to write.
 */
#pragma once

#include "protoc-gen-crisp-input.h"

#define KEY_VARIABLES_MAX 4

enum key_type {
	KEY_TYPE_NONE,
	KEY_TYPE_STRING,
	KEY_TYPE_PATH,
	KEY_TYPE_BOOLEAN,
	KEY_TYPE_INTEGER,
	KEY_TYPE_SIZE,
	KEY_TYPE_LIST,
	KEY_TYPE_PATHS,
	KEY_TYPE_MAP,
	KEY_TYPE_MANAGER,
	KEY_TYPE_ADDS,
};

/* The reader of a key's value. */
enum key_role {
	KEY_ROLE_WORKS,
	KEY_ROLE_LATER,
	KEY_ROLE_GUARD,
	KEY_ROLE_MOOT,
	KEY_ROLE_FORMER,
};

/* The struct with a key's member. */
enum key_place {
	KEY_PLACE_CONF,
	KEY_PLACE_RUNTIME,
	KEY_PLACE_NOWHERE,
};

struct key_entry {
	unsigned line;
	const char *name; /* "crio.runtime.log_level" */
	const char *last; /* "log_level" */
	enum key_type type;
	enum key_role role;
	enum key_place place;
	const char *field;
	bool has_range, own, reload;
	const char *low, *high; /* decimal */
	const char *value; /* of `default`, as TOML; NULL: none */
	const char *derived; /* NULL: none */
	const char *check, *want; /* NULL: none */
	const char *guard; /* the check of a guard */
	const char *why; /* of a guard, a moot or a former key */
	const char *flag, *alias, *fallback; /* NULL: none */
	const char *variables[KEY_VARIABLES_MAX];
	size_t n_variables;
	const char *doc; /* lines */
};

struct option_entry {
	unsigned line;
	const char *name;
	const char *letter, *argument; /* NULL: none */
	const char *variable; /* NULL: none */
	const char *doc;
};

struct table_entry {
	unsigned line;
	const char *name;
	const char *doc;
};

struct key_table {
	const char *path;
	struct key_entry *keys; /* former ones too */
	struct option_entry *options;
	struct table_entry *tables;
	size_t n_keys, n_options, n_tables;
};

/* Read the file.  With a mistake d has it, and t is unfit for use. */
void key_table_load(struct key_table *t, const char *path, struct diag *d);

/* The key of that name, NULL: none. */
const struct key_entry *key_table_find(const struct key_table *t, const char *name);

/* "crio.runtime" of "crio.runtime.log_level". */
const char *key_table_of(const char *name);

/* "string", as the table writes it. */
const char *key_type_name(enum key_type type);

/* Entries of a list like ["a", "b"], still quoted and escaped; *ret_n: their number. */
const char **key_list_items(const char *value, size_t *ret_n);
