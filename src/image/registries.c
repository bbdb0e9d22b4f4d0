/*
 * registries.c - see registries.h.
 */
#include "image/registries.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/toml.h"

#define ENTRIES_MAX 4096 /* registries, mirrors of one, aliases */

enum pull_from {
	PULL_FROM_ALL,
	PULL_FROM_DIGEST_ONLY,
	PULL_FROM_TAG_ONLY,
};

struct mirror {
	char *location;
	bool insecure;
	enum pull_from from;
};

struct registry {
	char *prefix, *location;
	bool insecure, blocked, digest_only;
	struct mirror *mirrors;
	size_t n_mirrors;
};

struct alias {
	char *name, *target;
};

struct registries {
	char **search;
	size_t n_search;
	struct registry *list;
	size_t n;
	struct alias *aliases;
	size_t n_aliases;
};

static void registry_done(struct registry *r)
{
	for (size_t i = 0; i < r->n_mirrors; i++)
		free(r->mirrors[i].location);
	free(r->mirrors);
	free(r->prefix);
	free(r->location);
}

static void search_clear(struct registries *r)
{
	for (size_t i = 0; i < r->n_search; i++)
		free(r->search[i]);
	free(r->search);
	r->search = NULL;
	r->n_search = 0;
}

void registries_free(struct registries *r)
{
	if (!r)
		return;
	search_clear(r);
	for (size_t i = 0; i < r->n; i++)
		registry_done(&r->list[i]);
	for (size_t i = 0; i < r->n_aliases; i++) {
		free(r->aliases[i].name);
		free(r->aliases[i].target);
	}
	free(r->list);
	free(r->aliases);
	free(r);
}

static int check_type(const struct toml *v, enum toml_type type, const char *file, struct err *e)
{
	if (v->type == type)
		return 0;
	return err_set(e, ERR_PRECONDITION, "%s:%d: %s is %s, not %s", file, v->line,
		       v->key ? v->key : "an element", toml_type_name(v->type),
		       toml_type_name(type));
}

static int get_string(const struct toml *table, const char *key, const char *file, char **ret,
		      struct err *e)
{
	const struct toml *v = toml_get(table, key);

	*ret = NULL;
	if (!v)
		return 0;
	if (check_type(v, TOML_TYPE_STRING, file, e) < 0)
		return -(int)e->code;
	*ret = *v->string ? xstrdup(v->string) : NULL;
	return 0;
}

static int get_bool(const struct toml *table, const char *key, const char *file, bool *ret,
		    struct err *e)
{
	const struct toml *v = toml_get(table, key);

	*ret = v && v->boolean;
	return v ? check_type(v, TOML_TYPE_BOOLEAN, file, e) : 0;
}

static int load_mirror(const struct toml *v, const char *file, struct mirror *m, struct err *e)
{
	_cleanup_free_ char *from = NULL;
	int r = check_type(v, TOML_TYPE_TABLE, file, e);

	r = r < 0 ? r : get_string(v, "location", file, &m->location, e);
	r = r < 0 ? r : get_bool(v, "insecure", file, &m->insecure, e);
	r = r < 0 ? r : get_string(v, "pull-from-mirror", file, &from, e);
	if (r < 0)
		return r;
	if (!m->location)
		return err_set(e, ERR_PRECONDITION, "%s:%d: a mirror without location", file,
			       v->line);
	if (!from || strcmp(from, "all") == 0)
		m->from = PULL_FROM_ALL;
	else if (strcmp(from, "digest-only") == 0)
		m->from = PULL_FROM_DIGEST_ONLY;
	else if (strcmp(from, "tag-only") == 0)
		m->from = PULL_FROM_TAG_ONLY;
	else
		return err_set(e, ERR_PRECONDITION,
			       "%s:%d: pull-from-mirror \"%.40s\" is none of all, digest-only, "
			       "tag-only",
			       file, v->line, from);
	return 0;
}

static int load_mirrors(const struct toml *table, const char *file, struct registry *g,
			struct err *e)
{
	const struct toml *list = toml_get(table, "mirror");

