/*
 * runtime_log.c - parse the JSON lines of the OCI runtime's log, bounded and without allocation.
 */
#include "shim/runtime_log.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

struct out {
	char *text;
	size_t len;
};

/* Append one character, a control character as a space; drops characters beyond the end. */
static void out_char(struct out *o, const char *c, size_t n)
{
	if (o->len + n >= RUNTIME_LOG_TEXT_MAX)
		return;
	if (n == 1 && ((unsigned char)*c < 0x20 || *c == 0x7f))
		c = " ";
	memcpy(o->text + o->len, c, n);
	o->len += n;
}

/* Append bytes: well-formed UTF-8 unchanged, anything else as '?'. */
static void out_bytes(struct out *o, const char *s, size_t size)
{
	while (size) {
		size_t n = 1;

		while (n < 4 && n <= size && !str_is_utf8(s, n))
			n++;
		if (n <= size && str_is_utf8(s, n)) {
			out_char(o, s, n);
		} else {
			out_char(o, "?", 1);
			n = 1;
		}
		s += n;
		size -= n;
	}
}

static int hex4(const char *s, const char *end)
{
	int v = 0;

	if (end - s < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdefABCDEF";
		const char *d = s[i] ? strchr(digits, s[i]) : NULL;

		if (!d)
			return -1;
		v = v * 16 + (int)(d - digits > 15 ? d - digits - 6 : d - digits);
	}
	return v;
}

/* Append \uXXXX as UTF-8.  Surrogate pairs are rare in messages and become '?'. */
static void out_unicode(struct out *o, int v)
{
	char c[3];

	if (v < 0x80) {
		c[0] = (char)v;
		out_char(o, c, 1);
	} else if (v < 0x800) {
		c[0] = (char)(0xc0 | v >> 6);
		c[1] = (char)(0x80 | (v & 0x3f));
		out_char(o, c, 2);
	} else if (v >= 0xd800 && v <= 0xdfff) {
		out_char(o, "?", 1);
	} else {
		c[0] = (char)(0xe0 | v >> 12);
		c[1] = (char)(0x80 | (v >> 6 & 0x3f));
		c[2] = (char)(0x80 | (v & 0x3f));
		out_char(o, c, 3);
	}
}

/* Append the JSON string at s, which is after its opening quote. */
static void out_json_string(struct out *o, const char *s, const char *end)
{
	while (s < end && *s != '"') {
		const char *plain = s;

		while (s < end && *s != '"' && *s != '\\')
			s++;
		out_bytes(o, plain, (size_t)(s - plain));
		if (s == end || *s == '"' || s + 1 == end) /* a lone backslash ends it too */
			return;
		if (s[1] == 'u' && hex4(s + 2, end) >= 0) {
			out_unicode(o, hex4(s + 2, end));
			s += 6;
			continue;
		}
		/* Of any other escape drop the backslash. */
		s++;
		if (memchr("\"\\/nrtbf", *s, 8)) {
			out_char(o, strchr("nrtbf", *s) ? " " : s, 1);
			s++;
		}
	}
}

/* Find the string value of a key in the object on this line; returns the address after its opening
 * quote, or NULL.  Quotes inside strings are escaped, so text never matches a key. */
static const char *find_string(const char *line, const char *end, const char *key)
{
	size_t n = strlen(key);
	const char *p = line;

	while ((p = memmem(p, (size_t)(end - p), key, n))) {
		const char *v = p + n;

		p = v;
		while (v < end && (*v == ' ' || *v == ':'))
			v++;
		if (v < end && *v == '"' && v > p)
			return v + 1;
	}
	return NULL;
}

static bool is_error(const char *line, const char *end)
{
	const char *level = find_string(line, end, "\"level\"");
	size_t left = level ? (size_t)(end - level) : 0;

	return left > 5 && (memcmp(level, "error", 5) == 0 || memcmp(level, "fatal", 5) == 0 ||
			    memcmp(level, "panic", 5) == 0);
}

size_t runtime_log_message(const char *log, size_t size, char out[RUNTIME_LOG_TEXT_MAX])
{
	const char *p = log, *end = log + size, *best = NULL, *best_end = NULL;
	struct out o = { .text = out };
	bool best_is_error = false;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *line_end = nl ? nl : end;
		const char *msg = find_string(p, line_end, "\"msg\"");

		if (msg && (is_error(p, line_end) || !best_is_error)) {
			best = msg;
			best_end = line_end;
			best_is_error = is_error(p, line_end);
		}
		p = nl ? nl + 1 : end;
	}
	if (best)
		out_json_string(&o, best, best_end);
	out[o.len] = '\0';
	return o.len;
}

size_t runtime_log_clean_tail(const char *text, size_t size, char out[RUNTIME_LOG_TEXT_MAX])
{
	struct out o = { .text = out };

	while (size && (text[size - 1] == '\n' || text[size - 1] == ' '))
		size--;
	if (size >= RUNTIME_LOG_TEXT_MAX) {
		text += size - (RUNTIME_LOG_TEXT_MAX - 1);
		size = RUNTIME_LOG_TEXT_MAX - 1;
	}
	out_bytes(&o, text, size);
	out[o.len] = '\0';
	return o.len;
}

int runtime_log_exit_code(const char *text)
{
	/* Texts of the C library and of Go for ENOENT and EACCES of execve. */
	if (strstr(text, "executable file not found") ||
	    strstr(text, "no such file or directory") || strstr(text, "No such file or directory"))
		return 127;
	if (strstr(text, "permission denied") || strstr(text, "Permission denied") ||
	    strstr(text, "exec format error") || strstr(text, "Exec format error") ||
	    strstr(text, "is a directory"))
		return 126;
	return -1;
}
