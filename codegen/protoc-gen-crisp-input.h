/*
 * protoc-gen-crisp-input.h - reader for files of words, and for proto/rules, the validation rules
 * of requests.
 * The whole file is read: every mistake becomes a "file:line: text" that says what to write.
 * Without a mistake, every rule belongs to an existing field of a fitting type.
 */
#pragma once

#include "protoc-gen-crisp-schema.h"

/* The rules for one field: one line of the rules file. */
struct rule_set {
	unsigned line;
	struct message *anchor; /* message whose validator checks the field */
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
	bool open; /* no upper bound */
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
	char *text; /* split into words in place; words point into it */
	char *next;
	unsigned line;
	char *words[WORDS_MAX];
	size_t n_words;
};

/* Read a file's text.  NULL: the file cannot be opened, and d has the reason. */
char *file_read(const char *path, struct diag *d);

/* false: the file cannot be opened, and d has the reason. */
bool source_open(struct input_file *src, const char *path, struct diag *d);
/* Read the words of the next non-empty line; false: end of file. */
bool source_next(struct input_file *src, struct diag *d);

void rules_load(struct rules *r, const char *path, const struct schema *s, struct diag *d);

/* The rules for field f of its own message, or NULL. */
const struct rule_set *rules_find(const struct rules *r, const struct field *f);
