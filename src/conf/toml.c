/*
 * toml.c - recursive descent parser.  Invariants: recursion depth and table width are bounded, the
 * cursor never passes the end, and no name is defined twice.
 */
#include "conf/toml.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define DEPTH_MAX 32 /* nested arrays and tables, parts of a dotted key */
#define TABLE_KEYS_MAX 4096 /* because lookup is linear */
#define TOKEN_MAX 64 /* a number or boolean */

/* Form of a table's or array's definition; decides whether later lines may extend it. */
enum how {
	HOW_VALUE, /* [1, 2] or { a = 1 }: closed */
	HOW_IMPLICIT, /* the a of [a.b]: may still get its own [a] */
	HOW_HEADER, /* [a] */
	HOW_DOTTED, /* the a of a.b = 1: only other dotted keys extend it */
	HOW_LIST, /* the array of [[a]] */
};

struct parser {
	const char *p, *end;
	const char *name;
	int line;
	int depth;
	struct err *e;
};

#define fail(ps, ...) fail_at((ps), (ps)->line, __VA_ARGS__)

static int fail_at(struct parser *ps, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail_at(struct parser *ps, int line, const char *fmt, ...)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	return err_set(ps->e, ERR_INVALID, "%s:%d: %s", ps->name, line, text.data);
}

const char *toml_type_name(enum toml_type type)
{
	switch (type) {
	case TOML_TYPE_STRING:
		return "a string";
	case TOML_TYPE_INTEGER:
		return "an integer";
	case TOML_TYPE_FLOAT:
		return "a float";
	case TOML_TYPE_BOOLEAN:
		return "a boolean";
	case TOML_TYPE_ARRAY:
		return "an array";
	case TOML_TYPE_TABLE:
		return "a table";
	}
	return "nothing";
}

void toml_free(struct toml *t)
{
	if (!t)
		return;
	for (struct toml *c = t->first, *next; c; c = next) {
		next = c->next;
		toml_free(c);
	}
	free(t->key);
	free(t->string);
	free(t);
}

const struct toml *toml_get(const struct toml *table, const char *key)
{
	if (!table || table->type != TOML_TYPE_TABLE)
		return NULL;
	for (const struct toml *c = table->first; c; c = c->next)
		if (strcmp(c->key, key) == 0)
			return c;
	return NULL;
}

static struct toml *find(struct toml *table, const char *key)
{
	return (struct toml *)toml_get(table, key);
}

/* Append a child; takes ownership of *key.  A table's children have a key, an array's have none. */
static int add(struct parser *ps, struct toml *parent, char **key, enum toml_type type,
	       enum how how, struct toml **ret)
{
	struct toml *t;

	if (parent->type == TOML_TYPE_TABLE && parent->n >= TABLE_KEYS_MAX)
		return fail(ps, "more than %d keys in one table", TABLE_KEYS_MAX);
	t = xcalloc(1, sizeof(*t));
	t->type = type;
	t->line = ps->line;
	t->how = (unsigned char)how;
	if (key)
		t->key = take_ptr(*key);
	if (parent->last)
		parent->last->next = t;
	else
		parent->first = t;
	parent->last = t;
	parent->n++;
	*ret = t;
	return 0;
}

/* --- characters --- */

static int peek(const struct parser *ps)
{
	return ps->p < ps->end ? (unsigned char)*ps->p : -1;
}

static bool looking_at(const struct parser *ps, const char *s)
{
	size_t n = strlen(s);

	return (size_t)(ps->end - ps->p) >= n && memcmp(ps->p, s, n) == 0;
}

static void skip_blanks(struct parser *ps)
{
	while (peek(ps) == ' ' || peek(ps) == '\t')
		ps->p++;
}

static bool at_newline(const struct parser *ps)
{
	return peek(ps) == '\n' || looking_at(ps, "\r\n");
}

static void skip_newline(struct parser *ps)
{
	ps->p += peek(ps) == '\r' ? 2 : 1;
	ps->line++;
}

