/*
 * annotations.c - append to an image's annotations within the limit.
 */
#include "image/annotations.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define ANNOTATIONS_MAX 128 /* entries */

static size_t size_of(const Crisp__State__Annotation *a)
{
	return strlen(a->key) + strlen(a->value);
}

static size_t size_of_all(Crisp__State__Annotation *const *list, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += size_of(list[i]);
	return size;
}

static Crisp__State__Annotation *find(const struct annotations *a, const char *key)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->list[i]->key, key) == 0)
			return a->list[i];
	return NULL;
}

static void replace(char **field, const char *value)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = xstrdup(value);
}

void annotations_put(struct annotations *a, const char *key, const char *value)
{
	Crisp__State__Annotation *to = find(a, key);
	size_t others = size_of_all(a->list, a->n) - (to ? size_of(to) : 0);

	if (!*key || (!to && a->n == ANNOTATIONS_MAX) ||
	    others + strlen(key) + strlen(value) > LIMIT_ANNOTATIONS)
		return;
	if (!to) {
		to = xmalloc(sizeof(*to));
		crisp__state__annotation__init(to);
		replace(&to->key, key);
		a->list = xrealloc(a->list, (a->n + 1) * sizeof(struct Crisp__State__Annotation *));
		a->list[a->n++] = to;
	}
	replace(&to->value, value);
}

void annotations_done(struct annotations *a)
{
	for (size_t i = 0; i < a->n; i++)
		crisp__state__annotation__free_unpacked(a->list[i], NULL);
	free(a->list);
	*a = ANNOTATIONS_NULL;
}

bool annotations_are_of_checkpoint(Crisp__State__Annotation *const *list, size_t n)
{
	static const char *const keys[] = { "io.kubernetes.cri-o.annotations.checkpoint.name",
					    "org.criu.checkpoint.container.name" };

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			if (strcmp(list[i]->key, keys[k]) == 0)
				return true;
	return false;
}

bool annotations_are_valid(Crisp__State__Annotation *const *list, size_t n)
{
	if (n > ANNOTATIONS_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!*list[i]->key || !str_is_utf8(list[i]->key, strlen(list[i]->key)) ||
		    !str_is_utf8(list[i]->value, strlen(list[i]->value)))
			return false;
	return size_of_all(list, n) <= LIMIT_ANNOTATIONS;
}
