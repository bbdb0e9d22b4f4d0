/*
 * lookaside.c - parse registries.d files with libyaml. Unknown members are ignored, as other
 * readers do: signing tools share these files.
 */
#include "pull/trust/lookaside.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "image/policy.h"

/* Default of signing tools. */
#define DEFAULT_URL "file:///var/lib/containers/sigstore"
#define SECTIONS_MAX 4096

struct section {
	char *name; /* NULL: default-docker */
	char *url; /* NULL: unset */
	bool has_attachments, attachments;
};

struct lookaside {
	struct section *list;
	size_t n;
};

/* State while one document is parsed. */
struct reading {
	struct lookaside *l;
	yaml_document_t doc;
	const char *file;
};

struct lookaside *lookaside_new(void)
{
	return xcalloc(1, sizeof(struct lookaside));
}

void lookaside_free(struct lookaside *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		free(l->list[i].name);
		free(l->list[i].url);
	}
	free(l->list);
	free(l);
}

static int wrong(const struct reading *r, const yaml_node_t *at, const char *what, struct err *e)
{
	return err_set(e, ERR_PRECONDITION, "%s:%zu: %s", r->file, at->start_mark.line + 1, what);
}

static const char *scalar(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* The pair after *at; *at NULL: the first pair. 1: end. */
static int next_pair(struct reading *r, const yaml_node_t *map, const yaml_node_pair_t **at,
		     const char **ret_key, yaml_node_t **ret_value, struct err *e)
{
	yaml_node_t *k;

	if (map->type != YAML_MAPPING_NODE)
		return wrong(r, map, "not a mapping", e);
	*at = *at ? *at + 1 : map->data.mapping.pairs.start;
	if (*at == map->data.mapping.pairs.top)
		return 1;
	k = yaml_document_get_node(&r->doc, (*at)->key);
	*ret_key = scalar(k);
	if (!*ret_key)
		return wrong(r, k, "the key is not a text", e);
	*ret_value = yaml_document_get_node(&r->doc, (*at)->value);
	return 0;
}

/* Value of key in a mapping; NULL: absent. A duplicate key is an error. */
static int member(struct reading *r, const yaml_node_t *map, const char *key, yaml_node_t **ret,
		  struct err *e)
{
	const yaml_node_pair_t *at = NULL;
	const char *name;
	yaml_node_t *v;
	int n;

	*ret = NULL;
	while ((n = next_pair(r, map, &at, &name, &v, e)) == 0) {
		if (strcmp(name, key) != 0)
			continue;
		if (*ret)
			return wrong(r, v, "the key stands twice", e);
		*ret = v;
	}
	return n < 0 ? n : 0;
}

/* true: a URL with a host, or with a path other than "/". */
static bool is_known_url(const char *s)
{
	static const char *const begins[] = { "file:///", "http://", "https://" };

	for (size_t i = 0; i < ARRAY_LEN(begins); i++)
		if (str_starts(s, begins[i]) && s[strlen(begins[i])] && s[strlen(begins[i])] != '/')
			return !strpbrk(s, " \t\r\n?#");
	return false;
}

static int read_url(struct reading *r, const yaml_node_t *map, struct section *s, struct err *e)
{
	static const char *const names[] = { "lookaside", "sigstore" };
	yaml_node_t *v = NULL;
	const char *text;
	size_t n;

	/* The second name is the deprecated form of the first. */
	for (size_t i = 0; i < ARRAY_LEN(names) && !v; i++)
		if (member(r, map, names[i], &v, e) < 0)
			return -(int)e->code;
	text = v ? scalar(v) : NULL;
	if (!v || (text && !*text))
		return 0;
	if (!text || !is_known_url(text))
		return wrong(r, v, "not a plain URL that begins with file:///, http:// or https://",
			     e);
	n = strlen(text);
	while (text[n - 1] == '/')
		n--;
	s->url = xstrndup(text, n);
	return 0;
}

static int read_attachments(struct reading *r, const yaml_node_t *map, struct section *s,
			    struct err *e)
{
	yaml_node_t *v;
	const char *text;

	if (member(r, map, "use-sigstore-attachments", &v, e) < 0)
		return -(int)e->code;
	if (!v)
		return 0;
	text = scalar(v);
	s->has_attachments = true;
	s->attachments = text && strcmp(text, "true") == 0;
	if (!s->attachments && (!text || strcmp(text, "false") != 0))
		return wrong(r, v, "use-sigstore-attachments is neither true nor false", e);
	return 0;
}

static int add_section(struct reading *r, const char *name, const yaml_node_t *map, struct err *e)
{
	struct lookaside *l = r->l;
	struct section *s;

	for (size_t i = 0; i < l->n; i++) {
		const char *other = l->list[i].name;

		if (name && other ? strcmp(name, other) == 0 : name == other)
			return wrong(r, map, "this section was there already", e);
	}
	if (l->n == SECTIONS_MAX)
		return wrong(r, map, "too many sections", e);
	l->list = xrealloc(l->list, (l->n + 1) * sizeof(*l->list));
	s = &l->list[l->n++];
	*s = (struct section){ .name = name ? xstrdup(name) : NULL };
	if (read_url(r, map, s, e) < 0)
		return -(int)e->code;
	return read_attachments(r, map, s, e);
}

static int read_sections(struct reading *r, const yaml_node_t *map, struct err *e)
{
	const yaml_node_pair_t *at = NULL;
	const char *name;
	yaml_node_t *v;
	int n;

	while ((n = next_pair(r, map, &at, &name, &v, e)) == 0)
		if (add_section(r, name, v, e) < 0)
			return -(int)e->code;
	return n < 0 ? n : 0;
}

static bool is_null(const yaml_node_t *node)
{
	const char *text = scalar(node);

	return text && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static int read_document(struct reading *r, struct err *e)
{
	yaml_node_t *root = yaml_document_get_root_node(&r->doc), *v;

	/* Only comments. */
	if (!root || is_null(root))
		return 0;
	if (member(r, root, "default-docker", &v, e) < 0)
		return -(int)e->code;
	if (v && !is_null(v) && add_section(r, NULL, v, e) < 0)
		return -(int)e->code;
	if (member(r, root, "docker", &v, e) < 0)
		return -(int)e->code;
	return v && !is_null(v) ? read_sections(r, v, e) : 0;
}

int lookaside_add(struct lookaside *l, const char *yaml, size_t size, const char *file,
		  struct err *e)
{
	struct reading r = { .l = l, .file = file };
	yaml_parser_t parser;
	int ret;

	if (!yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, size);
	if (!yaml_parser_load(&parser, &r.doc)) {
		ret = err_set(e, ERR_PRECONDITION, "%s:%zu: not YAML: %s", file,
			      parser.problem_mark.line + 1,
			      parser.problem ? parser.problem : "damaged");
	} else {
		ret = read_document(&r, e);
		yaml_document_delete(&r.doc);
	}
	yaml_parser_delete(&parser);
	return ret;
}

static int is_yaml(const struct dirent *d)
{
	return d->d_name[0] != '.' && str_ends(d->d_name, ".yaml");
}

static int load_file(struct lookaside *l, const char *path, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_trusted(path, LIMIT_CONF_FILE, &text, e);

	if (r != 0)
		return r < 0 ? r : 0;
	return lookaside_add(l, text.data ? text.data : "", text.len, path, e);
}

int lookaside_load(struct lookaside *l, const char *dir, struct err *e)
{
	struct dirent **names = NULL;
	int n, ret = *dir ? fs_check_trusted(dir, e) : 1;

	if (ret)
		return MIN(ret, 0);
	n = scandir(dir, &names, is_yaml, alphasort);
	if (n < 0 && errno != ENOENT && errno != ENOTDIR)
		return err_errno(e, ERR_PRECONDITION, errno, "list %s", dir);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, names[i]->d_name);

		if (ret == 0)
			ret = load_file(l, path, e);
		free(names[i]);
	}
	free(names);
	return ret;
}

static const struct section *find_section(const struct lookaside *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *other = l->list[i].name;

		if (name && other ? strcmp(name, other) == 0 : name == other)
			return &l->list[i];
	}
	return NULL;
}

void lookaside_find(const struct lookaside *l, const struct image_ref *ref,
		    struct lookaside_place *ret)
{
	char **names = policy_names(ref);
	bool url = false, attachments = false;
	size_t i = 0;

	*ret = (struct lookaside_place){ .url = DEFAULT_URL };
	/* Take each value from the most specific section that sets it. The last name is NULL:
	 * default-docker. */
	do {
		const struct section *s = find_section(l, names[i]);

		if (s && s->url && !url) {
			ret->url = s->url;
			url = true;
		}
		if (s && s->has_attachments && !attachments) {
			ret->attachments = s->attachments;
			attachments = true;
		}
	} while (names[i++]);
	policy_names_free(names);
}

void lookaside_each(const struct lookaside *l, void (*fn)(void *arg, const char *url), void *arg)
{
	fn(arg, DEFAULT_URL);
	for (size_t i = 0; i < l->n; i++)
		if (l->list[i].url)
			fn(arg, l->list[i].url);
}
