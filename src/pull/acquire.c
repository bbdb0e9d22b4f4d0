/*
 * acquire.c - try the sources of an image in order; resolve manifest and config, fetch the layers.
 */
#include "pull/acquire.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "image/config.h"
#include "image/pullphase.h"
#include "image/ref.h"
#include "image/staging.h"
#include "pull/admit.h"
#include "pull/base/digest.h"
#include "pull/fetch.h"
#include "pull/fetch/registries.h"
#include "pull/source.h"

#define FETCHED_MAX 2000U /* layers that are reported, of all sources */

/* Transfer rate over the last second. */
struct rate {
	int64_t since_ns;
	uint64_t bytes, value;
};

struct acquire {
	const Crisp__Pull__Request *request;
	const struct acquire_ops *ops;
	struct stop *stop;
	const struct acquire_parts *parts;
	unsigned kept;
	struct registries *registries;
	Crisp__Pull__Progress now, told;
	char host[256]; /* currently contacted */
	uint64_t received_before; /* bytes from failed sources */
	struct rate rate;
	char **insecure; /* from the request, NULL-terminated */
	struct admit *trust;
	Crisp__Pull__Fetched **fetched; /* of all sources */
	size_t n_fetched;
	struct fetch *fetch; /* owns layers and their locks */
	Crisp__Pull__Result result;
	Crisp__State__Image image;
	/* Storage for members of result and image: */
	char *image_id, *manifest_digest, *tag, *digest, *user, *artifact_type;
	struct annotations annotations;
};

/* Data of an image before its layers are fetched. */
struct found {
	char *name; /* "domain/path" */
	char *tag; /* NULL: no tag applies */
	char digest[DIGEST_TEXT]; /* of the reference's target, possibly an index */
	char manifest_digest[DIGEST_TEXT];
	struct manifest manifest;
	struct buf config;
	struct image_config parsed;
};

static void found_done(struct found *f)
{
	free(f->name);
	free(f->tag);
	manifest_done(&f->manifest);
	buf_done(&f->config);
	image_config_done(&f->parsed);
}

/* Copy a message's list with NULL at the end; the message keeps the strings. */
static char **terminated(char *const *list, size_t n)
{
	char **copy = xcalloc(n + 1, sizeof(char *));

	for (size_t i = 0; i < n; i++)
		copy[i] = list[i];
	return copy;
}

struct acquire *acquire_new(const Crisp__Pull__Request *request, const struct acquire_parts *parts,
			    const struct acquire_ops *ops, struct stop *stop)
{
	struct acquire *p = xcalloc(1, sizeof(*p));

	p->request = request;
	p->ops = ops;
	p->stop = stop;
	p->parts = parts;
	p->trust = parts->trust;
	p->registries = parts->registries;
	crisp__pull__progress__init(&p->now);
	p->now.host = p->host;
	p->told = p->now;
	p->insecure = terminated(request->insecure_registries, request->n_insecure_registries);
	crisp__pull__result__init(&p->result);
	crisp__state__image__init(&p->image);
	return p;
}

void acquire_free(struct acquire *p)
{
	if (!p)
		return;
	fetch_free(p->fetch);
	for (size_t i = 0; i < p->n_fetched; i++) {
		free(p->fetched[i]->media_type);
		free(p->fetched[i]->digest);
		free(p->fetched[i]);
	}
	free(p->fetched);
	free(p->insecure);
	free(p->image_id);
	free(p->image.config.data);
	free(p->manifest_digest);
	free(p->tag);
	free(p->digest);
	free(p->user);
	free(p->artifact_type);
	annotations_done(&p->annotations);
	free(p);
}

unsigned acquire_kept(const struct acquire *p)
{
	return p->kept;
}

void acquire_fetched(const struct acquire *p, Crisp__Pull__Fetched ***ret, size_t *ret_n)
{
	*ret = p->fetched;
	*ret_n = p->n_fetched;
}

