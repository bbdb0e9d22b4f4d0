/*
 * admit.c - select the policy scope, fetch signatures, and let the unpacker verify them.
 */
#include "pull/admit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/reason.h"
#include "base/str.h"
#include "base/util.h"
#include "image/policy.h"
#include "pull/base/digest.h"
#include "pull/hand.h"
#include "pull/trust/evaluate.h"
#include "pull/trust/lookaside.h"

#define SIGNATURES_MAX 128 /* limit per location */
#define KEEP_BYTES ((size_t)(128 * 1024)) /* limit for all signatures of an image's row */
#define TRIES 3
#define TYPE_SIMPLESIGNING "application/vnd.dev.cosign.simplesigning.v1+json"

struct admit {
	struct policy *policy; /* NULL: no policy, any image is accepted */
	struct lookaside *lookaside;
	/* State of the current image: */
	struct image_ref ref; /* requested reference */
	struct image_ref location; /* source; domain "": a layout */
	const struct policy_scope *scope;
	bool needed; /* signatures decide */
	bool failed;
	Crisp__State__Signature **found;
	size_t n;
	bool *accepted; /* one for each of found, once verified */
};

static void forget_image(struct admit *t)
{
	for (size_t i = 0; i < t->n; i++)
		crisp__state__signature__free_unpacked(t->found[i], NULL);
	free(t->found);
	free(t->accepted);
	t->found = NULL;
	t->accepted = NULL;
	t->n = 0;
	image_ref_done(&t->ref);
	image_ref_done(&t->location);
	t->failed = false;
}

void admit_free(struct admit *t)
{
	if (!t)
		return;
	forget_image(t);
	policy_free(t->policy);
	lookaside_free(t->lookaside);
	free(t);
}

int admit_new(const Crisp__Pull__Request *request, struct admit **ret, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	struct admit *t;
	int r = policy_find(request->signature_policy, request->signature_policy_dir,
			    request->pod_namespace, &path, e);

	*ret = NULL;
	if (r < 0)
		return r;
	t = xcalloc(1, sizeof(*t));
	t->lookaside = lookaside_new();
	r = path ? policy_load(path, &t->policy, e) : 0;
	if (t->policy)
		policy_read_keys(t->policy);
	r = r < 0 ? r : lookaside_load(t->lookaside, request->registries_d, e);
	if (r < 0) {
		admit_free(t);
		return reason_set(e, REASON_SIGNATURE_VALIDATION_FAILED);
	}
	*ret = t;
	return 0;
}

const struct policy *admit_policy(const struct admit *t)
{
	return t->policy;
}

void admit_each_place(const struct admit *t, void (*fn)(void *arg, const char *url), void *arg)
{
	lookaside_each(t->lookaside, fn, arg);
}

bool admit_failed(const struct admit *t)
{
	return t->failed;
}

static int refuse(struct admit *t, struct err *e)
{
	_cleanup_free_ char *name = image_ref_name(&t->ref);

	/* A network error gives no verdict on the image. */
	if (e->code == ERR_UNAVAILABLE || e->code == ERR_CANCELLED)
		return err_wrap(e, "signatures of image %s", name);
	t->failed = true;
	err_wrap(e, "image %s", name);
	return reason_set(e, REASON_SIGNATURE_VALIDATION_FAILED);
}

static int decide(struct admit *t, struct err *e)
{
	int r = t->policy ? policy_decide(t->scope, e) : 0;

	t->needed = r > 0;
	return r < 0 ? refuse(t, e) : 0;
}

int admit_begin(struct admit *t, const struct image_ref *ref, const struct image_source *where,
		struct err *e)
{
	struct image_ref location = { where->host, where->repository, ref->tag, ref->digest };
	int r;

	forget_image(t);
	r = policy_ref_copy(ref, &t->ref, e);
	r = r < 0 ? r : policy_ref_copy(&location, &t->location, e);
	if (r < 0)
		return r;
	if (t->policy)
		t->scope = policy_of_image(t->policy, &t->ref);
	return decide(t, e);
}

int admit_begin_layout(struct admit *t, const char *dir, const struct image_ref *ref, struct err *e)
{
	forget_image(t);
	if (policy_ref_copy(ref, &t->ref, e) < 0)
		return -(int)e->code;
	if (t->policy)
		t->scope = policy_of_layout(t->policy, dir, t->ref.tag);
	return decide(t, e);
}

/* --- fetch signatures --- */

static void add_signature(struct admit *t, const char *manifest_digest, struct buf *content,
			  const char *sigstore)
{
	Crisp__State__Signature *s;

	/* Skip empty files. */
	if (!content->len)
		return;
	s = xmalloc(sizeof(*s));
	crisp__state__signature__init(s);
	s->manifest_digest = xstrdup(manifest_digest);
	s->content.len = content->len;
	s->content.data = (uint8_t *)buf_take(content);
	s->sigstore = sigstore != NULL;
	if (sigstore)
		s->signature = xstrdup(sigstore);
	t->found = xrealloc(t->found, (t->n + 1) * sizeof(struct Crisp__State__Signature *));
	t->found[t->n++] = s;
}

