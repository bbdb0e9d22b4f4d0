/*
 * manifest.c - parse manifests and indexes with jansson; choose a platform.
 */
#include "pull/fetch/manifest.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "image/ref.h"

#define INDEX_MAX 4096 /* entries per index */
#define SIZE_MAX_JSON LIMIT_LAYER_BYTES
#define URLS_MAX 16 /* per layer */
#define URL_MAX 4096
#define FILE_MAX 512 /* path length in an artifact: stays below a layer's nesting limit */
#define TYPE_MAX 255
#define TITLE "org.opencontainers.image.title"

static void descriptor_done(struct descriptor *d)
{
	free(d->media_type);
	free(d->digest);
	free(d->os);
	free(d->architecture);
	free(d->variant);
	free(d->ref_name);
	free(d->file);
	for (size_t i = 0; i < d->n_urls; i++)
		free(d->urls[i]);
	free(d->urls);
	free(d->signature);
}

void manifest_done(struct manifest *m)
{
	descriptor_done(&m->config);
	for (size_t i = 0; i < m->n; i++)
		descriptor_done(&m->entries[i]);
	free(m->entries);
	free(m->artifact_type);
	annotations_done(&m->annotations);
	*m = MANIFEST_NULL;
}

/* Copy a string member; "": absent. */
static int get_text(const json_t *object, const char *key, char **ret, struct err *e)
{
	const json_t *v = json_object_get(object, key);

	if (v && !json_is_string(v) && !json_is_null(v))
		return err_set(e, ERR_INVALID, "%s is not a string", key);
	*ret = xstrdup(json_is_string(v) ? json_string_value(v) : "");
	return 0;
}

/* Copy a string member; NULL: absent. */
static int get_optional(const json_t *object, const char *key, char **ret, struct err *e)
{
	return json_object_get(object, key) ? get_text(object, key, ret, e) : 0;
}

static int get_platform(const json_t *v, struct descriptor *d, struct err *e)
{
	const json_t *p = json_object_get(v, "platform");
	int r;

	if (!p || json_is_null(p))
		return 0;
	if (!json_is_object(p))
		return err_set(e, ERR_INVALID, "platform is not an object");
	r = get_text(p, "os", &d->os, e);
	r = r < 0 ? r : get_text(p, "architecture", &d->architecture, e);
	return r < 0 ? r : get_text(p, "variant", &d->variant, e);
}

static bool is_printable(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static bool url_is_valid(const char *s)
{
	return (str_starts(s, "https://") || str_starts(s, "http://")) && strlen(s) <= URL_MAX &&
	       is_printable(s);
}

/* Only nondistributable layers may be fetched from URLs. Else an image could direct the puller to
 * any URL for every layer. */
static bool is_foreign(const char *type)
{
	return str_starts(type, "application/vnd.oci.image.layer.nondistributable.") ||
	       str_starts(type, "application/vnd.docker.image.rootfs.foreign.");
}

static int get_urls(const json_t *object, struct descriptor *d, struct err *e)
{
	const json_t *list = json_object_get(object, "urls"), *v;
	size_t i;

	if (!list || json_is_null(list) || !is_foreign(d->media_type))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > URLS_MAX)
		return err_set(e, ERR_INVALID, "urls is not a list of at most %d", URLS_MAX);
	d->urls = xcalloc(json_array_size(list) + 1, sizeof(char *));
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v) || !url_is_valid(json_string_value(v)))
			return err_set(e, ERR_INVALID,
				       "urls[%zu] is not an http or https URL of at most %d "
				       "printable characters",
				       i, URL_MAX);
		d->urls[d->n_urls++] = xstrdup(json_string_value(v));
	}
	return 0;
}

static int parse_descriptor(const json_t *v, struct descriptor *d, struct err *e)
{
	const json_t *size = json_object_get(v, "size");
	const json_t *annotations = json_object_get(v, "annotations");
	int r;

	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "not an object");
	r = get_text(v, "mediaType", &d->media_type, e);
	r = r < 0 ? r : get_text(v, "digest", &d->digest, e);
	r = r < 0 ? r : get_platform(v, d, e);
	r = r < 0 ? r : get_urls(v, d, e);
	if (r < 0)
		return r;
	if (!image_digest_is_valid(d->digest))
		return err_set(e, ERR_INVALID, "digest \"%.90s\" is not a sha256 digest",
			       d->digest);
	if (!json_is_integer(size) || json_integer_value(size) < 0 ||
	    json_integer_value(size) > SIZE_MAX_JSON)
		return err_set(e, ERR_INVALID, "size is not a number of 0 to %jd",
			       (intmax_t)SIZE_MAX_JSON);
	d->size = (uint64_t)json_integer_value(size);
	if (!json_is_object(annotations))
		return 0;
	r = get_optional(annotations, "dev.cosignproject.cosign/signature", &d->signature, e);
	if (r < 0)
		return r;
	return get_text(annotations, "org.opencontainers.image.ref.name", &d->ref_name, e);
}

static int parse_entries(const json_t *list, const char *key, size_t max, struct manifest *m,
			 struct err *e)
{
	const json_t *v;
	size_t i;