	if (!list)
		return 0;
	if (check_type(list, TOML_TYPE_ARRAY, file, e) < 0)
		return -(int)e->code;
	g->mirrors = xcalloc(list->n + 1, sizeof(*g->mirrors));
	for (const struct toml *v = list->first; v; v = v->next)
		if (load_mirror(v, file, &g->mirrors[g->n_mirrors++], e) < 0)
			return -(int)e->code;
	return 0;
}

static int load_registry(const struct toml *v, const char *file, struct registry *g,
			 struct err *e)
{
	int r = check_type(v, TOML_TYPE_TABLE, file, e);

	r = r < 0 ? r : get_string(v, "prefix", file, &g->prefix, e);
	r = r < 0 ? r : get_string(v, "location", file, &g->location, e);
	r = r < 0 ? r : get_bool(v, "insecure", file, &g->insecure, e);
	r = r < 0 ? r : get_bool(v, "blocked", file, &g->blocked, e);
	r = r < 0 ? r : get_bool(v, "mirror-by-digest-only", file, &g->digest_only, e);
	r = r < 0 ? r : load_mirrors(v, file, g, e);
	if (r < 0)
		return r;
	if (!g->prefix && !g->location)
		return err_set(e, ERR_PRECONDITION,
			       "%s:%d: a registry needs a prefix or a location", file, v->line);
	if (!g->prefix)
		g->prefix = xstrdup(g->location);
	if (!g->location && str_starts(g->prefix, "*."))
		return 0;
	if (!g->location)
		g->location = xstrdup(g->prefix);
	return 0;
}

/* A later file's entry for a prefix replaces the earlier one. */
static void add_registry(struct registries *r, struct registry *g)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->list[i].prefix, g->prefix) == 0) {
			registry_done(&r->list[i]);
			r->list[i] = *g;
			return;
		}
	r->list = xrealloc(r->list, (r->n + 1) * sizeof(*r->list));
	r->list[r->n++] = *g;
}

static int load_list(struct registries *r, const struct toml *root, const char *file,
		     struct err *e)
{
	const struct toml *list = toml_get(root, "registry");

	if (!list)
		return 0;
	if (check_type(list, TOML_TYPE_ARRAY, file, e) < 0)
		return -(int)e->code;
	if (list->n + r->n > ENTRIES_MAX)
		return err_set(e, ERR_PRECONDITION, "%s: more than %d registries", file,
			       ENTRIES_MAX);
	for (const struct toml *v = list->first; v; v = v->next) {
		struct registry g = { .prefix = NULL };

		if (load_registry(v, file, &g, e) < 0) {
			registry_done(&g);
			return -(int)e->code;
		}
		add_registry(r, &g);
	}
	return 0;
}

static int load_search(struct registries *r, const struct toml *root, const char *file,
		       struct err *e)
{
	const struct toml *list = toml_get(root, "unqualified-search-registries");

	if (!list)
		return 0;
	if (check_type(list, TOML_TYPE_ARRAY, file, e) < 0)
		return -(int)e->code;
	search_clear(r);
	r->search = xcalloc(list->n + 1, sizeof(char *));
	for (const struct toml *v = list->first; v; v = v->next) {
		if (check_type(v, TOML_TYPE_STRING, file, e) < 0)
			return -(int)e->code;
		r->search[r->n_search++] = xstrdup(v->string);
	}
	return 0;
}

static int load_aliases(struct registries *r, const struct toml *root, const char *file,
			struct err *e)
{
	const struct toml *table = toml_get(root, "aliases");

	if (!table)
		return 0;
	if (check_type(table, TOML_TYPE_TABLE, file, e) < 0)
		return -(int)e->code;
	r->aliases = xrealloc(r->aliases, (r->n_aliases + table->n + 1) * sizeof(*r->aliases));
	for (const struct toml *v = table->first; v; v = v->next) {
		if (check_type(v, TOML_TYPE_STRING, file, e) < 0)
			return -(int)e->code;
		r->aliases[r->n_aliases++] = (struct alias){ xstrdup(v->key), xstrdup(v->string) };
	}
	return 0;
}

static int load_file(struct registries *r, const char *path, struct err *e)
{
	_cleanup_(toml_freep) struct toml *root = NULL;
	int ret = toml_load(path, &root, e);

	if (ret != 0)
		return ret < 0 ? ret : 0;
	ret = load_search(r, root, path, e);
	ret = ret < 0 ? ret : load_list(r, root, path, e);
	return ret < 0 ? ret : load_aliases(r, root, path, e);
}

