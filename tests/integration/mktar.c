/*
 * mktar.c - a tar archive of entries that are described one a line, also such as no tool writes,
 * from standard input to standard output:
 *
 *   file|hard|link|char|block|dir|fifo NAME [key=value ...]     keys: mode uid gid mtime link data
 *                                      size major minor, xattr.NAME, and pax.KEY for a PAX record
 *   type=C NAME ...                    an entry of that type
 *   raw TEXT                           bytes where a header or the end should be
 *   noend                              without the two blocks of zeros
 *   count N NAME-WITH-%d [key=value]   as many files
 *
 * In names and values %XX is a byte.  size=N repeats data.  What does not fit the old header, and
 * xattrs, go into a PAX header; with format=gnu, long names into GNU's.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/util.h"
#include "tests/unit/tarmake.h"

static struct buf out;
static bool gnu;

static uint64_t number(const char *text)
{
	uint64_t v;

	if (str_to_u64(text, UINT64_MAX, &v) < 0) {
		fprintf(stderr, "mktar: %s is no number\n", text);
		exit(1);
	}
	return v;
}

static unsigned octal(const char *text)
{
	unsigned v = 0;

	while (*text >= '0' && *text <= '7')
		v = v * 8 + (unsigned)(*text++ - '0');
	return v;
}

/* In place; how long it is then. */
static size_t unescape(char *s)
{
	char *to = s, *from = s;
	unsigned byte;

	while (*from)
		if (*from == '%' && sscanf(from + 1, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			from += 3;
		} else {
			*to++ = *from++;
		}
	*to = '\0';
	return (size_t)(to - s);
}

static char type_of(const char *word)
{
	static const struct {
		const char *word;
		char type;
	} types[] = { { "file", '0' },	{ "hard", '1' }, { "link", '2' }, { "char", '3' },
		      { "block", '4' }, { "dir", '5' },	 { "fifo", '6' } };

	if (str_starts(word, "type="))
		return word[5];
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].word, word) == 0)
			return types[i].type;
	fprintf(stderr, "mktar: %s?\n", word);
	exit(1);
}

/* Only the header of the old format has room for 100 bytes, in ASCII. */
static bool is_plain(const char *s)
{
	size_t n = 0;

	for (; s[n]; n++)
		if ((unsigned char)s[n] > 126)
			return false;
	return n <= 100;
}

static void long_text(const char *key, char gnu_type, const char *value, struct buf *pax)
{
	if (is_plain(value))
		return;
	if (gnu)
		TM(&out, .name = "././@LongLink", .type = gnu_type, .data = value,
		   .size = strlen(value) + 1);
	else
		tm_record(pax, key, value, strlen(value));
}

/* A number that the header has room for stands there. */
static unsigned small_or_pax(const char *key, const char *value, struct buf *pax)
{
	uint64_t v = number(value);

	if (v < 2097152)
		return (unsigned)v;
	tm_record(pax, key, value, strlen(value));
	return 0;
}

static void option(struct tm_entry *t, struct buf *pax, char *key, char *value)
{
	size_t size = unescape(value);
	char name[300];

	if (strcmp(key, "mode") == 0) {
		t->mode = octal(value);
	} else if (strcmp(key, "uid") == 0) {
		t->uid = small_or_pax(key, value, pax);
	} else if (strcmp(key, "gid") == 0) {
		t->gid = small_or_pax(key, value, pax);
	} else if (strcmp(key, "mtime") == 0) {
		t->mtime = 1;
		tm_record(pax, key, value, size);
	} else if (strcmp(key, "link") == 0) {
		t->link = value;
		long_text("linkpath", 'K', value, pax);
	} else if (strcmp(key, "data") == 0) {
		t->data = value;
		t->size = size;
	} else if (strcmp(key, "size") == 0) {
		size_t n = number(value);
		char *data = xmalloc(n + 1);

		for (size_t i = 0; i < n; i++)
			data[i] = t->size ? ((const char *)t->data)[i % t->size] : 'x';
		t->data = data;
		t->size = n;
	} else if (strcmp(key, "major") == 0) {
		t->major = (unsigned)number(value);
	} else if (strcmp(key, "minor") == 0) {
		t->minor = (unsigned)number(value);
	} else if (strcmp(key, "format") == 0) {
		gnu = strcmp(value, "gnu") == 0;
	} else if (str_starts(key, "xattr.")) {
		snprintf(name, sizeof(name), "SCHILY.%s", key);
		tm_record(pax, name, value, size);
	} else if (str_starts(key, "pax.")) {
		tm_record(pax, key + 4, value, size);
	} else {
		fprintf(stderr, "mktar: %s?\n", key);
		exit(1);
	}
}

static void flush(void)
{
	if (out.len && fwrite(out.data, 1, out.len, stdout) != out.len)
		exit(1);
	buf_done(&out);
}

static void entry(char type, char *name, char *rest)
{
	struct tm_entry t = { .name = name, .type = type, .mode = type == '5' ? 0755 : 0644 };
	unsigned char block[TM_BLOCK];
	struct buf pax = BUF_NULL;
	char *word;

	unescape(name);
	gnu = false;
	while ((word = strsep(&rest, " "))) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value++ = '\0';
		option(&t, &pax, word, value);
	}
	long_text("path", 'L', name, &pax);
	if (pax.len)
		TM(&out, .name = "pax", .type = 'x', .data = pax.data, .size = pax.len);
	buf_done(&pax);
	tm_header(block, &t);
	tm_raw(&out, block, t.data, t.size);
	flush();
}

static void many(char *rest)
{
	unsigned n = (unsigned)number(strsep(&rest, " "));
	char *pattern = strsep(&rest, " ");

	for (unsigned i = 0; i < n; i++) {
		char name[300];
		_cleanup_free_ char *options = xstrdup(rest ? rest : "");

		snprintf(name, sizeof(name), pattern, i / 100, i);
		entry('0', name, options);
	}
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	bool end = true;

	while (getline(&line, &size, stdin) > 0) {
		char *rest = line, *word;

		line[strcspn(line, "\n")] = '\0';
		word = strsep(&rest, " ");
		if (!*word || *word == '#')
			continue;
		if (strcmp(word, "noend") == 0) {
			end = false;
		} else if (strcmp(word, "raw") == 0) {
			buf_add(&out, rest, unescape(rest));
			flush();
		} else if (strcmp(word, "count") == 0) {
			many(rest);
		} else {
			char type = type_of(word);
			char *name = strsep(&rest, " ");

			entry(type, name, rest);
		}
	}
	if (end)
		tm_end(&out);
	flush();
	free(line);
	return 0;
}