	if (!json_is_array(list))
		return err_set(e, ERR_INVALID, "%s is not a list", key);
	if (json_array_size(list) > max)
		return err_set(e, ERR_INVALID, "%s has %zu entries, more than %zu", key,
			       json_array_size(list), max);
	m->entries = xcalloc(json_array_size(list) + 1, sizeof(*m->entries));
	json_array_foreach(list, i, v)
	{
		m->n = i + 1;
		if (parse_descriptor(v, &m->entries[i], e) < 0)
			return err_wrap(e, "%s[%zu]", key, i);
	}
	return 0;
}

static bool is_image_config(const char *type)
{
	return strcmp(type, "application/vnd.oci.image.config.v1+json") == 0 ||
	       strcmp(type, "application/vnd.docker.container.image.v1+json") == 0 || !*type;
}

/* Refuse whiteout names, which would hide a file. */
static bool file_is_valid(const char *file)
{
	_cleanup_free_ char *path = xasprintf("/%s", file);

	if (strlen(file) > FILE_MAX || !fs_path_is_clean(path))
		return false;
	for (const char *name = path; (name = strchr(name, '/'));)
		if (str_starts(++name, ".wh.") || strcspn(name, "/") > NAME_MAX)
			return false;
	return true;
}

/* true: equal, or one path is a directory of the other. */
static bool files_collide(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), less = MIN(n, m);

	return strncmp(a, b, less) == 0 && (n == m || (n < m ? b : a)[less] == '/');
}

static int get_file(const json_t *v, struct descriptor *d, struct err *e)
{
	const json_t *annotations = json_object_get(v, "annotations");
	_cleanup_free_ char *title = NULL;
	int r = json_is_object(annotations) ? get_text(annotations, TITLE, &title, e) : 0;

	if (r < 0)
		return err_wrap(e, "annotations");
	d->file = title && *title ? take_ptr(title) : xstrdup(d->digest + strlen("sha256:"));
	if (!file_is_valid(d->file))
		return err_set(e, ERR_INVALID,
			       "annotation " TITLE " \"%.100s\" is no relative path of at most %d "
			       "bytes without \".\", \"..\", empty components, control characters "
			       "and names that begin with .wh.",
			       d->file, FILE_MAX);
	return 0;
}

static int parse_artifact(const json_t *root, struct manifest *m, struct err *e)
{
	const json_t *list = json_object_get(root, "layers");

	m->kind = MANIFEST_KIND_ARTIFACT;
	if (strlen(m->artifact_type) > TYPE_MAX || !is_printable(m->artifact_type))
		return err_set(e, ERR_INVALID, "the artifact's type \"%.100s\" is no media type",
			       m->artifact_type);
	if (parse_entries(list, "layers", LIMIT_LAYERS, m, e) < 0)
		return -(int)e->code;
	for (size_t i = 0; i < m->n; i++) {
		if (get_file(json_array_get(list, i), &m->entries[i], e) < 0)
			return err_wrap(e, "layers[%zu]", i);
		for (size_t k = 0; k < i; k++)
			if (files_collide(m->entries[i].file, m->entries[k].file))
				return err_set(e, ERR_INVALID,
					       "layers[%zu] is file \"%.100s\" and layers[%zu] "
					       "\"%.100s\", which exclude each other",
					       k, m->entries[k].file, i, m->entries[i].file);
	}
	return 0;
}

/* Leave out values that are no strings: they are notes, and the image runs without them. */
static void get_annotations(const json_t *root, struct annotations *to)
{
	const json_t *list = json_object_get(root, "annotations"), *v;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)list, key, v) if (json_is_string(v))
		annotations_put(to, key, json_string_value(v));
}

static int parse_image(const json_t *root, struct manifest *m, struct err *e)
{
	_cleanup_free_ char *type = NULL;
	int r;

	m->kind = MANIFEST_KIND_IMAGE;
	get_annotations(root, &m->annotations);
	r = get_text(root, "artifactType", &type, e);
	if (r < 0)
		return r;
	if (parse_descriptor(json_object_get(root, "config"), &m->config, e) < 0)
		return err_wrap(e, "config");
	if (*type || !is_image_config(m->config.media_type)) {
		m->artifact_type = *type ? take_ptr(type) : xstrdup(m->config.media_type);
		return parse_artifact(root, m, e);
	}
	r = parse_entries(json_object_get(root, "layers"), "layers", LIMIT_LAYERS, m, e);
	for (size_t i = 0; r == 0 && i < m->n; i++)
		if (str_ends(m->entries[i].media_type, "+encrypted"))
			return err_set(e, ERR_UNIMPLEMENTED,
				       "layers[%zu] is encrypted (%.100s), which is not supported: "
				       "push the image without encryption",
				       i, m->entries[i].media_type);
	return r;
}

static int parse_index(const json_t *root, struct manifest *m, struct err *e)
{
	m->kind = MANIFEST_KIND_INDEX;
	return parse_entries(json_object_get(root, "manifests"), "manifests", INDEX_MAX, m, e);
}

