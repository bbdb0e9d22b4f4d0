/*
 * protoc-gen-crisp-input.c - read lines of words, and proto/rules.
 * A line with a mistake is reported and skipped, so one run shows all mistakes.
 */
#include "protoc-gen-crisp-input.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *file_read(const char *path, struct diag *d)
{
	struct emit text = EMIT_NULL;
	char buf[4096];
	size_t n;
	FILE *f = fopen(path, "re");

	if (!f) {
		diag_add(d, path, 0, "cannot be read: %s", strerror(errno));
		return NULL;
	}
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		emit_bytes(&text, buf, n);
	if (ferror(f))
		diag_add(d, path, 0, "cannot be read: %s", strerror(errno));
	fclose(f);
	emit_bytes(&text, "", 0);
	return text.text;
}

bool source_open(struct input_file *src, const char *path, struct diag *d)
{
	char *text = file_read(path, d);

	*src = (struct input_file){ .path = path, .text = text, .next = text };
	return text;
}

/* Split line into src->words; false: no words. */
static bool source_split(struct input_file *src, char *line, struct diag *d)
{
	static const char space[] = " \t\r";

	src->n_words = 0;
	for (;;) {
		line += strspn(line, space);
		if (!*line || *line == '#')
			return src->n_words > 0;
		if (src->n_words == WORDS_MAX) {
			diag_add(d, src->path, src->line, "more than %d words", WORDS_MAX);
			return true;
		}
		src->words[src->n_words++] = line;
		line += strcspn(line, space);
		if (*line)
			*line++ = '\0';
	}
}

bool source_next(struct input_file *src, struct diag *d)
{
	char *line;

	while (*src->next) {
		line = src->next;
		src->next += strcspn(line, "\n");
		if (*src->next)
			*src->next++ = '\0';
		src->line++;
		if (source_split(src, line, d))
			return true;
	}
	return false;
}

static bool number_parse(const char *text, size_t len, long long *ret)
{
	bool negative = len > 0 && text[0] == '-';
	unsigned long long v = 0;
	size_t i = negative;

	if (i == len)
		return false;
	for (; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || v > (LLONG_MAX - 9) / 10)
			return false;
		v = v * 10 + (unsigned long long)(text[i] - '0');
	}
	*ret = negative ? -(long long)v : (long long)v;
	return true;
}

static bool field_is_bytes(const struct field *f)
{
	return f->d->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES;
}

static bool field_is_number(const struct field *f)
{
	return !f->message && !f->enumeration && !field_is_text(f) && !field_is_bytes(f) &&
	       f->d->type != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL;
}

/* Resolve "Message.field" or "Message.field.field" into set. */
static bool rule_resolve(struct rule_set *set, const char *where, const struct schema *s,
			 const struct input_file *src, struct diag *d)
{
	const char *dot = where, *last;
	struct message *m = NULL;
	bool ambiguous = false;
	size_t n;

	/* Messages may be nested or fully qualified, so try every dot as the end of the name. */
	while (!m && !ambiguous && (dot = strchr(dot, '.'))) {
		m = schema_find_message(s, where, (size_t)(dot - where), &ambiguous);
		dot++;
	}
	if (ambiguous || !m) {
		diag_add(d, src->path, src->line,
			 ambiguous
				 ? "%s: several packages have this message; write its "
				   "package in front"
				 : "%s: no such message in the schema; write MESSAGE.FIELD RULE...",
			 where);
		return false;
	}
	for (set->anchor = m;; dot += n + 1) {
		n = strcspn(dot, ".");
		set->field = message_find_field(m, dot, n);
		if (!set->field) {
			diag_add(d, src->path, src->line, "%s has no field %.*s", m->name, (int)n,
				 dot);
			return false;
		}
		last = dot + n;
		if (!*last)
			return true;
		m = set->field->message;
		if (set->field->map && !set->via) {
			set->anchor = m; /* the entry's type belongs to this map only */
			continue;
		}
		if (!m || set->field->repeated || set->via || set->anchor->map_entry) {
			diag_add(d, src->path, src->line,
				 "%s: %s is not a single message in %s; "
				 "write the rule at the message that has the field",
				 where, set->field->name, set->field->parent->name);
			return false;
		}
		set->via = set->field;
	}
}

