/*
 * keys.h - every key of crio.conf(5) and of crisp as data: name, type of value, destination in
 * struct conf.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_kind {
	CONF_KIND_STRING,
	CONF_KIND_PATH, /* absolute or empty; stored without doubled and trailing slashes */
	CONF_KIND_BOOLEAN,
	CONF_KIND_INTEGER,
	CONF_KIND_SIZE, /* bytes: an integer or "12MiB" */
	CONF_KIND_LIST, /* of strings */
	CONF_KIND_PATHS, /* a list of CONF_KIND_PATH */
	CONF_KIND_ADD_PATH, /* one more path for a list */
	CONF_KIND_MAP, /* a table of strings, integers or booleans */
	CONF_KIND_CGROUP_MANAGER,
};

enum conf_owner {
	CONF_OWNER_NONE, /* known to crio.conf(5), not implemented: checked, then reported */
	CONF_OWNER_GUARD, /* protection, not implemented; check accepts the values that hold in
			   * crisp anyway, any other value in force stops the daemon */
	CONF_OWNER_MOOT, /* known, and crisp fulfils every value: only checked */
	CONF_OWNER_FORMER, /* CRI-O had it once: ignored; want says what came of it */
	CONF_OWNER_CONF,
	CONF_OWNER_RUNTIME,
};

struct conf_key {
	const char *name; /* "crio.runtime.log_level"; * stands for a name chosen by the user */
	enum conf_kind kind;
	enum conf_owner owner;
	size_t offset; /* in struct conf or struct conf_runtime */
	int64_t min, max; /* of an integer or size; both 0: any */
	bool (*check)(const char *value); /* of a string or each entry of a list; NULL: anything */
	const char *want; /* requirement of check, for the error */
};

extern const struct conf_key conf_keys[];
extern const size_t conf_n_keys;