static bool is_index_type(const char *type)
{
	return strcmp(type, "application/vnd.oci.image.index.v1+json") == 0 ||
	       strcmp(type, "application/vnd.docker.distribution.manifest.list.v2+json") == 0;
}

static bool is_manifest_type(const char *type)
{
	return strcmp(type, "application/vnd.oci.image.manifest.v1+json") == 0 ||
	       strcmp(type, "application/vnd.docker.distribution.manifest.v2+json") == 0;
}

static int parse_root(const json_t *root, const char *content_type, struct manifest *m,
		      struct err *e)
{
	bool layers = json_object_get(root, "layers") || json_object_get(root, "config");
	bool manifests = json_object_get(root, "manifests");
	const json_t *version = json_object_get(root, "schemaVersion");
	const char *type = json_string_value(json_object_get(root, "mediaType"));

	if (!json_is_object(root))
		return err_set(e, ERR_INVALID, "not an object");
	if (json_is_integer(version) && json_integer_value(version) == 1)
		return err_set(e, ERR_UNIMPLEMENTED,
			       "docker schema 1 is not supported: push the image again");
	if (!json_is_integer(version) || json_integer_value(version) != 2)
		return err_set(e, ERR_INVALID, "schemaVersion is not 2");
	if (layers && manifests)
		return err_set(e, ERR_INVALID, "both an image and an index");
	if (!type)
		type = content_type;
	if (type && is_index_type(type))
		return parse_index(root, m, e);
	if (type && is_manifest_type(type))
		return parse_image(root, m, e);
	if (type && json_object_get(root, "mediaType"))
		return err_set(e, ERR_INVALID, "mediaType \"%.100s\" is not an image's", type);
	return manifests ? parse_index(root, m, e) : parse_image(root, m, e);
}

int manifest_parse(const char *json, size_t size, const char *content_type, struct manifest *ret,
		   struct err *e)
{
	json_error_t bad;
	json_t *root;
	int r;

	*ret = MANIFEST_NULL;
	if (size > LIMIT_MANIFEST)
		return err_set(e, ERR_INVALID, "manifest: larger than %d bytes", LIMIT_MANIFEST);
	root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &bad);
	if (!root)
		return err_set(e, ERR_INVALID, "manifest: line %d: %.200s%s%.100s", bad.line,
			       bad.text, content_type ? "; it came as " : "",
			       content_type ? content_type : "");
	r = parse_root(root, content_type, ret, e);
	json_decref(root);
	return r < 0 ? err_wrap(e, "manifest") : 0;
}

struct platform platform_host(void)
{
	static const struct {
		const char *machine;
		struct platform p;
	} known[] = {
		{ "x86_64", { "linux", "amd64", "" } },
		{ "aarch64", { "linux", "arm64", "v8" } },
		{ "armv7l", { "linux", "arm", "v7" } },
		{ "armv6l", { "linux", "arm", "v6" } },
		{ "i686", { "linux", "386", "" } },
		{ "ppc64le", { "linux", "ppc64le", "" } },
		{ "riscv64", { "linux", "riscv64", "" } },
		{ "s390x", { "linux", "s390x", "" } },
	};
	struct utsname u;

	if (uname(&u) == 0)
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if (strcmp(known[i].machine, u.machine) == 0)
				return known[i].p;
	return (struct platform){ "linux", "unknown", "" };
}

/* 0: no match; larger is better. */
static int platform_score(const struct descriptor *d, const struct platform *p)
{
	const char *variant = d->variant ? d->variant : "";

	if (!d->os || strcmp(d->os, p->os) != 0 || strcmp(d->architecture, p->architecture) != 0)
		return 0;
	if (strcmp(variant, p->variant) == 0)
		return 4;
	if (!*variant)
		return 3;
	/* 32-bit ARM also runs variants for older cores; other variants need newer ones. */
	if (strcmp(p->architecture, "arm") == 0 && strcmp(variant, p->variant) < 0)
		return variant[0] == 'v' && variant[1] == '6' ? 2 : 1;
	return 0;
}

const struct descriptor *manifest_choose(const struct manifest *index, const struct platform *p)
{
	const struct descriptor *best = NULL;
	int best_score = 0;

	for (size_t i = 0; i < index->n; i++) {
		int score = platform_score(&index->entries[i], p);

		if (score > best_score) {
			best = &index->entries[i];
			best_score = score;
		}
	}
	/* A single entry without a platform matches every platform. */
	if (!best && index->n == 1 && !index->entries[0].os)
		best = &index->entries[0];
	return best;
}

char *manifest_platforms(const struct manifest *index)
{
	struct buf b = BUF_NULL;

	for (size_t i = 0; i < index->n && b.len < 300; i++) {
		const struct descriptor *d = &index->entries[i];

		buf_printf(&b, "%s%.40s/%.40s%s%.20s", i ? ", " : "", d->os ? d->os : "?",
			   d->architecture ? d->architecture : "?",
			   d->variant && *d->variant ? "/" : "", d->variant ? d->variant : "");
	}
	return buf_take(&b);
}