static bool is_control(int c)
{
	return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f;
}

static int skip_comment(struct parser *ps)
{
	if (peek(ps) != '#')
		return 0;
	while (ps->p < ps->end && !at_newline(ps)) {
		if (is_control(peek(ps)))
			return fail(ps, "control character 0x%02x in a comment", peek(ps));
		ps->p++;
	}
	return 0;
}

/* Skip blanks, comments and newlines, inside of arrays and between lines. */
static int skip_space(struct parser *ps)
{
	for (;;) {
		int r;

		skip_blanks(ps);
		r = skip_comment(ps);
		if (r < 0)
			return r;
		if (!at_newline(ps))
			return 0;
		skip_newline(ps);
	}
}

static int end_line(struct parser *ps)
{
	int r;

	skip_blanks(ps);
	r = skip_comment(ps);
	if (r < 0)
		return r;
	if (ps->p == ps->end)
		return 0;
	if (!at_newline(ps))
		return fail(ps, "unexpected text after the value; one entry a line");
	skip_newline(ps);
	return 0;
}

/* --- strings --- */

static void add_utf8(struct buf *b, uint32_t c)
{
	char s[4];
	size_t n = 0;

	if (c < 0x80) {
		s[n++] = (char)c;
	} else if (c < 0x800) {
		s[n++] = (char)(0xc0 | c >> 6);
		s[n++] = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		s[n++] = (char)(0xe0 | c >> 12);
		s[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		s[n++] = (char)(0x80 | (c & 0x3f));
	} else {
		s[n++] = (char)(0xf0 | c >> 18);
		s[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		s[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		s[n++] = (char)(0x80 | (c & 0x3f));
	}
	buf_add(b, s, n);
}

static int hex_value(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int parse_unicode(struct parser *ps, int digits, struct buf *b)
{
	uint32_t c = 0;

	for (int i = 0; i < digits; i++) {
		int v = hex_value(peek(ps));

		if (v < 0)
			return fail(ps, "an escape needs %d hex digits", digits);
		c = c << 4 | (uint32_t)v;
		ps->p++;
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return fail(ps, "escaped character U+%04X is not allowed", c);
	add_utf8(b, c);
	return 0;
}

/* Parse the characters after the backslash. */
static int parse_escape(struct parser *ps, struct buf *b)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	int c = peek(ps);
	const char *at = c > 0 ? strchr(from, c) : NULL;

	if (c == 'u' || c == 'U') {
		ps->p++;
		return parse_unicode(ps, c == 'u' ? 4 : 8, b);
	}
	if (!at)
		return fail(ps, "unknown escape in a string; write \\\\ for a backslash");
	buf_add(b, &to[at - from], 1);
	ps->p++;
	return 0;
}

static int parse_string_line(struct parser *ps, char quote, struct buf *b)
{
	int first = ps->line;

	ps->p++;
	for (;;) {
		int c = peek(ps);
		int r;

		if (c < 0 || c == '\n')
			return fail_at(ps, first, "the string does not end on its line");
		if (is_control(c))
			return fail(ps, "control character 0x%02x in a string; escape it", c);
		ps->p++;
		if (c == quote)
			return 0;
		if (c == '\\' && quote == '"') {
			r = parse_escape(ps, b);
			if (r < 0)
				return r;
		} else {
			buf_add(b, ps->p - 1, 1);
		}
	}
}

/* Skip a backslash at the end of a line, the newline and the blanks after it.  true: skipped. */
static bool skip_line_end(struct parser *ps)
{
	struct parser look = *ps;

	look.p++;
	skip_blanks(&look);
	if (!at_newline(&look))
		return false;
	while (at_newline(&look)) {
		skip_newline(&look);
		skip_blanks(&look);
	}
	ps->p = look.p;
	ps->line = look.line;
	return true;
}

static int parse_string_lines(struct parser *ps, char quote, struct buf *b)
{
	const char three[] = { quote, quote, quote, '\0' };
	int first = ps->line;

	ps->p += 3;
	if (at_newline(ps))
		skip_newline(ps);
	for (;;) {
		int c = peek(ps);
		int r;

		if (c < 0)
			return fail_at(ps, first, "the string that starts here does not end");
		if (looking_at(ps, three)) {
			/* Up to two quotes may precede the closing delimiter. */
			for (int i = 0; i < 2 && ps->end - ps->p > 3 && ps->p[3] == quote; i++)
				buf_add(b, ps->p++, 1);
			ps->p += 3;
			return 0;
		}
		if (at_newline(ps)) {
			buf_add(b, "\n", 1);
			skip_newline(ps);
		} else if (is_control(c)) {
			return fail(ps, "control character 0x%02x in a string; escape it", c);
		} else if (c != '\\' || quote != '"') {
			buf_add(b, ps->p++, 1);
		} else if (!skip_line_end(ps)) {
			ps->p++;
			r = parse_escape(ps, b);
			if (r < 0)
				return r;
		}
	}
}

static int parse_string(struct parser *ps, char **ret)
{
	_cleanup_buf_ struct buf b = BUF_NULL;
	char quote = *ps->p;
	bool lines = looking_at(ps, quote == '"' ? "\"\"\"" : "'''");
	int r = lines ? parse_string_lines(ps, quote, &b) : parse_string_line(ps, quote, &b);

	if (r < 0)
		return r;
	*ret = buf_take(&b);
	return 0;
}

/* --- numbers and booleans --- */

static bool is_bare(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '-';
}

/* Drop underscores, which must be between digits: 0, or -1. */
static int drop_underscores(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++) {
		if (*p == '_') {
			if (p == s || hex_value(p[-1]) < 0 || hex_value(p[1]) < 0)
				return -1;
			continue;
		}
		*to++ = *p;
	}
	*to = '\0';
	return 0;
}

/* Digits of a base, without sign and prefix: 0; -1: not a number; -2: too large. */
static int digits_to_u64(const char *s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		int d = hex_value((unsigned char)*s);

		if (d < 0 || (unsigned)d >= base)
			return -1;
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return -2;
	}
	*ret = v;
	return 0;
}

/* 0; -1: not an integer; -2: out of range. */
static int token_to_i64(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	unsigned base = 10;
	uint64_t v;
	int r;

	if (*s == '+' || *s == '-')
		s++;
	else if (s[0] == '0' && (s[1] == 'x' || s[1] == 'o' || s[1] == 'b'))
		base = s[1] == 'x' ? 16 : s[1] == 'o' ? 8 : 2;
	if (base != 10)
		s += 2;
	else if (s[0] == '0' && s[1])
		return -1; /* a leading zero */
	r = digits_to_u64(s, base, &v);
	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return -2;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

/* Accept only digits[.digits][e[+-]digits], a subset of strtod's syntax. */
static int token_to_double(const char *s, double *ret)
{
	const char *p = s + (*s == '+' || *s == '-');
	size_t n;

	if (strcmp(p, "inf") == 0 || strcmp(p, "nan") == 0) {
		*ret = strcmp(p, "nan") == 0 ? (double)NAN
		       : *s == '-'	     ? -(double)INFINITY
					     : (double)INFINITY;
		return 0;
	}
	n = strspn(p, "0123456789");
	if (n == 0 || (n > 1 && p[0] == '0'))
		return -1;
	p += n;
	if (*p == '.') {
		n = strspn(++p, "0123456789");
		if (n == 0)
			return -1;
		p += n;
	}
	if (*p == 'e' || *p == 'E') {
		p += 1 + (p[1] == '+' || p[1] == '-');
		n = strspn(p, "0123456789");
		if (n == 0)
			return -1;
		p += n;
	}
	if (*p)
		return -1;
	*ret = strtod(s, NULL);
	return 0;
}

static bool looks_like_date(const char *s)
{
	return strspn(s, "0123456789") == 4 ? s[4] == '-'
					    : strspn(s, "0123456789") == 2 && s[2] == ':';
}

static int set_token(struct parser *ps, char *s, struct toml *t)
{
	int r;

	if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
		t->type = TOML_TYPE_BOOLEAN;
		t->boolean = s[0] == 't';
		return 0;
	}
	if (looks_like_date(s))
		return fail(ps, "dates and times are not supported; write \"%s\"", s);
	if (drop_underscores(s) < 0)
		return fail(ps, "an underscore in a number stands between digits");
	r = token_to_i64(s, &t->integer);
	if (r == -2)
		return fail(ps, "%s does not fit in 64 bits", s);
	if (r == 0) {
		t->type = TOML_TYPE_INTEGER;
		return 0;
	}
	if (token_to_double(s, &t->number) < 0)
		return fail(ps, "%s is not a value; a string needs quotes", s);
	t->type = TOML_TYPE_FLOAT;
	return 0;
}

static int parse_token(struct parser *ps, struct toml *t)
{
	char s[TOKEN_MAX];
	size_t n = 0;

	while (is_bare(peek(ps)) || peek(ps) == '+' || peek(ps) == '.' || peek(ps) == ':') {
		if (n == sizeof(s) - 1)
			return fail(ps, "the value is too long; a string needs quotes");
		s[n++] = *ps->p++;
	}
	s[n] = '\0';
	if (n == 0 && (ps->p == ps->end || at_newline(ps) || peek(ps) == '#'))
		return fail(ps, "the value is missing");
	if (n == 0)
		return fail(ps, "a value cannot start with '%c'",
			    is_control(*ps->p) ? '?' : *ps->p);
	return set_token(ps, s, t);
}

/* --- keys --- */

/* The parts of a dotted key. */
struct dotted_key {
	char *part[DEPTH_MAX];
	size_t n;
};

static void key_done(struct dotted_key *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->part[i]);
}

static int parse_key_part(struct parser *ps, char **ret)
{
	const char *start = ps->p;

	if (looking_at(ps, "\"\"\"") || looking_at(ps, "'''"))
		return fail(ps, "a key cannot be a multi-line string");
	if (peek(ps) == '"' || peek(ps) == '\'')
		return parse_string(ps, ret);
	while (is_bare(peek(ps)))
		ps->p++;
	if (ps->p == start)
		return fail(ps, "a key is expected here: letters, digits, _ and -, or in quotes");
	*ret = xstrndup(start, (size_t)(ps->p - start));
	return 0;
}

static int parse_key(struct parser *ps, struct dotted_key *k)
{
	for (;;) {
		int r;

		if (k->n == DEPTH_MAX)
			return fail(ps, "a key of more than %d parts", DEPTH_MAX);
		skip_blanks(ps);
		r = parse_key_part(ps, &k->part[k->n]);
		if (r < 0)
			return r;
		k->n++;
		skip_blanks(ps);
		if (peek(ps) != '.')
			return 0;
		ps->p++;
	}
}

/* --- values --- */

static int parse_value(struct parser *ps, struct toml *t);
static int parse_pair(struct parser *ps, struct toml *table);

static int parse_array(struct parser *ps, struct toml *t)
{
	int first = ps->line;

	t->type = TOML_TYPE_ARRAY;
	ps->p++;
	for (;;) {
		struct toml *item;
		int r = skip_space(ps);

		if (r < 0)
			return r;
		if (peek(ps) == ']')
			break;
		if (t->n && peek(ps) != ',')
			return fail_at(ps, ps->p == ps->end ? first : ps->line,
				       "a comma or ] is missing in the array");
		if (t->n) {
			ps->p++;
			r = skip_space(ps);
			if (r < 0)
				return r;
			if (peek(ps) == ']')
				break; /* a trailing comma is allowed */
		}
		if (ps->p == ps->end)
			return fail_at(ps, first, "the array that starts here does not end");
		r = add(ps, t, NULL, TOML_TYPE_STRING, HOW_VALUE, &item);
		if (r < 0)
			return r;
		r = parse_value(ps, item);
		if (r < 0)
			return r;
	}
	ps->p++;
	return 0;
}

static int parse_inline_table(struct parser *ps, struct toml *t)
{
	t->type = TOML_TYPE_TABLE;
	ps->p++;
	skip_blanks(ps);
	if (peek(ps) == '}') {
		ps->p++;
		return 0;
	}
	for (;;) {
		int r = parse_pair(ps, t);

		if (r < 0)
			return r;
		skip_blanks(ps);
		if (peek(ps) == '}')
			break;
		if (peek(ps) != ',')
			return fail(ps, "a comma or } is missing; { } stands on one line");
		ps->p++;
	}
	ps->p++;
	return 0;
}

static int parse_value(struct parser *ps, struct toml *t)
{
	int c = peek(ps);
	int r;

	if (c == '"' || c == '\'') {
		t->type = TOML_TYPE_STRING;
		return parse_string(ps, &t->string);
	}
	if (c != '[' && c != '{')
		return parse_token(ps, t);
	if (ps->depth == DEPTH_MAX)
		return fail(ps, "more than %d levels of [ and {", DEPTH_MAX);
	ps->depth++;
	r = c == '[' ? parse_array(ps, t) : parse_inline_table(ps, t);
	ps->depth--;
	return r;
}

/* Find or make the table named by all parts of a dotted key but the last. */
static int enter_dotted(struct parser *ps, struct toml **table, struct dotted_key *k)
{
	for (size_t i = 0; i + 1 < k->n; i++) {
		struct toml *t = find(*table, k->part[i]);
		int r;

		if (!t) {
			r = add(ps, *table, &k->part[i], TOML_TYPE_TABLE, HOW_DOTTED, &t);
			if (r < 0)
				return r;
		} else if (t->type != TOML_TYPE_TABLE || t->how != HOW_DOTTED) {
			return fail(ps, "%s is defined on line %d and cannot be added to here",
				    k->part[i], t->line);
		}
		*table = t;
	}
	return 0;
}

static int parse_pair(struct parser *ps, struct toml *table)
{
	_cleanup_(key_done) struct dotted_key k = { .n = 0 };
	struct toml *t;
	int r = parse_key(ps, &k);

	if (r < 0)
		return r;
	if (peek(ps) != '=')
		return fail(ps, "= is missing after key %s", k.part[k.n - 1]);
	ps->p++;
	skip_blanks(ps);
	r = enter_dotted(ps, &table, &k);
	if (r < 0)
		return r;
	t = find(table, k.part[k.n - 1]);
	if (t)
		return fail(ps, "%s is defined twice; the first time on line %d", k.part[k.n - 1],
			    t->line);
	r = add(ps, table, &k.part[k.n - 1], TOML_TYPE_STRING, HOW_VALUE, &t);
	if (r < 0)
		return r;
	return parse_value(ps, t);
}

/* --- headers --- */

/* Walk from the root along all parts but the last one. */
static int enter_header(struct parser *ps, struct toml **table, struct dotted_key *k)
{
	for (size_t i = 0; i + 1 < k->n; i++) {
		struct toml *t = find(*table, k->part[i]);
		int r;

		if (!t) {
			r = add(ps, *table, &k->part[i], TOML_TYPE_TABLE, HOW_IMPLICIT, &t);
			if (r < 0)
				return r;
		}
		if (t->type == TOML_TYPE_ARRAY && t->how == HOW_LIST)
			t = t->last; /* [[a]] then [a.b]: b of the latest a */
		if (t->type != TOML_TYPE_TABLE || t->how == HOW_VALUE)
			return fail(ps, "%s is %s defined on line %d, not a table to add to",
				    k->part[i], toml_type_name(t->type), t->line);
		*table = t;
	}
	return 0;
}

static int define_table(struct parser *ps, struct toml *parent, struct dotted_key *k,
			struct toml **ret)
{
	struct toml *t = find(parent, k->part[k->n - 1]);

	if (!t)
		return add(ps, parent, &k->part[k->n - 1], TOML_TYPE_TABLE, HOW_HEADER, ret);
	if (t->how != HOW_IMPLICIT)
		return fail(ps, "%s is defined twice; the first time on line %d", k->part[k->n - 1],
			    t->line);
	t->how = HOW_HEADER;
	t->line = ps->line;
	*ret = t;
	return 0;
}

static int define_list_item(struct parser *ps, struct toml *parent, struct dotted_key *k,
			    struct toml **ret)
{
	struct toml *t = find(parent, k->part[k->n - 1]);
	int r = 0;

	if (!t)
		r = add(ps, parent, &k->part[k->n - 1], TOML_TYPE_ARRAY, HOW_LIST, &t);
	else if (t->how != HOW_LIST)
		r = fail(ps, "%s is %s defined on line %d, not an array of tables",
			 k->part[k->n - 1], toml_type_name(t->type), t->line);
	if (r < 0)
		return r;
	return add(ps, t, NULL, TOML_TYPE_TABLE, HOW_HEADER, ret);
}

static int parse_header(struct parser *ps, struct toml *root, struct toml **ret)
{
	_cleanup_(key_done) struct dotted_key k = { .n = 0 };
	bool list = looking_at(ps, "[[");
	struct toml *parent = root;
	int r;

	ps->p += list ? 2 : 1;
	r = parse_key(ps, &k);
	if (r < 0)
		return r;
	if (!looking_at(ps, list ? "]]" : "]"))
		return fail(ps, "%s is missing after the table's name", list ? "]]" : "]");
	ps->p += list ? 2 : 1;
	r = enter_header(ps, &parent, &k);
	if (r < 0)
		return r;
	return list ? define_list_item(ps, parent, &k, ret) : define_table(ps, parent, &k, ret);
}

static int parse_lines(struct parser *ps, struct toml *root)
{
	struct toml *table = root;
	int r;

	for (;;) {
		r = skip_space(ps);
		if (r < 0)
			return r;
		if (ps->p == ps->end)
			return 0;
		r = peek(ps) == '[' ? parse_header(ps, root, &table) : parse_pair(ps, table);
		if (r < 0)
			return r;
		r = end_line(ps);
		if (r < 0)
			return r;
	}
}

/* The first line with invalid UTF-8, for the error. */
static int line_of_bad_byte(const char *text, size_t size)
{
	int line = 1;

	while (size) {
		const char *nl = memchr(text, '\n', size);
		size_t n = nl ? (size_t)(nl - text) + 1 : size;

		if (!str_is_utf8(text, n))
			break;
		text += n;
		size -= n;
		line++;
	}
	return line;
}

int toml_parse(const char *text, size_t size, const char *name, struct toml **ret, struct err *e)
{
	_cleanup_(toml_freep) struct toml *root = xcalloc(1, sizeof(*root));
	struct parser ps = { .p = text, .end = text + size, .name = name, .line = 1, .e = e };
	int r;

	root->type = TOML_TYPE_TABLE;
	root->how = HOW_HEADER;
	root->line = 1;
	if (!str_is_utf8(text, size))
		return fail_at(&ps, line_of_bad_byte(text, size), "the line is not UTF-8");
	if (looking_at(&ps, "\xef\xbb\xbf"))
		ps.p += 3;
	r = parse_lines(&ps, root);
	if (r < 0)
		return r;
	*ret = take_ptr(root);
	return 0;
}

int toml_load(const char *path, struct toml **ret, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_trusted(path, LIMIT_CONF_FILE, &text, e);

	if (r)
		return r;
	return toml_parse(text.data ? text.data : "", text.len, path, ret, e);
}
