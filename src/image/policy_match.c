/*
 * policy_match.c - the names of policy.h: normal forms, scope names, and identity rules.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"
#include "image/policy.h"

#define DEFAULT_HOST "docker.io"

int policy_ref_parse(const char *text, struct image_ref *ret, struct err *e)
{
	int r = image_ref_parse(text, ret, e);

	if (r < 0)
		return r;
	if (!*ret->domain || strcmp(ret->domain, "index." DEFAULT_HOST) == 0) {
		free(ret->domain);
		ret->domain = xstrdup(DEFAULT_HOST);
	}
	if (strcmp(ret->domain, DEFAULT_HOST) == 0 && !strchr(ret->path, '/')) {
		char *path = xasprintf("library/%s", ret->path);

		free(ret->path);
		ret->path = path;
	}
	return 0;
}

/* name[:tag][@digest]; malloc'ed. */
static char *ref_text(const struct image_ref *r)
{
	return xasprintf("%s/%s%s%s%s%s", r->domain, r->path, *r->tag ? ":" : "", r->tag,
			 *r->digest ? "@" : "", r->digest);
}

int policy_ref_copy(const struct image_ref *ref, struct image_ref *ret, struct err *e)
{
	_cleanup_free_ char *name = image_ref_name(ref), *text = NULL;
	bool digest = *ref->digest;

	text = xasprintf("%s%s%s", name, digest ? "@" : ":",
			 digest	     ? ref->digest
			 : *ref->tag ? ref->tag
				     : "latest");
	return policy_ref_parse(text, ret, e);
}

static void add(char ***list, size_t *n, char *name)
{
	*list = xrealloc(*list, (*n + 2) * sizeof(char *));
	(*list)[(*n)++] = name;
	(*list)[*n] = NULL;
}

char **policy_names(const struct image_ref *ref)
{
	_cleanup_free_ char *name = image_ref_name(ref);
	char **list = NULL, *end;
	size_t n = 0;

	add(&list, &n, ref_text(ref));
	for (;;) {
		add(&list, &n, xstrdup(name));
		end = strrchr(name, '/');
		if (!end)
			break;
		*end = '\0';
	}
	name[strcspn(name, ":")] = '\0';
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
		add(&list, &n, xasprintf("*%s", dot));
	return list;
}

void policy_names_free(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

static bool same_repository(const struct image_ref *a, const struct image_ref *b)
{
	return strcmp(a->domain, b->domain) == 0 && strcmp(a->path, b->path) == 0;
}

static bool same_reference(const struct image_ref *a, const struct image_ref *b)
{
	return same_repository(a, b) && strcmp(a->tag, b->tag) == 0 &&
	       strcmp(a->digest, b->digest) == 0;
}

/* A digest already selects the manifest; a tag must match the signed one. */
static bool repo_digest_or_exact(const struct image_ref *ref, const struct image_ref *signed_as)
{
	return *ref->digest ? same_repository(ref, signed_as) : same_reference(ref, signed_as);
}

static bool remapped_fits(const struct policy_identity *id, const struct image_ref *ref,
			  const struct image_ref *signed_as)
{
	_cleanup_free_ char *name = image_ref_name(ref), *text = NULL, *mapped = NULL;
	_cleanup_free_ char *full = NULL;
	size_t n = strlen(id->prefix);
	struct image_ref other = IMAGE_REF_NULL;
	struct err ignored = ERR_NULL;
	bool fits;

	if (!str_starts(name, id->prefix) || (name[n] && name[n] != '/'))
		return repo_digest_or_exact(ref, signed_as);
	text = ref_text(ref);
	mapped = xasprintf("%s%s", id->signed_prefix, text + n);
	if (policy_ref_parse(mapped, &other, &ignored) < 0)
		return false;
	/* The mapped name must parse as a full name, not become another one. */
	full = ref_text(&other);
	fits = strcmp(full, mapped) == 0 && repo_digest_or_exact(&other, signed_as);
	image_ref_done(&other);
	return fits;
}

bool policy_identity_fits(const struct policy_identity *id, const struct image_ref *ref,
			  const struct image_ref *signed_as)
{
	switch (id->match) {
	case POLICY_MATCH_REPO_DIGEST_OR_EXACT:
		return repo_digest_or_exact(ref, signed_as);
	case POLICY_MATCH_EXACT:
		return same_reference(ref, signed_as);
	case POLICY_MATCH_REPOSITORY:
		return same_repository(ref, signed_as);
	case POLICY_MATCH_EXACT_REFERENCE:
		return same_reference(&id->ref, signed_as);
	case POLICY_MATCH_EXACT_REPOSITORY:
		return same_repository(&id->ref, signed_as);
	case POLICY_MATCH_REMAP:
		return remapped_fits(id, ref, signed_as);
	}
	return false;
}
