/*
 * registries.c - parse registries.conf and its drop-ins; expand short names, list sources.
 */
#include "pull/fetch/registries.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/toml.h"

#define ENTRIES_MAX 4096 /* registries */
#define ALIASES_MAX 65536
#define SEARCH_MAX 64 /* search registries for short names */

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

struct registry_entry {
	char *prefix, *location; /* location NULL: the host in the name */
	bool insecure, blocked, digest_only;
	struct mirror *mirrors;
	size_t n_mirrors;
};

struct alias {
	char *name, *target;
};

struct registries {
	char *mode; /* short-name-mode; NULL: unset */
	char **search;
	size_t n_search;
	struct registry_entry *list;
	size_t n;
	struct alias *aliases;
	size_t n_aliases;
};

static void registry_done(struct registry_entry *r)
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
	free(r->mode);
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

/* Get "host[:port][/path]"; an empty string is an error, unlike an absent key. */
static int get_location(const struct toml *table, const char *key, const char *file, char **ret,
			struct err *e)
{
	const struct toml *v = toml_get(table, key);
	size_t n;
	int r = get_string(table, key, file, ret, e);

	if (r < 0 || !*ret)
		return r;
	for (n = strlen(*ret); n && (*ret)[n - 1] == '/';)
		(*ret)[--n] = '\0';
	if (!n || strstr(*ret, "://"))
		return err_set(e, ERR_PRECONDITION,
			       "%s:%d: %s \"%.200s\" is no host[:port][/path] (without scheme)",
			       file, v->line, key, *ret);
	return 0;
}