/* Add what the fetch has transferred, from this source, to what earlier ones did. */
static void note_fetched(struct acquire *p)
{
	size_t n = fetch_count(p->fetch);
	_cleanup_free_ Crisp__Pull__Fetched *list = xcalloc(n + 1, sizeof(*list));

	n = MIN(fetch_fetched(p->fetch, list), FETCHED_MAX - p->n_fetched);
	p->fetched = xrealloc(p->fetched, (p->n_fetched + n + 1) * sizeof(*p->fetched));
	for (size_t i = 0; i < n; i++) {
		Crisp__Pull__Fetched *f = xmalloc(sizeof(*f));

		*f = list[i];
		f->media_type = xstrdup(f->media_type);
		f->digest = xstrdup(f->digest);
		p->fetched[p->n_fetched++] = f;
	}
}

/* --- progress --- */

static uint64_t rate_of(struct rate *r, uint64_t bytes)
{
	int64_t now = clock_monotonic_ns(), ns = now - r->since_ns;

	if (ns < NSEC_PER_SEC)
		return r->value;
	if (r->since_ns)
		r->value = (bytes - MIN(r->bytes, bytes)) * 1000 / (uint64_t)(ns / NSEC_PER_MSEC);
	r->since_ns = now;
	r->bytes = bytes;
	return r->value;
}

static void tell(struct acquire *p)
{
	p->now.retries = atomic_load(&p->parts->meter->retries);
	p->now.rate = rate_of(&p->rate, p->now.bytes_received);
	if (memcmp(&p->now, &p->told, sizeof(p->now)) == 0)
		return;
	p->told = p->now;
	p->ops->progress(p->ops->arg, &p->now);
}

/* The fetch counters restart with each source, except bytes_received. */
static void on_fetched(void *arg, const Crisp__Pull__Progress *of_fetch)
{
	struct acquire *p = arg;

	p->now = *of_fetch;
	p->now.host = p->host;
	p->now.bytes_received += p->received_before;
	tell(p);
}

static void ask_host(struct acquire *p, const char *host)
{
	snprintf(p->host, sizeof(p->host), "%s", host);
	p->received_before = p->now.bytes_received;
	p->now.phase = IMAGE_PULL_PHASE_RESOLVING;
	p->told.host = NULL; /* force a report: same address, new name */
	tell(p);
}

/* --- manifest and config --- */

static int check_digest(const struct buf *text, const char *wanted, struct err *e)
{
	char got[DIGEST_TEXT];

	digest_of(text->data, text->len, got);
	if (strcmp(got, wanted) != 0)
		return err_set(e, ERR_INVALID, "the digest is %s instead of %s", got, wanted);
	return 0;
}

/* reference: a tag, or a digest, which is verified. */
static int get_manifest(struct source *s, const char *reference, char ret_digest[DIGEST_TEXT],
			struct manifest *ret, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	_cleanup_free_ char *type = NULL;
	int r = source_manifest(s, reference, &text, &type, e);

	*ret = MANIFEST_NULL;
	if (r < 0)
		return r;
	if (image_digest_is_valid(reference) && check_digest(&text, reference, e) < 0)
		return err_wrap(e, "manifest %s", reference);
	digest_of(text.data, text.len, ret_digest);
	if (manifest_parse(text.data ? text.data : "", text.len, type, ret, e) < 0)
		return err_wrap(e, "%s", reference);
	return 0;
}

/* Resolve a reference to the manifest for this machine's platform. */
static int resolve(struct source *s, const char *reference, struct found *f, struct err *e)
{
	const struct platform host = platform_host();
	int r = get_manifest(s, reference, f->digest, &f->manifest, e);

	memcpy(f->manifest_digest, f->digest, DIGEST_TEXT);
	/* Allow an index within an index, but no deeper nesting. */
	for (int depth = 0; r == 0 && f->manifest.kind == MANIFEST_KIND_INDEX; depth++) {
		const struct descriptor *d = manifest_choose(&f->manifest, &host);
		_cleanup_free_ char *digest = d ? xstrdup(d->digest) : NULL;
		_cleanup_free_ char *offered = manifest_platforms(&f->manifest);

		if (!d)
			return err_set(e, ERR_NOT_FOUND, "no image for %s/%s%s%s; there are: %s",
				       host.os, host.architecture, *host.variant ? "/" : "",
				       host.variant, offered);
		if (depth == 2)
			return err_set(e, ERR_INVALID, "indexes are nested more than two deep");
		manifest_done(&f->manifest);
		r = get_manifest(s, digest, f->manifest_digest, &f->manifest, e);
	}
	return r;
}

