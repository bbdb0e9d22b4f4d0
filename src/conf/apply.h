/*
 * apply.h - the way of every value, from a file, a flag or a variable, into struct conf.  For the
 * files of src/conf only.
 */
#pragma once

#include "base/err.h"
#include "conf/conf.h"
#include "conf/keys.h"
#include "conf/toml.h"
#include "conf/value.h"

#define CONF_RUNTIMES "crio.runtime.runtimes"
#define CONF_RUNTIMES_MAX 64
/* Findings of one kind that are listed; further ones are counted. */
#define CONF_FINDINGS_MAX 1000

/* The key of that name, * standing for names chosen by the user; the case of letters does not
 * matter, as in CRI-O.  NULL: no such key. */
const struct conf_key *conf_key_find(const char *name);

/* Check v and store it: rt for a handler's key.  A key without a reader adds a warning. */
int conf_apply(struct conf *c, struct conf_runtime *rt, const struct conf_key *k,
	       const struct conf_source *src, const struct toml *v, struct err *e);

/* Record the source of the key's value in force. */
void conf_note_place(struct conf *c, const struct conf_source *src, int line);

/* "FILE:LINE: KEY" of the value in force; key itself: a default. */
const char *conf_where(const struct conf *c, const char *key);

/* Is a guarded key in force with a value that crisp does not keep to?  Lists all in c->errors. */
int conf_check_guards(struct conf *c, struct err *e);

void conf_places_free(struct conf *c);

/* Add to c->errors or c->ignored; takes ownership of text. */
void conf_add_error(struct conf *c, char *text);
void conf_add_ignored(struct conf *c, char *text);

/* The handler of that name; NULL: none.  conf_runtime_add makes it with the defaults. */
struct conf_runtime *conf_runtime_get(const struct conf *c, const char *name);
struct conf_runtime *conf_runtime_add(struct conf *c, const char *name);
bool conf_runtime_name_is_valid(const char *name);