static int is_conf(const struct dirent *d)
{
	return d->d_name[0] != '.' && str_ends(d->d_name, ".conf");
}

static int load_drop_ins(struct registries *r, const char *dir, struct err *e)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_conf, alphasort), ret = 0;

	if (n < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_errno(e, ERR_PRECONDITION, errno, "list %s", dir);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, names[i]->d_name);

		if (ret == 0)
			ret = load_file(r, path, e);
		free(names[i]);
	}
	free(names);
	return ret;
}

int registries_load(const char *path, struct registries **ret, struct err *e)
{
	_cleanup_(registries_freep) struct registries *r = xcalloc(1, sizeof(*r));
	_cleanup_free_ char *dir = xasprintf("%s.d", path);
	int result = 0;

	if (*path) {
		result = load_file(r, path, e);
		result = result < 0 ? result : load_drop_ins(r, dir, e);
	}
	if (result < 0)
		return result;
	*ret = take_ptr(r);
	return 0;
}

static void refs_add(struct image_refs *refs, struct image_ref *ref)
{
	refs->list = xrealloc(refs->list, (refs->n + 1) * sizeof(*refs->list));
	refs->list[refs->n++] = *ref;
}

void image_refs_done(struct image_refs *refs)
{
	for (size_t i = 0; i < refs->n; i++)
		image_ref_done(&refs->list[i]);
	free(refs->list);
	*refs = (struct image_refs){ .n = 0 };
}

/* name with the tag and digest of ref. */
static int add_named(struct image_refs *refs, const char *name, const struct image_ref *ref,
		     struct err *e)
{
	_cleanup_free_ char *text = xasprintf("%s%s%s%s%s", name, *ref->tag ? ":" : "", ref->tag,
					      *ref->digest ? "@" : "", ref->digest);
	struct image_ref full;
	int r = image_ref_parse(text, &full, e);

	if (r < 0)
		return err_wrap(e, "short name %s", ref->path);
	if (!*full.domain) {
		image_ref_done(&full);
		return err_set(e, ERR_PRECONDITION,
			       "short name %s becomes %s, which has no registry: correct "
			       "registries.conf",
			       ref->path, text);
	}
	refs_add(refs, &full);
	return 0;
}

int registries_expand(const struct registries *r, const struct image_ref *ref,
		      struct image_refs *ret, struct err *e)
{
	int result;

	*ret = (struct image_refs){ .n = 0 };
	if (*ref->domain) {
		_cleanup_free_ char *name = image_ref_name(ref);

		return add_named(ret, name, ref, e);
	}
	for (size_t i = r->n_aliases; i-- > 0;)
		if (strcmp(r->aliases[i].name, ref->path) == 0)
			return add_named(ret, r->aliases[i].target, ref, e);
	for (size_t i = 0; i < r->n_search; i++) {
		_cleanup_free_ char *name = xasprintf("%s/%s", r->search[i], ref->path);

		result = add_named(ret, name, ref, e);
		if (result < 0) {
			image_refs_done(ret);
			return result;
		}
	}
	if (!ret->n)
		return err_set(e, ERR_NOT_FOUND,
			       "short name %s: no alias and no unqualified-search-registries in "
			       "registries.conf say where to look; use a full name",
			       ref->path);
	return 0;
}

/* Does prefix cover name, and how much of name stands for it? */
static size_t prefix_match(const char *prefix, const char *name)
{
	size_t n = strlen(prefix);

	if (str_starts(prefix, "*.")) {
		size_t host = strcspn(name, "/:");
		size_t suffix = strcspn(prefix + 1, "/");

		if (prefix[1 + suffix] || host <= suffix ||
		    strncmp(name + host - suffix, prefix + 1, suffix) != 0)
			return 0;
		return host;
	}
	if (strncmp(name, prefix, n) != 0 || (name[n] && name[n] != '/'))
		return 0;
	return n;
}

static const struct registry *find_registry(const struct registries *r, const char *name,
					    size_t *ret_matched)
{
	const struct registry *best = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < r->n; i++) {
		size_t n = prefix_match(r->list[i].prefix, name);

		if (n && strlen(r->list[i].prefix) > longest) {
			longest = strlen(r->list[i].prefix);
			best = &r->list[i];
			*ret_matched = n;
		}
	}
	return best;
}