static int get_config(struct source *s, struct found *f, struct err *e)
{
	const struct descriptor *d = &f->manifest.config;
	int r;

	if (d->size > LIMIT_MANIFEST)
		return err_set(e, ERR_INVALID, "config: %ju bytes are more than %d",
			       (uintmax_t)d->size, LIMIT_MANIFEST);
	r = source_collect(s, d, &f->config, e);
	if (r < 0 || (r = check_digest(&f->config, d->digest, e)) < 0)
		return err_wrap(e, "config");
	r = image_config_parse(f->config.data ? f->config.data : "", f->config.len, &f->parsed, e);
	if (r < 0)
		return r;
	if (f->parsed.os && strcmp(f->parsed.os, "linux") != 0)
		return err_set(e, ERR_INVALID, "this is an image for %.40s, not for linux",
			       f->parsed.os);
	if (f->parsed.n_diff_ids != f->manifest.n)
		return err_set(e, ERR_INVALID,
			       "the manifest has %zu layers and the config %zu diff_ids",
			       f->manifest.n, f->parsed.n_diff_ids);
	return 0;
}

/* An artifact has one layer for each file. Its pseudo diffID hashes file name and blob digest. The
 * hashed text is too short for a tar archive, so no real layer has that diffID. */
static char *file_diff_id(const struct descriptor *d)
{
	char *diff_id = xmalloc(DIGEST_TEXT), name[DIGEST_TEXT];
	_cleanup_free_ char *text = NULL;

	digest_of(d->file, strlen(d->file), name);
	text = xasprintf("%s %s", name, d->digest);
	digest_of(text, strlen(text), diff_id);
	return diff_id;
}

/* The config of an artifact is not needed. */
static void take_artifact(struct found *f)
{
	const struct manifest *m = &f->manifest;

	f->parsed.diff_ids = xcalloc(m->n + 1, sizeof(char *));
	for (size_t i = 0; i < m->n; i++)
		f->parsed.diff_ids[i] = file_diff_id(&m->entries[i]);
	f->parsed.n_diff_ids = m->n;
}

/* --- one image from one source --- */

static void fill_result(struct acquire *p, struct found *f)
{
	Crisp__State__Image *image = &p->image;

	p->tag = take_ptr(f->tag);
	p->digest = xasprintf("%s@%s", f->name, f->digest);
	image->tags = &p->tag;
	image->n_tags = p->tag ? 1 : 0;
	image->digests = &p->digest;
	image->n_digests = 1;
	image->size = f->config.len;
	image->config.len = f->config.len;
	image->config.data = (uint8_t *)buf_take(&f->config);
	image->manifest_digest = p->manifest_digest = xstrdup(f->manifest_digest);
	image->pulled_ns = clock_realtime_ns();
	image->boot_id = (char *)(uintptr_t)clock_boot_id();
	p->user = take_ptr(f->parsed.user);
	if (p->user)
		image->user = p->user;
	fetch_layers(p->fetch, &image->layers, &image->n_layers);
	for (size_t i = 0; i < image->n_layers; i++)
		image->size += image->layers[i]->unpacked_size;
	admit_signatures(p->trust, &image->signatures, &image->n_signatures);
	p->annotations = f->manifest.annotations;
	f->manifest.annotations = ANNOTATIONS_NULL;
	image->annotations = p->annotations.list;
	image->n_annotations = p->annotations.n;
	p->artifact_type = take_ptr(f->manifest.artifact_type);
	if (p->artifact_type)
		image->artifact_type = p->artifact_type;
	p->image_id = xstrdup((p->artifact_type ? f->manifest_digest : f->manifest.config.digest) +
			      strlen("sha256:"));
	p->result.image_id = p->image_id;
	p->result.image = image;
}

