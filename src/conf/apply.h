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

/* Check v and store it: rt for a handler's key. */
int conf_apply(struct conf *c, struct conf_runtime *rt, const struct conf_key *k,
	       const struct conf_source *src, const struct toml *v, struct err *e);

/* The key's member of base, a struct conf or struct conf_runtime; NULL: it has none. */
void *conf_member(const struct conf_key *k, const void *base);
bool conf_is_default(const struct conf_key *k, const void *base);
bool conf_is_equal(const struct conf_key *k, const void *a, const void *b);
/* Replace the member of to by a copy. */
void conf_member_copy(const struct conf_key *k, void *to, const void *from);
/* Set each key of a place to its default; base is zeroed.  Free them. */
void conf_members_init(enum conf_place_of place, void *base);
void conf_members_free(enum conf_place_of place, void *base);

/* Record the source of the key's value in force. */
void conf_note_place(struct conf *c, const struct conf_source *src, int line);
bool conf_is_set(const struct conf *c, const char *key);

/* "FILE:LINE: KEY" of the value in force; key itself: a default. */
const char *conf_where(const struct conf *c, const char *key);

/* List in c->later the keys that nothing reads yet. */
void conf_list_later(struct conf *c);

/* Is a guarded key in force with a value that crisp does not keep to?  Lists all in c->errors. */
int conf_check_guards(struct conf *c, struct err *e);

void conf_places_free(struct conf *c);

/* As Go does: 1, t, T, true, True, TRUE and their opposites.  0, or -1: none of them. */
int conf_parse_boolean(const char *text, bool *ret);

/* Add to c->errors or c->ignored; takes ownership of text. */
void conf_add_error(struct conf *c, char *text);
void conf_add_ignored(struct conf *c, char *text);

/* The handler of that name; NULL: none.  conf_runtime_add makes it with the defaults. */
struct conf_runtime *conf_runtime_get(const struct conf *c, const char *name);
struct conf_runtime *conf_runtime_add(struct conf *c, const char *name);
bool conf_runtime_name_is_valid(const char *name);
