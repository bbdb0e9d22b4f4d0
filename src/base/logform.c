/*
 * logform.c - takes the fields of a line apart, and writes them in other forms.
 */
#include "base/logform.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

#define REPLACEMENT "\xef\xbf\xbd"

struct logform_field {
	char key[64];
	char value[LOGFORM_LINE];
};

struct logform_out {
	char *out;
	size_t len, size;
	bool full; /* the next field is left out, too */
};

static void put(struct logform_out *w, const char *data, size_t n)
{
	w->full |= n > w->size - w->len;
	if (w->full)
		return;
	memcpy(w->out + w->len, data, n);
	w->len += n;
}

static void put_text(struct logform_out *w, const char *text)
{
	put(w, text, strlen(text));
}

/* --- fields --- */

/* Unescape a quoted value up to its quote.  Returns what follows the quote; NULL: there is none. */
static const char *take_quoted(const char *p, char *value)
{
	for (; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		*value++ = *p;
	}
	*value = '\0';
	return *p ? p + 1 : NULL;
}

/* The next field of the text at *p.  false: the end. */
static bool next_field(const char **p, struct logform_field *f)
{
	const char *s = *p + strspn(*p, " "), *after = NULL;
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789");

	if (!*s)
		return false;
	if (n > 0 && n < sizeof(f->key) && s[n] == '=') {
		memcpy(f->key, s, n);
		f->key[n] = '\0';
		if (s[n + 1] == '"') {
			after = take_quoted(s + n + 2, f->value);
		} else {
			size_t len = strcspn(s + n + 1, " ");

			memcpy(f->value, s + n + 1, len);
			f->value[len] = '\0';
			after = s + n + 1 + len;
		}
	}
	if (!after || (*after && *after != ' ')) {
		memcpy(f->key, "text", sizeof("text"));
		after = s + strlen(s);
		memcpy(f->value, s, (size_t)(after - s) + 1);
	}
	*p = after;
	return true;
}

/* --- JSON --- */

static void put_json(struct logform_out *w, const char *text)
{
	put_text(w, "\"");
	for (size_t i = 0, left = strlen(text), n; left > 0; i += n, left -= n) {
		n = str_utf8_char(text + i, left);
		if (n == 0) {
			n = 1;
			put_text(w, REPLACEMENT);
		} else if (text[i] == '"' || text[i] == '\\') {
			put_text(w, "\\");
			put(w, text + i, 1);
		} else if ((unsigned char)text[i] < ' ') {
			put_text(w, " ");
		} else {
			put(w, text + i, n);
		}
	}
	put_text(w, "\"");
}

static void put_pair(struct logform_out *w, const char *prefix, const char *key, const char *value)
{
	size_t before = w->len;

	put_text(w, before > 1 ? ",\"" : "\"");
	put_text(w, prefix);
	put_text(w, key);
	put_text(w, "\":");
	put_json(w, value);
	if (w->full)
		w->len = before;
}

size_t logform_json(const struct log_parts *l, char out[LOGFORM_MAX])
{
	struct logform_out w = { .out = out, .size = LOGFORM_MAX - sizeof("}\n") };
	const char *p = l->fields;
	struct logform_field f;

	put_text(&w, "{");
	put_pair(&w, "", "time", l->time);
	put_pair(&w, "", "level", log_level_name(l->level));
	put_pair(&w, "", "msg", l->msg);
	while (next_field(&p, &f)) {
		bool taken = strcmp(f.key, "time") == 0 || strcmp(f.key, "level") == 0 ||
			     strcmp(f.key, "msg") == 0;

		put_pair(&w, taken ? "fields." : "", f.key, f.value);
	}
	memcpy(out + w.len, "}\n", 2);
	return w.len + 2;
}

/* --- journald --- */

/* A value of one line; control characters became blanks. */
static void put_entry(struct logform_out *w, const char *prefix, const char *key, const char *value)
{
	size_t before = w->len;

	put_text(w, prefix);
	put_text(w, key);
	put_text(w, "=");
	put_text(w, value);
	put_text(w, "\n");
	if (w->full)
		w->len = before;
}

size_t logform_journal(const struct log_parts *l, char out[LOGFORM_MAX])
{
	struct logform_out w = { .out = out, .size = LOGFORM_MAX };
	/* Of syslog(3). */
	static const char *const priorities[] = {
		[LOG_LEVEL_ERROR] = "3",
		[LOG_LEVEL_WARN] = "4",
		[LOG_LEVEL_INFO] = "6",
		[LOG_LEVEL_DEBUG] = "7",
	};
	_cleanup_free_ char *message = xasprintf("%s %s", l->msg, l->fields);
	const char *p = l->fields;
	struct logform_field f;

	put_entry(&w, "", "MESSAGE", message);
	put_entry(&w, "", "PRIORITY", priorities[l->level]);
	put_entry(&w, "", "SYSLOG_IDENTIFIER", "crispd");
	while (next_field(&p, &f)) {
		for (char *c = f.key; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		put_entry(&w, "CRISP_", f.key, f.value);
	}
	return w.len;
}