static int pull_from(struct acquire *p, struct source *s, const char *reference, struct found *f,
		     struct err *e)
{
	const struct fetch_ops ops = {
		.progress = on_fetched,
		.arg = p,
	};
	int r = resolve(s, reference, f, e);

	/* Check the policy before fetching config and layers. */
	r = r < 0 ? r : admit_check(p->trust, s, &p->parts->unpacker, f->manifest_digest, e);
	if (r == 0 && f->manifest.kind == MANIFEST_KIND_ARTIFACT)
		take_artifact(f);
	else if (r == 0)
		r = get_config(s, f, e);
	if (r < 0)
		return r;
	p->fetch = fetch_new(p->request, &p->parts->unpacker, &f->manifest,
			     (const char *const *)f->parsed.diff_ids, p->stop);
	r = fetch_run(p->fetch, s, &ops, e);
	note_fetched(p);
	if (r < 0) {
		fetch_free(take_ptr(p->fetch));
		return r;
	}
	fill_result(p, f);
	return 0;
}

/* --- from a registry --- */

static int pull_from_registry(struct acquire *p, const struct image_ref *ref,
			      const struct image_source *where, bool alone, struct err *e)
{
	_cleanup_(source_done) struct source s = SOURCE_NULL;
	_cleanup_(found_done) struct found f = { .name = image_ref_name(ref) };
	Crisp__Pull__Source q = CRISP__PULL__SOURCE__INIT;
	int r = admit_begin(p->trust, ref, where, e);

	q.host = where->host;
	q.repository = where->repository;
	q.insecure = where->insecure;
	q.mirror = where->mirror;
	q.domain = ref->domain;
	q.path = ref->path;
	q.tag = ref->tag;
	q.digest = ref->digest;
	q.alone = alone;
	r = r < 0 ? r : source_open(&p->parts->fetcher, p->stop, &q, &s, e);
	if (r < 0)
		return r;
	ask_host(p, s.host);
	/* A tag next to a digest is not verified, so do not record it. */
	f.tag = *ref->digest ? NULL : image_ref_tagged(ref);
	return pull_from(p, &s,
			 *ref->digest ? ref->digest
			 : *ref->tag  ? ref->tag
				      : "latest",
			 &f, e);
}

/* true: another host may succeed. */
static bool next_may_help(const struct acquire *p, const struct err *e)
{
	return !stop_is_set(p->stop) && e->code != ERR_EXHAUSTED && !admit_failed(p->trust);
}

static int pull_full(struct acquire *p, const struct image_ref *ref, bool alone, struct err *e)
{
	struct image_sources sources;
	_cleanup_buf_ struct buf failed = BUF_NULL;
	int r = registries_sources(p->registries, ref, p->insecure, &sources, e);

	for (size_t i = 0; i < sources.n && r == 0; i++) {
		r = pull_from_registry(p, ref, &sources.list[i], alone, e);
		if (r == 0 || i + 1 == sources.n || !next_may_help(p, e))
			break;
		buf_printf(&failed, "%s%.300s", failed.len ? "; " : "", e->text);
		r = 0;
	}
	/* Report the last error (the registry's, if it was tried), with mirror errors in
	 * parentheses. */
	if (r < 0 && failed.len) {
		const struct err last = *e;

		err_fill(e, last.code, last.errnum, last.file, last.line,
			 "%.500s (mirrors: %.400s)", last.text, failed.data);
	}
	image_sources_done(&sources);
	return r;
}

static int pull_by_reference(struct acquire *p, struct err *e)
{
	struct image_ref ref = IMAGE_REF_NULL;
	struct image_refs refs = { .n = 0 };
	int r = image_ref_parse(p->request->reference, &ref, e);

	r = r < 0 ? r
		  : registries_expand(p->registries, &ref, p->request->short_name_mode, &refs, e);
	for (size_t i = 0; i < refs.n && r == 0; i++) {
		r = pull_full(p, &refs.list[i], refs.n == 1, e);
		if (r == 0)
			break;
		if (i + 1 < refs.n && (next_may_help(p, e) || admit_failed(p->trust)))
			r = 0;
	}
	image_refs_done(&refs);
	image_ref_done(&ref);
	return r;
}

