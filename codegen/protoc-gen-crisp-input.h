/*
 * protoc-gen-crisp-input.h - files of words, and one of them: proto/rules, which says what a
 * request must look like.
 *
 * It is read completely: every mistake found becomes a "file:line: text" that says what to write.
 * If none was found, every rule stands at a field that exists and that it makes sense for.
 */
#pragma once

#include "protoc-gen-crisp-schema.h"

/* The rules for one field: one line of the rules file. */
struct rule_set {
	unsigned line;
	struct message *anchor; /* whose validator checks it */
	struct field *field; /* of anchor, or of the message that `via` holds */
	struct field *via; /* a singular message field of anchor, or NULL */
	bool required;
	bool absolute;
	bool inside;
	bool name;
	bool word;
	bool text_line;
	bool secret;
	bool has_max, has_items, has_range;
	long long max; /* bytes */
	long long items; /* entries */
	long long low, high;
	bool open; /* no upper end */
	const char *chars;
	const char *without;
	const char *only; /* "POD,NODE" */
};

struct rules {
	const char *path;
	long long default_items; /* for repeated fields without a rule of their own; 0: none */
	struct rule_set *sets;
	size_t n_sets;
};

#define WORDS_MAX 32

/* A file of lines of words; # begins a comment. */
struct input_file {
	const char *path;
	char *text; /* words are cut out of it in place and keep pointing into it */
	char *next;
	unsigned line;
	char *words[WORDS_MAX];
	size_t n_words;
};

/* A file's text.  NULL: it cannot be opened, and d says why. */
char *file_read(const char *path, struct diag *d);

/* false: it cannot be opened, and d says why. */
bool source_open(struct input_file *src, const char *path, struct diag *d);
/* The words of the next line that has any; false: there is none. */
bool source_next(struct input_file *src, struct diag *d);

void rules_load(struct rules *r, const char *path, const struct schema *s, struct diag *d);

/* The rules for field f of its own message, or NULL. */
const struct rule_set *rules_find(const struct rules *r, const struct field *f);