/* Fetch BASE/path@sha256=HEX/signature-1, -2 and so on, up to the first missing one. */
static int fetch_lookaside(struct admit *t, struct source *s, const char *base,
			   const char *manifest_digest, struct err *e)
{
	for (int i = 1; i <= SIGNATURES_MAX; i++) {
		_cleanup_buf_ struct buf text = BUF_NULL;
		_cleanup_free_ char *where =
			xasprintf("%s/%s@sha256=%s/signature-%d", base, t->location.path,
				  manifest_digest + strlen("sha256:"), i);
		/* Do not retry optional signatures. */
		int r = source_signature(s, where, t->needed ? TRIES : 1, &text, e);

		if (r != 0)
			return r < 0 ? r : 0;
		add_signature(t, manifest_digest, &text, NULL);
	}
	return 0;
}

static int fetch_attachment(struct admit *t, struct source *s, const struct descriptor *d,
			    const char *manifest_digest, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	char digest[DIGEST_TEXT];

	if (strcmp(d->media_type, TYPE_SIMPLESIGNING) != 0 || !d->signature)
		return 0;
	if (d->size > SIGNATURE_MAX)
		return err_set(e, ERR_DENIED, "larger than %d bytes", SIGNATURE_MAX);
	if (source_collect(s, d, &text, e) < 0)
		return -(int)e->code;
	digest_of(text.data, text.len, digest);
	if (strcmp(digest, d->digest) != 0)
		return err_set(e, ERR_DENIED, "the digest is %s instead of %s", digest, d->digest);
	add_signature(t, manifest_digest, &text, d->signature);
	return 0;
}

/* Fetch the attachment image, whose tag derives from the signed digest. Its layers are the
 * payloads. */
static int fetch_attachments(struct admit *t, struct source *s, const char *manifest_digest,
			     struct err *e)
{
	_cleanup_free_ char *tag = xasprintf("sha256-%s.sig", manifest_digest + strlen("sha256:"));
	_cleanup_(manifest_done) struct manifest m = MANIFEST_NULL;
	_cleanup_buf_ struct buf text = BUF_NULL;
	_cleanup_free_ char *type = NULL;
	int r = source_manifest(s, tag, &text, &type, e);

	if (r < 0)
		return e->code == ERR_NOT_FOUND ? 0 : r;
	r = manifest_parse(text.data ? text.data : "", text.len, type, &m, e);
	if (r < 0)
		return err_wrap(e, "%s", tag);
	for (size_t i = 0; i < m.n && m.kind == MANIFEST_KIND_IMAGE && r == 0; i++)
		r = fetch_attachment(t, s, &m.entries[i], manifest_digest, e);
	return r < 0 ? err_wrap(e, "%s", tag) : 0;
}

static int fetch(struct admit *t, struct source *s, const char *manifest_digest, struct err *e)
{
	struct lookaside_place place;
	int r;

	lookaside_find(t->lookaside, &t->location, &place);
	r = fetch_lookaside(t, s, place.url, manifest_digest, e);
	if (r < 0 || !place.attachments)
		return r;
	return fetch_attachments(t, s, manifest_digest, e);
}

int admit_check(struct admit *t, struct source *s, const struct helper *unpacker,
		const char *manifest_digest, struct err *e)
{
	struct err ignored = ERR_NULL;
	int r;

	if (s->layout && t->needed) {
		_cleanup_free_ char *scope = policy_scope_text(t->scope);

		err_set(e, ERR_DENIED, "%s: wants a signature, and a layout carries none", scope);
		return refuse(t, e);
	}
	if (s->layout)
		return 0;
	/* Fetch optional signatures too: a stricter policy may need them when a container is
	 * made. */
	r = fetch(t, s, manifest_digest, t->needed ? e : &ignored);
	t->accepted = xcalloc(t->n + 1, sizeof(*t->accepted));
	if (!t->needed)
		return 0;
	r = r < 0 ? r : hand_judge(unpacker, &t->ref, t->found, t->n, t->accepted, e);
	return r < 0 ? refuse(t, e) : 0;
}

void admit_signatures(struct admit *t, Crisp__State__Signature ***ret, size_t *ret_n)
{
	size_t kept = 0, bytes = 0;

	for (size_t i = 0; t->accepted && i < t->n; i++)
		if (t->accepted[i]) {
			Crisp__State__Signature *s = t->found[i];

			t->found[i] = t->found[kept];
			t->found[kept++] = s;
		}
	*ret = t->found;
	for (*ret_n = 0; *ret_n < t->n; (*ret_n)++) {
		bytes += crisp__state__signature__get_packed_size(t->found[*ret_n]);
		if (bytes > KEEP_BYTES)
			break;
	}
}
