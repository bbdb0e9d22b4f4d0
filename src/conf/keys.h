/*
 * keys.h - every key of crio.conf(5), and ours, as data: its name, the type of its value, and
 * where in struct conf it goes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_kind {
	CONF_KIND_STRING,
	CONF_KIND_PATH, /* absolute or empty; kept without doubled and trailing slashes */
	CONF_KIND_BOOLEAN,
	CONF_KIND_INTEGER,
	CONF_KIND_SIZE, /* bytes: an integer or "12MiB" */
	CONF_KIND_LIST, /* of strings */
	CONF_KIND_PATHS, /* a list of them */
	CONF_KIND_ADD_PATH, /* one path more for a list */
	CONF_KIND_MAP, /* a table of strings, integers or booleans */
	CONF_KIND_CGROUP_MANAGER,
};

enum conf_owner {
	CONF_OWNER_NONE, /* known to crio.conf(5), not implemented: checked, then reported */
	CONF_OWNER_GUARD, /* protects and is not implemented: check says which values crisp keeps to
			   * anyway, any other one in force stops the daemon */
	CONF_OWNER_MOOT, /* known, and true of crisp whatever it says: checked, no more */
	CONF_OWNER_CONF,
	CONF_OWNER_RUNTIME,
};

struct conf_key {
	const char *name; /* "crio.runtime.log_level"; * stands for a name the user chose */
	enum conf_kind kind;
	enum conf_owner owner;
	size_t offset; /* in struct conf or struct conf_runtime */
	int64_t min, max; /* of an integer or size; both 0: any */
	bool (*check)(const char *value); /* of a string or each entry of a list; NULL: anything */
	const char *want; /* what check wants, for the error */
};

extern const struct conf_key conf_keys[];
extern const size_t conf_n_keys;