static bool rule_parse_range(struct rule_set *set, const char *arg)
{
	const char *dots = strstr(arg, "..");

	if (!dots || !number_parse(arg, (size_t)(dots - arg), &set->low))
		return false;
	set->open = !dots[2];
	set->has_range = true;
	if (set->open)
		return true;
	return number_parse(dots + 2, strlen(dots + 2), &set->high) && set->low <= set->high;
}

static bool rule_parse_only(const struct rule_set *set, const char *arg,
			    const struct input_file *src, struct diag *d)
{
	const Google__Protobuf__EnumDescriptorProto *e = set->field->enumeration->d;
	size_t n, i;

	for (; *arg; arg += n + (arg[n] == ',')) {
		n = strcspn(arg, ",");
		for (i = 0; i < e->n_value; i++)
			if (strlen(e->value[i]->name) == n && !memcmp(e->value[i]->name, arg, n))
				break;
		if (i == e->n_value) {
			diag_add(d, src->path, src->line, "enum %s has no value %.*s",
				 set->field->enumeration->name, (int)n, arg);
			return false;
		}
	}
	return true;
}

/* Field types that a rule word applies to. */
enum rule_fit {
	FIT_TEXT,
	FIT_SIZED, /* strings and bytes */
	FIT_REPEATED,
	FIT_NUMBER,
	FIT_ENUM,
	FIT_PRESENCE, /* fields with presence: strings, bytes, messages, repeated fields */
	FIT_ANY,
};

static const char *rule_fit_name(enum rule_fit fit)
{
	switch (fit) {
	case FIT_TEXT:
		return "a string";
	case FIT_SIZED:
		return "a string or bytes";
	case FIT_REPEATED:
		return "a repeated field";
	case FIT_NUMBER:
		return "a number";
	case FIT_ENUM:
		return "an enum";
	case FIT_PRESENCE:
		return "a field that can be absent: a string, bytes, message or repeated field";
	case FIT_ANY:
		return "any field";
	}
	abort();
}

static bool rule_fits(enum rule_fit fit, const struct field *f)
{
	switch (fit) {
	case FIT_TEXT:
		return field_is_text(f);
	case FIT_SIZED:
		return field_is_text(f) || field_is_bytes(f);
	case FIT_REPEATED:
		return f->repeated;
	case FIT_NUMBER:
		return field_is_number(f);
	case FIT_ENUM:
		return f->enumeration != NULL;
	case FIT_PRESENCE:
		return f->repeated || f->message || field_is_text(f) || field_is_bytes(f);
	case FIT_ANY:
		return true;
	}
	abort();
}

static const struct rule_word {
	const char *word;
	enum rule_fit fit;
	const char *arg; /* the argument's name, or NULL */
} rule_words[] = {
	{ "required", FIT_PRESENCE, NULL },
	{ "absolute", FIT_TEXT, NULL },
	{ "inside", FIT_TEXT, NULL },
	{ "name", FIT_TEXT, NULL },
	{ "word", FIT_TEXT, NULL },
	{ "line", FIT_TEXT, NULL },
	{ "secret", FIT_ANY, NULL },
	{ "max", FIT_SIZED, "BYTES" },
	{ "items", FIT_REPEATED, "COUNT" },
	{ "range", FIT_NUMBER, "LOW..HIGH or LOW.." },
	{ "chars", FIT_TEXT, "CHARACTERS" },
	{ "without", FIT_TEXT, "CHARACTERS" },
	{ "only", FIT_ENUM, "VALUE,VALUE..." },
};

static const struct rule_word *rule_word_find(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(rule_words) / sizeof(rule_words[0]); i++)
		if (!strcmp(rule_words[i].word, word))
			return &rule_words[i];
	return NULL;
}