static int load_mirror(const struct toml *v, const char *file, struct mirror *m, struct err *e)
{
	_cleanup_free_ char *from = NULL;
	int r = check_type(v, TOML_TYPE_TABLE, file, e);

	r = r < 0 ? r : get_location(v, "location", file, &m->location, e);
	r = r < 0 ? r : get_bool(v, "insecure", file, &m->insecure, e);
	r = r < 0 ? r : get_string(v, "pull-from-mirror", file, &from, e);
	if (r < 0)
		return r;
	if (!m->location)
		return err_set(e, ERR_PRECONDITION, "%s:%d: mirror: location is missing", file,
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

static int load_mirrors(const struct toml *table, const char *file, struct registry_entry *g,
			struct err *e)
{
	const struct toml *list = toml_get(table, "mirror");

	if (!list)
		return 0;
	if (check_type(list, TOML_TYPE_ARRAY, file, e) < 0)
		return -(int)e->code;
	g->mirrors = xcalloc(list->n + 1, sizeof(*g->mirrors));
	for (const struct toml *v = list->first; v; v = v->next) {
		struct mirror *m = &g->mirrors[g->n_mirrors++];

		if (load_mirror(v, file, m, e) < 0)
			return -(int)e->code;
		if (g->digest_only && m->from != PULL_FROM_ALL)
			return err_set(e, ERR_PRECONDITION,
				       "%s:%d: pull-from-mirror beside mirror-by-digest-only: one "
				       "of them decides",
				       file, v->line);
	}
	return 0;
}

static int check_prefix(const struct registry_entry *g, const struct toml *v, const char *file,
			struct err *e)
{
	const char *star = strchr(g->prefix, '*');

	if (star && (star != g->prefix || star[1] != '.' || strchr(star + 1, '*')))
		return err_set(e, ERR_PRECONDITION,
			       "%s:%d: prefix \"%.200s\": a wildcard is *. at the beginning", file,
			       v->line, g->prefix);
	if (g->location && strchr(g->location, '*'))
		return err_set(e, ERR_PRECONDITION, "%s:%d: location has a wildcard", file,
			       v->line);
	return 0;
}

static int load_registry(const struct toml *v, const char *file, struct registry_entry *g,
			 struct err *e)
{
	int r = check_type(v, TOML_TYPE_TABLE, file, e);

	r = r < 0 ? r : get_location(v, "prefix", file, &g->prefix, e);
	r = r < 0 ? r : get_location(v, "location", file, &g->location, e);
	r = r < 0 ? r : get_bool(v, "insecure", file, &g->insecure, e);
	r = r < 0 ? r : get_bool(v, "blocked", file, &g->blocked, e);
	r = r < 0 ? r : get_bool(v, "mirror-by-digest-only", file, &g->digest_only, e);
	r = r < 0 ? r : load_mirrors(v, file, g, e);
	if (r < 0)
		return r;
	if (!g->prefix && !g->location)
		return err_set(e, ERR_PRECONDITION,
			       "%s:%d: a registry needs a prefix or a location", file, v->line);
	if (toml_get(v, "pull-from-mirror"))
		return err_set(e, ERR_PRECONDITION,
			       "%s:%d: pull-from-mirror belongs into a [[registry.mirror]]", file,
			       toml_get(v, "pull-from-mirror")->line);
	if (!g->prefix)
		g->prefix = xstrdup(g->location);
	return check_prefix(g, v, file, e);
}

/* Replaces the entry of an earlier file for the same prefix. */
static void add_registry(struct registries *r, struct registry_entry *g)
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

static int load_list(struct registries *r, const struct toml *root, const char *file, struct err *e)
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
		struct registry_entry g = { .prefix = NULL };

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
	if (list->n > SEARCH_MAX)
		return err_set(e, ERR_PRECONDITION, "%s:%d: %s has more than %d entries", file,
			       list->line, list->key, SEARCH_MAX);
	search_clear(r);
	r->search = xcalloc(list->n + 1, sizeof(char *));
	for (const struct toml *v = list->first; v; v = v->next) {
		if (check_type(v, TOML_TYPE_STRING, file, e) < 0)
			return -(int)e->code;
		r->search[r->n_search++] = xstrdup(v->string);
	}
	return 0;
}

/* Check a short name and its full name, both without tag and digest. "": removes an earlier
 * alias. */
static int check_alias(const struct toml *v, const char *file, struct err *e)
{
	struct image_ref ref = IMAGE_REF_NULL;
	struct err why = ERR_NULL;
	bool good;

	good = image_ref_parse(v->key, &ref, &why) == 0 && !*ref.domain && !*ref.tag &&
	       !*ref.digest;
	image_ref_done(&ref);
	if (!good)
		return err_set(e, ERR_PRECONDITION,
			       "%s:%d: alias \"%.200s\" is no name without registry, tag and "
			       "digest",
			       file, v->line, v->key);
	if (!*v->string)
		return 0;
	good = image_ref_parse(v->string, &ref, &why) == 0 && *ref.domain && !*ref.tag &&
	       !*ref.digest;
	image_ref_done(&ref);
	return good ? 0
		    : err_set(e, ERR_PRECONDITION,
			      "%s:%d: alias %.200s = \"%.200s\" is no name with a registry and "
			      "without tag and digest",
			      file, v->line, v->key, v->string);
}

static int load_aliases(struct registries *r, const struct toml *root, const char *file,
			struct err *e)
{
	const struct toml *table = toml_get(root, "aliases");

	if (!table)
		return 0;
	if (check_type(table, TOML_TYPE_TABLE, file, e) < 0)
		return -(int)e->code;
	if (table->n + r->n_aliases > ALIASES_MAX)
		return err_set(e, ERR_PRECONDITION, "%s: more than %d aliases", file, ALIASES_MAX);
	r->aliases = xrealloc(r->aliases, (r->n_aliases + table->n + 1) * sizeof(*r->aliases));
	for (const struct toml *v = table->first; v; v = v->next) {
		if (check_type(v, TOML_TYPE_STRING, file, e) < 0 || check_alias(v, file, e) < 0)
			return -(int)e->code;
		r->aliases[r->n_aliases++] = (struct alias){ xstrdup(v->key), xstrdup(v->string) };
	}
	return 0;
}

bool registries_mode_is_valid(const char *mode)
{
	return strcmp(mode, "enforcing") == 0 || strcmp(mode, "permissive") == 0 ||
	       strcmp(mode, "disabled") == 0;
}

static int load_mode(struct registries *r, const struct toml *root, const char *file, struct err *e)
{
	_cleanup_free_ char *mode = NULL;
	int result = get_string(root, "short-name-mode", file, &mode, e);

	if (result < 0 || !mode)
		return result;
	if (!registries_mode_is_valid(mode))
		return err_set(e, ERR_PRECONDITION,
			       "%s:%d: short-name-mode \"%.40s\" is none of enforcing, permissive, "
			       "disabled",
			       file, toml_get(root, "short-name-mode")->line, mode);
	free(r->mode);
	r->mode = take_ptr(mode);
	return 0;
}

static int load_root(struct registries *r, const struct toml *root, const char *file, struct err *e)
{
	const struct toml *old = toml_get(root, "registries");
	int result;

	if (old)
		return err_set(e, ERR_PRECONDITION,
			       "%s:%d: [registries.*] is version 1 of the format: write "
			       "[[registry]] and unqualified-search-registries",
			       file, old->line);
	result = load_mode(r, root, file, e);
	result = result < 0 ? result : load_search(r, root, file, e);
	result = result < 0 ? result : load_list(r, root, file, e);
	return result < 0 ? result : load_aliases(r, root, file, e);
}

static int load_file(struct registries *r, const char *path, struct err *e)
{
	_cleanup_(toml_freep) struct toml *root = NULL;
	int ret = toml_load(path, &root, e);

	if (ret != 0)
		return ret < 0 ? ret : 0;
	return load_root(r, root, path, e);
}

int registries_add_text(struct registries **r, const char *text, size_t size, const char *name,
			struct err *e)
{
	_cleanup_(toml_freep) struct toml *root = NULL;

	if (!*r)
		*r = xcalloc(1, sizeof(**r));
	if (toml_parse(text, size, name, &root, e) < 0)
		return -(int)e->code;
	return load_root(*r, root, name, e);
}

static int is_conf(const struct dirent *d)
{
	return d->d_name[0] != '.' && str_ends(d->d_name, ".conf");
}

static int load_drop_ins(struct registries *r, const char *dir, struct err *e)
{
	struct dirent **names = NULL;
	int n, ret = fs_check_trusted(dir, e);

	if (ret)
		return MIN(ret, 0);
	n = scandir(dir, &names, is_conf, alphasort);
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

/* Add name with the tag and digest of ref. */
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

/* A daemon has no terminal to ask the user. */
static int refuse_ambiguous(const struct image_ref *ref, const struct image_refs *refs,
			    struct err *e)
{
	_cleanup_buf_ struct buf names = BUF_NULL;

	for (size_t i = 0; i < refs->n; i++) {
		_cleanup_free_ char *name = image_ref_name(&refs->list[i]);

		buf_printf(&names, "%s%s", i ? ", " : "", name);
	}
	return err_set(e, ERR_INVALID,
		       "short name %.100s may be %.600s (short_name_mode enforcing): use a full "
		       "name, or an alias in registries.conf",
		       ref->path, names.data);
}

/* NULL: no alias, or removed by the last file. */
static const char *find_alias(const struct registries *r, const char *name)
{
	for (size_t i = r->n_aliases; i-- > 0;)
		if (strcmp(r->aliases[i].name, name) == 0)
			return *r->aliases[i].target ? r->aliases[i].target : NULL;
	return NULL;
}

int registries_expand(const struct registries *r, const struct image_ref *ref, const char *mode,
		      struct image_refs *ret, struct err *e)
{
	const char *alias = *ref->domain ? NULL : find_alias(r, ref->path);
	int result = 0;

	*ret = (struct image_refs){ .n = 0 };
	if (!*mode)
		mode = r->mode ? r->mode : "permissive";
	if (*ref->domain) {
		_cleanup_free_ char *name = image_ref_name(ref);

		return add_named(ret, name, ref, e);
	}
	if (alias)
		return add_named(ret, alias, ref, e);
	for (size_t i = 0; i < r->n_search && result == 0; i++) {
		_cleanup_free_ char *name = xasprintf("%s/%s", r->search[i], ref->path);

		result = add_named(ret, name, ref, e);
	}
	if (result == 0 && !ret->n)
		result = err_set(e, ERR_NOT_FOUND,
				 "short name %s: no alias and no unqualified-search-registries in "
				 "registries.conf say where to look; use a full name",
				 ref->path);
	if (result == 0 && ret->n > 1 && strcmp(mode, "enforcing") == 0)
		result = refuse_ambiguous(ref, ret, e);
	if (result < 0)
		image_refs_done(ret);
	return result;
}

/* Length of the part of text that prefix covers; 0: no match. A host does not match the same host
 * with a port. */
static size_t prefix_match(const char *prefix, const char *text)
{
	size_t n = strlen(prefix), skip = 0;

	if (*prefix == '*') {
		size_t host = strcspn(text, "/:"), suffix = strcspn(prefix + 1, "/:");

		if (host <= suffix)
			return 0;
		skip = host - suffix;
		prefix++;
		n--;
		if (n == suffix)
			return strncmp(text + skip, prefix, n) == 0 ? host : 0;
	}
	if (strncmp(text + skip, prefix, n) != 0)
		return 0;
	if (text[skip + n] && text[skip + n] != '/' &&
	    (!strchr(prefix, '/') || !strchr(":@", text[skip + n])))
		return 0;
	return skip + n;
}

static const struct registry_entry *find_registry(const struct registries *r, const char *name,
						  size_t *ret_matched)
{
	const struct registry_entry *best = NULL;
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

/* Example: "10.0.0.0/8" covers "10.1.2.3". */
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

/* The host without port and brackets. */
static char *bare_host(const char *host)
{
	const char *end = *host == '[' ? strchr(host, ']') : strchrnul(host, ':');
	const char *start = *host == '[' ? host + 1 : host;

	return xstrndup(start, end ? (size_t)(end - start) : strlen(start));
}

bool image_host_is_loopback(const char *host)
{
	_cleanup_free_ char *name = bare_host(host);

	return strcmp(name, "localhost") == 0 || cidr_covers("127.0.0.0/8", name) ||
	       cidr_covers("::1/128", name);
}

static bool host_is_insecure(const char *host, char *const *insecure)
{
	_cleanup_free_ char *name = bare_host(host);

	if (image_host_is_loopback(host))
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

/* Add a source: location replaces the part of the name that the prefix covers. */
static int add_source(struct image_sources *s, const char *location, const char *rest,
		      bool is_insecure, bool mirror, char *const *insecure, struct err *e)
{
	_cleanup_free_ char *name = xasprintf("%s%s", location, rest);
	struct image_ref ref;

	if (image_ref_parse(name, &ref, e) < 0)
		return err_wrap(e, "location in registries.conf");
	if (!*ref.domain || *ref.tag || *ref.digest) {
		image_ref_done(&ref);
		return err_set(e, ERR_PRECONDITION,
			       "registries.conf leads to %s, which is no host with a repository",
			       name);
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

static bool mirror_serves(const struct registry_entry *g, const struct mirror *m,
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
	_cleanup_free_ char *whole = xasprintf("%s%s%s%s%s", name, *ref->tag ? ":" : "", ref->tag,
					       *ref->digest ? "@" : "", ref->digest);
	size_t matched = 0;
	const struct registry_entry *g = find_registry(r, whole, &matched);
	const char *rest = name + MIN(matched, strlen(name));
	int result = 0;

	*ret = (struct image_sources){ .n = 0 };
	if (!g)
		return add_source(ret, name, "", false, false, insecure, e);
	if (g->blocked)
		return err_set(e, ERR_DENIED, "registry %s is blocked in registries.conf",
			       g->prefix);
	for (size_t i = 0; i < g->n_mirrors && result == 0; i++)
		if (mirror_serves(g, &g->mirrors[i], ref))
			result = add_source(ret, g->mirrors[i].location, rest,
					    g->mirrors[i].insecure, true, insecure, e);
	if (result == 0)
		result = g->location ? add_source(ret, g->location, rest, g->insecure, false,
						  insecure, e)
				     : add_source(ret, name, "", g->insecure, false, insecure, e);
	if (result < 0)
		image_sources_done(ret);
	return result;
}
