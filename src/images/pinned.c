/*
 * pinned.c - match image names with the patterns of the configuration.
 */
#include "images/pinned.h"

#include <string.h>

#include "base/str.h"
#include "base/util.h"

static bool fits(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);
	_cleanup_free_ char *part = NULL;

	if (!str_ends(pattern, "*"))
		return strcmp(pattern, name) == 0;
	if (n > 1 && pattern[0] == '*') {
		part = xstrndup(pattern + 1, n - 2);
		return strstr(name, part);
	}
	return strncmp(pattern, name, n - 1) == 0;
}

static bool any_fits(const char *pattern, char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fits(pattern, names[i]))
			return true;
	return false;
}

static bool names_fit(const char *pattern, const Crisp__State__Image *i)
{
	return any_fits(pattern, i->tags, i->n_tags) || any_fits(pattern, i->digests, i->n_digests);
}

bool pinned_image(const struct conf *c, const Crisp__State__Image *image)
{
	for (size_t k = 0; c->pinned_images && c->pinned_images[k]; k++)
		if (names_fit(c->pinned_images[k], image))
			return true;
	return *c->pause_image && names_fit(c->pause_image, image);
}
