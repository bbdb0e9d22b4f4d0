/*
 * name.c - the grammar of device names, as the tools of the CDI project have it.
 */
#include "cdi/name.h"

#include <string.h>

#include "base/util.h"

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alphanumeric(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9');
}

/* Letters and digits, with the characters of inner between the first and the last. */
static bool is_word(const char *s, size_t n, const char *inner)
{
	for (size_t i = 0; i < n; i++)
		if (!is_alphanumeric(s[i]) && (i == 0 || i + 1 == n || !strchr(inner, s[i])))
			return false;
	return n > 0;
}

static bool is_segment(const char *s, size_t n)
{
	return n > 0 && is_letter(s[0]) && is_word(s, n, "_-.");
}

bool cdi_is_kind(const char *text)
{
	const char *slash = strchr(text, '/');

	return slash && is_segment(text, (size_t)(slash - text)) &&
	       is_segment(slash + 1, strlen(slash + 1));
}

bool cdi_is_device(const char *text)
{
	return is_word(text, strlen(text), "_-.:");
}

int cdi_name_check(const char *text, size_t *ret_kind, struct err *e)
{
	const char *equal = strchr(text, '=');
	_cleanup_free_ char *kind = xstrndup(text, equal ? (size_t)(equal - text) : 0);

	if (!equal || !cdi_is_kind(kind) || !cdi_is_device(equal + 1))
		return err_set(e, ERR_INVALID,
			       "\"%.256s\" is not a device's full name, like vendor.com/class=name",
			       text);
	*ret_kind = (size_t)(equal - text);
	return 0;
}
