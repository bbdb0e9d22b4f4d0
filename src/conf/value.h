/*
 * value.h - checks (type, range, form) and storage of one value from a file or a flag.  For conf.c
 * only.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "conf/keys.h"
#include "conf/toml.h"

/* Source of a value, for errors. */
struct conf_source {
	const char *file; /* NULL: a flag */
	const char *key; /* including names chosen by the user */
};

/* ERR_INVALID "FILE:LINE: KEY: ..." */
int conf_value_fail(const struct conf_source *src, const struct toml *v, struct err *e,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

int conf_value_want(const struct conf_source *src, const struct toml *v, enum toml_type type,
		    struct err *e);

/* Check v against k and store it at field, which then owns it.  field may be NULL: only check. */
int conf_value_read(const struct conf_key *k, const struct conf_source *src, const struct toml *v,
		    void *field, struct err *e);

/* NULL-terminated lists of malloc'ed strings; NULL is an empty list. */
void conf_list_free(char **list);
size_t conf_list_len(char *const *list);
/* Takes ownership of entry. */
void conf_list_add(char ***list, char *entry);
char **conf_list_of(const char *const *words);

static inline void conf_list_freep(char ***list)
{
	conf_list_free(*list);
}