/* Store rule w in set; false: invalid argument. */
static bool rule_apply(struct rule_set *set, const char *w, const char *arg,
		       const struct input_file *src, struct diag *d)
{
	set->required |= !strcmp(w, "required");
	set->absolute |= !strcmp(w, "absolute");
	set->inside |= !strcmp(w, "inside");
	set->name |= !strcmp(w, "name");
	set->word |= !strcmp(w, "word");
	set->text_line |= !strcmp(w, "line");
	set->secret |= !strcmp(w, "secret");
	if (!strcmp(w, "max")) {
		set->has_max = true;
		return number_parse(arg, strlen(arg), &set->max) && set->max > 0;
	}
	if (!strcmp(w, "items")) {
		set->has_items = true;
		return number_parse(arg, strlen(arg), &set->items) && set->items > 0;
	}
	if (!strcmp(w, "range"))
		return rule_parse_range(set, arg);
	if (!strcmp(w, "chars"))
		set->chars = arg;
	if (!strcmp(w, "without"))
		set->without = arg;
	if (!strcmp(w, "only")) {
		set->only = arg;
		return rule_parse_only(set, arg, src, d);
	}
	return true;
}

static bool rule_parse_words(struct rule_set *set, const struct input_file *src, struct diag *d)
{
	size_t i;

	for (i = 1; i < src->n_words; i++) {
		const char *word = src->words[i], *arg = NULL;
		const struct rule_word *w = rule_word_find(word);
		unsigned before = d->n;

		if (!w) {
			diag_add(d, src->path, src->line,
				 "unknown rule %s; there are required, "
				 "max, items, range, only, absolute, inside, name, word, line, "
				 "chars, without, secret",
				 word);
			return false;
		}
		if (!rule_fits(w->fit, set->field)) {
			diag_add(d, src->path, src->line, "%s is for %s, and %s is %s%s", word,
				 rule_fit_name(w->fit), set->field->name,
				 set->field->repeated && !set->field->map ? "repeated " : "",
				 field_type_name(set->field));
			return false;
		}
		if (w->arg && ++i < src->n_words)
			arg = src->words[i];
		if ((w->arg && !arg) || !rule_apply(set, word, arg, src, d)) {
			if (d->n == before)
				diag_add(d, src->path, src->line, "write %s %s", word, w->arg);
			return false;
		}
	}
	return true;
}

static bool rules_parse_default(struct rules *r, const struct input_file *src, struct diag *d)
{
	if (src->n_words == 3 && !strcmp(src->words[1], "items") &&
	    number_parse(src->words[2], strlen(src->words[2]), &r->default_items) &&
	    r->default_items > 0)
		return true;
	diag_add(d, src->path, src->line, "write default items COUNT");
	return false;
}

void rules_load(struct rules *r, const char *path, const struct schema *s, struct diag *d)
{
	struct input_file src;
	size_t i;

	*r = (struct rules){ .path = path };
	if (!source_open(&src, path, d))
		return;
	r->sets = memory_zeroed(strlen(src.text) / 2 + 1, sizeof(*r->sets));
	while (source_next(&src, d)) {
		struct rule_set set = { .line = src.line };

		if (!strcmp(src.words[0], "default")) {
			rules_parse_default(r, &src, d);
			continue;
		}
		if (!rule_resolve(&set, src.words[0], s, &src, d))
			continue;
		if (src.n_words == 1)
			diag_add(d, path, src.line, "%s has no rule", src.words[0]);
		for (i = 0; i < r->n_sets; i++)
			if (r->sets[i].anchor == set.anchor && r->sets[i].via == set.via &&
			    r->sets[i].field == set.field)
				diag_add(d, path, src.line,
					 "%s has rules in line %u already; "
					 "write them in one line",
					 src.words[0], r->sets[i].line);
		if (!rule_parse_words(&set, &src, d))
			continue;
		if (set.secret && set.via)
			diag_add(d, path, src.line,
				 "%s: a secret is one wherever it appears; "
				 "write %s.%s secret",
				 src.words[0], set.field->parent->name, set.field->name);
		else
			r->sets[r->n_sets++] = set;
	}
}

const struct rule_set *rules_find(const struct rules *r, const struct field *f)
{
	size_t i;

	for (i = 0; i < r->n_sets; i++)
		if (r->sets[i].field == f && !r->sets[i].via)
			return &r->sets[i];
	return NULL;
}
