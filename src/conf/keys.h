/*
 * keys.h - every key of crio.conf(5) and of crisp, and every option of crispd, as data.  The tables
 * are generated from crisp.keys.
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
	CONF_KIND_ADDS, /* one more path for a list */
	CONF_KIND_MAP, /* a table of strings, integers or booleans; only checked */
	CONF_KIND_MANAGER, /* enum conf_cgroup_manager */
};

enum conf_role {
	CONF_ROLE_WORKS,
	CONF_ROLE_LATER, /* not implemented: another value than the default is reported */
	CONF_ROLE_GUARD, /* protection, not implemented: a value that guard does not accept stops
			  * the daemon */
	CONF_ROLE_MOOT, /* crisp fulfils every value */
	CONF_ROLE_FORMER, /* CRI-O had it once: ignored */
};

/* The struct with the key's member. */
enum conf_place_of {
	CONF_PLACE_CONF,
	CONF_PLACE_RUNTIME,
	CONF_PLACE_NOWHERE,
};

struct conf_key {
	const char *name; /* "crio.runtime.log_level"; * stands for a name chosen by the user */
	enum conf_kind kind;
	enum conf_role role;
	enum conf_place_of place;
	size_t offset; /* in struct conf or struct conf_runtime */
	int64_t min, max; /* of an integer or size; both 0: any */
	bool (*check)(const char *value); /* of a string or each entry of a list; NULL: anything */
	const char *want; /* requirement of check, for the error */
	bool (*guard)(const char *value); /* as check, of a guard */
	const char *why; /* of a guard, a moot or a former key */
	/* Default, by kind; number is that of a boolean, too. */
	const char *text;
	int64_t number;
	const char *const *list; /* NULL-terminated; NULL: empty */
	const char *derived; /* meaning of an empty default; NULL: none */
	const char *flag, *alias; /* without dashes; NULL: none */
	const char *const *variables; /* NULL-terminated; NULL: none */
	const char *fallback; /* variable for a key that nothing else sets; NULL: none */
	bool own; /* not in crio.conf(5) */
	bool reload; /* SIGHUP changes it */
	const char *doc; /* lines */
};

extern const struct conf_key conf_keys[];
extern const size_t conf_n_keys;

struct conf_table {
	const char *name, *doc;
};

extern const struct conf_table conf_tables[];
extern const size_t conf_n_tables;

/* An option that sets no key. */
struct conf_option {
	const char *name, *letter; /* letter: NULL: none */
	const char *argument; /* NULL: it takes none */
	const char *variable; /* NULL: none */
	const char *doc;
};

extern const struct conf_option conf_options[]; /* by enum conf_option_id */
extern const size_t conf_n_options;
