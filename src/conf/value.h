/*
 * value.h - one value on its way from a file or a flag into a field of the configuration: its
 * type, its range, its form.  For conf.c only.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "conf/keys.h"
#include "conf/toml.h"

/* Where a value comes from, for errors. */
struct conf_source {
	const char *file; /* NULL: a flag */
	const char *key; /* with the names that the user chose */
};

/* ERR_INVALID "FILE:LINE: KEY: ..." */
int conf_value_fail(const struct conf_source *src, const struct toml *v, struct err *e,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

int conf_value_want(const struct conf_source *src, const struct toml *v, enum toml_type type,
		    struct err *e);

/* Check v as k says and store it at field, which then owns it; field NULL: only check. */
int conf_value_read(const struct conf_key *k, const struct conf_source *src, const struct toml *v,
		    void *field, struct err *e);

/* NULL-terminated lists of malloc'ed strings; NULL is an empty one. */
void conf_list_free(char **list);
size_t conf_list_len(char *const *list);
/* Takes entry. */
void conf_list_add(char ***list, char *entry);
char **conf_list_of(const char *const *words);

static inline void conf_list_freep(char ***list)
{
	conf_list_free(*list);
}
