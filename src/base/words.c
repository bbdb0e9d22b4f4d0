/*
 * words.c - refuse commands that execve cannot start, before a request stores anything.
 */
#include "base/words.h"

#include <string.h>

static int add(const char *field, size_t at, size_t size, size_t *total, struct err *e)
{
	if (size > WORDS_ONE_MAX)
		return err_set(e, ERR_INVALID,
			       "%s[%zu]: %zu bytes, execve takes at most %zu in one string", field,
			       at, size - 1, WORDS_ONE_MAX - 1);
	*total += size + sizeof(char *);
	if (*total > WORDS_ALL_MAX)
		return err_set(e, ERR_INVALID,
			       "%s: more than %zu bytes in all, which is what execve takes: pass "
			       "large data through stdin or a mount",
			       field, WORDS_ALL_MAX);
	return 0;
}

int words_check(const char *field, char *const *words, size_t n, size_t *total, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = add(field, i, strlen(words[i]) + 1, total, e);
	return r;
}

int words_check_variable(const char *field, const char *name, size_t value_size, size_t *total,
			 struct err *e)
{
	size_t size = strlen(name) + value_size + 2;

	if (size > WORDS_ONE_MAX)
		return err_set(e, ERR_INVALID,
			       "%s: %.64s=... has %zu bytes, execve takes at most %zu in one "
			       "string",
			       field, name, size - 1, WORDS_ONE_MAX - 1);
	return add(field, 0, size, total, e);
}
