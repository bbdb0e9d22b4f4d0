/*
 * challenge.c - parse challenges character by character.
 */
#include "pull/fetch/challenge.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/util.h"

#define VALUE_MAX 4096 /* bytes of one parameter */

void challenge_done(struct challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	*c = CHALLENGE_NULL;
}

static size_t token_length(const char *s)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return strspn(s, token);
}

static const char *skip(const char *s, const char *set)
{
	return s + strspn(s, set);
}

/* Parse a token or quoted string; NULL: malformed or too long. */
static const char *parse_value(const char *s, struct buf *ret)
{
	if (*s != '"') {
		size_t n = token_length(s);

		buf_add(ret, s, n);
		return n && n <= VALUE_MAX ? s + n : NULL;
	}
	for (s++; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		if (ret->len >= VALUE_MAX)
			return NULL;
		buf_add(ret, s, 1);
	}
	return *s == '"' ? s + 1 : NULL;
}

static void set_param(struct challenge *c, const char *name, size_t n, struct buf *value)
{
	char **at = n == 5 && strncasecmp(name, "realm", n) == 0     ? &c->realm
		    : n == 7 && strncasecmp(name, "service", n) == 0 ? &c->service
		    : n == 5 && strncasecmp(name, "scope", n) == 0   ? &c->scope
								     : NULL;

	if (!at)
		return;
	free(*at);
	*at = buf_take(value);
}

/* Parse "name=value, name=value" after a scheme; stops before the next scheme. */
static const char *parse_params(const char *s, struct challenge *c)
{
	for (;;) {
		_cleanup_buf_ struct buf value = BUF_NULL;
		const char *name = skip(s, " \t,");
		size_t n = token_length(name);
		const char *rest = skip(name + n, " \t");

		if (!n || *rest != '=')
			return name;
		rest = parse_value(skip(rest + 1, " \t"), &value);
		if (!rest)
			return "";
		set_param(c, name, n, &value);
		s = rest;
	}
}

static enum challenge_scheme scheme_of(const char *s, size_t n)
{
	if (n == 6 && strncasecmp(s, "bearer", n) == 0)
		return CHALLENGE_SCHEME_BEARER;
	if (n == 5 && strncasecmp(s, "basic", n) == 0)
		return CHALLENGE_SCHEME_BASIC;
	return CHALLENGE_SCHEME_NONE;
}

void challenge_parse(const char *value, struct challenge *c)
{
	const char *s = skip(value, " \t,");

	while (*s) {
		struct challenge found = CHALLENGE_NULL;
		size_t n = token_length(s);

		if (!n)
			return;
		found.scheme = scheme_of(s, n);
		s = parse_params(s + n, &found);
		if (found.scheme == CHALLENGE_SCHEME_BEARER && (!found.realm || !*found.realm))
			found.scheme = CHALLENGE_SCHEME_NONE;
		if (found.scheme > c->scheme) {
			challenge_done(c);
			*c = found;
		} else {
			challenge_done(&found);
		}
	}
}