/* --- from a layout --- */

/* Turn a directory name into a valid path component of an image name. */
static char *name_from_dir(const char *dir)
{
	const char *base = strrchr(dir, '/');
	char *name = xasprintf("localhost/%s", base ? base + 1 : dir);
	size_t n = strlen("localhost/");

	for (const char *s = name + n; *s; s++) {
		char c = (char)tolower((unsigned char)*s);
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (plain)
			name[n++] = c;
		else if (name[n - 1] != '/' && name[n - 1] != '-')
			name[n++] = '-';
	}
	while (name[n - 1] == '-')
		n--;
	name[n] = '\0';
	if (name[n - 1] != '/')
		return name;
	free(name);
	return xstrdup("localhost/image");
}

/* The name in the entry of a layout, else a name derived from the directory. */
static int name_entry(const char *dir, const struct descriptor *d, struct image_ref *ret,
		      struct err *e)
{
	_cleanup_free_ char *base = name_from_dir(dir), *text = NULL;
	struct err ignored = ERR_NULL;

	if (d->ref_name && image_ref_parse(d->ref_name, ret, &ignored) == 0) {
		if (*ret->domain)
			return 0;
		image_ref_done(ret);
	}
	text = d->ref_name && image_tag_is_valid(d->ref_name)
		       ? xasprintf("%s:%s", base, d->ref_name)
		       : xstrdup(base);
	return image_ref_parse(text, ret, e);
}

static int pull_layout_entry(struct acquire *p, struct source *s, const struct image_ref *named,
			     const struct descriptor *d, struct err *e)
{
	_cleanup_(image_ref_done) struct image_ref own = IMAGE_REF_NULL;
	_cleanup_(found_done) struct found f = { .name = NULL };
	const struct image_ref *ref = named;

	if (!named->path) {
		if (name_entry(p->request->layout_dir, d, &own, e) < 0)
			return -(int)e->code;
		ref = &own;
	}
	f.name = image_ref_name(ref);
	f.tag = image_ref_tagged(ref);
	if (admit_begin_layout(p->trust, p->request->layout_dir, ref, e) < 0)
		return -(int)e->code;
	return pull_from(p, s, d->digest, &f, e);
}

static int pull_layout(struct acquire *p, struct err *e)
{
	const Crisp__Pull__Request *q = p->request;
	_cleanup_(image_ref_done) struct image_ref named = IMAGE_REF_NULL;
	_cleanup_(manifest_done) struct manifest index = MANIFEST_NULL;
	_cleanup_(source_done) struct source s = SOURCE_NULL;
	Crisp__Pull__Source where = CRISP__PULL__SOURCE__INIT;
	const struct descriptor *d;
	int r = *q->reference ? image_ref_parse(q->reference, &named, e) : 0;

	if (r < 0)
		return r;
	if (!fs_path_is_clean(q->layout_dir))
		return err_set(e, ERR_INVALID, "%s is not an absolute path without . and ..",
			       q->layout_dir);
	where.layout_dir = q->layout_dir;
	r = source_open(&p->parts->fetcher, p->stop, &where, &s, e);
	r = r < 0 ? r
		  : source_layout_entry(&s, q->layout_dir, q->reference, named.tag ? named.tag : "",
					&index, &d, e);
	return r < 0 ? r : pull_layout_entry(p, &s, &named, d, e);
}

int acquire_run(struct acquire *p, const Crisp__Pull__Result **ret, struct err *e)
{
	const Crisp__Pull__Request *q = p->request;
	struct err ignored = ERR_NULL;
	int r = *q->layout_dir ? pull_layout(p, e) : pull_by_reference(p, e);

	if (r < 0 && e->code == ERR_UNAVAILABLE)
		p->kept = image_staging_claims(q->images_root, q->pull_id);
	if (!p->kept)
		image_staging_leave(q->images_root, q->pull_id, &ignored);
	if (r < 0 && (e->errnum == ENOSPC || e->errnum == EDQUOT))
		return err_wrap(e, "the file system of %s is full", q->images_root);
	if (r < 0)
		return r;
	*ret = &p->result;
	return 0;
}