/* "10.0.0.0/8" covers "10.1.2.3". */
static bool cidr_covers(const char *cidr, const char *address)
{
	const char *slash = strchr(cidr, '/');
	_cleanup_free_ char *network = slash ? xstrndup(cidr, (size_t)(slash - cidr)) : NULL;
	unsigned char a[16] = { 0 }, b[16] = { 0 };
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;
	uint64_t bits;

	if (!slash || str_to_u64(slash + 1, family == AF_INET ? 32 : 128, &bits) < 0 ||
	    inet_pton(family, network, a) != 1 || inet_pton(family, address, b) != 1)
		return false;
	for (uint64_t i = 0; i < bits; i++)
		if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8)) & 1)
			return false;
	return true;
}

static bool host_is_insecure(const char *host, char *const *insecure)
{
	const char *end = *host == '[' ? strchr(host, ']') : strchrnul(host, ':');
	const char *start = *host == '[' ? host + 1 : host;
	_cleanup_free_ char *name = xstrndup(start, end ? (size_t)(end - start) : strlen(start));

	if (strcmp(name, "localhost") == 0 || cidr_covers("127.0.0.0/8", name) ||
	    cidr_covers("::1/128", name))
		return true;
	for (; insecure && *insecure; insecure++)
		if (strcmp(*insecure, host) == 0 || strcmp(*insecure, name) == 0 ||
		    cidr_covers(*insecure, name))
			return true;
	return false;
}

void image_sources_done(struct image_sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		free(sources->list[i].host);
		free(sources->list[i].repository);
	}
	free(sources->list);
	*sources = (struct image_sources){ .n = 0 };
}

/* location instead of the part of the name that the prefix covers. */
static int add_source(struct image_sources *s, const char *location, const char *rest,
		      bool is_insecure, bool mirror, char *const *insecure, struct err *e)
{
	_cleanup_free_ char *name = xasprintf("%s%s", location, rest);
	struct image_ref ref;

	if (image_ref_parse(name, &ref, e) < 0)
		return err_wrap(e, "location in registries.conf");
	if (!*ref.domain) {
		image_ref_done(&ref);
		return err_set(e, ERR_PRECONDITION,
			       "registries.conf leads to %s, which has no host", name);
	}
	s->list = xrealloc(s->list, (s->n + 1) * sizeof(*s->list));
	s->list[s->n++] = (struct image_source){
		.host = take_ptr(ref.domain),
		.repository = take_ptr(ref.path),
		.mirror = mirror,
	};
	s->list[s->n - 1].insecure =
		is_insecure || host_is_insecure(s->list[s->n - 1].host, insecure);
	image_ref_done(&ref);
	return 0;
}

static bool mirror_serves(const struct registry *g, const struct mirror *m,
			  const struct image_ref *ref)
{
	bool digest = *ref->digest;

	switch (m->from) {
	case PULL_FROM_ALL:
		return digest || !g->digest_only;
	case PULL_FROM_DIGEST_ONLY:
		return digest;
	case PULL_FROM_TAG_ONLY:
		return !digest;
	}
	return false;
}

int registries_sources(const struct registries *r, const struct image_ref *ref,
		       char *const *insecure, struct image_sources *ret, struct err *e)
{
	_cleanup_free_ char *name = image_ref_name(ref);
	size_t matched = 0;
	const struct registry *g = find_registry(r, name, &matched);
	int result = 0;

	*ret = (struct image_sources){ .n = 0 };
	if (!g)
		return add_source(ret, name, "", false, false, insecure, e);
	if (g->blocked)
		return err_set(e, ERR_DENIED, "registry %s is blocked in registries.conf",
			       g->prefix);
	for (size_t i = 0; i < g->n_mirrors && result == 0; i++)
		if (mirror_serves(g, &g->mirrors[i], ref))
			result = add_source(ret, g->mirrors[i].location, name + matched,
					    g->mirrors[i].insecure, true, insecure, e);
	if (result == 0)
		result = g->location ? add_source(ret, g->location, name + matched, g->insecure,
						  false, insecure, e)
				     : add_source(ret, name, "", g->insecure, false, insecure, e);
	if (result < 0)
		image_sources_done(ret);
	return result;
}
