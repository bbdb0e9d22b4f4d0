/*
 * evaluate.c - check each requirement of a policy scope against all signatures.
 */
#include "pull/trust/evaluate.h"

#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "pull/trust/openpgp.h"
#include "pull/trust/sigpayload.h"
#include "pull/trust/sigstore.h"

#define REASONS_MAX 400 /* bytes, in an error */

/* Keys of one requirement. */
struct keys {
	struct buf *list;
	size_t n;
};

static void keys_done(struct keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		buf_done(&k->list[i]);
	free(k->list);
}

static struct buf *add_key(struct keys *k)
{
	k->list = xrealloc(k->list, (k->n + 1) * sizeof(*k->list));
	k->list[k->n] = BUF_NULL;
	return &k->list[k->n++];
}

static int load_keys(const struct policy_requirement *q, struct keys *k, struct err *e)
{
	int r = 0;

	for (size_t i = 0; q->key_paths && q->key_paths[i] && r == 0; i++) {
		const struct policy_key_file *f = &q->key_files[i];

		*e = f->e;
		r = -(int)f->e.code;
		if (r == 0)
			buf_add(add_key(k), f->text.data, f->text.len);
	}
	for (size_t i = 0; q->key_data && q->key_data[i] && r == 0; i++)
		r = sigstore_base64(q->key_data[i], add_key(k), e);
	if (r < 0)
		e->code = ERR_PRECONDITION;
	return r;
}

/* Check a verified payload: manifest digest and identity of the image. */
static int check_payload(const struct policy_requirement *q, const struct image_ref *ref,
			 const Crisp__State__Signature *s, const char *text, size_t size,
			 struct err *e)
{
	_cleanup_(sigpayload_done) struct sigpayload p = SIGPAYLOAD_NULL;
	_cleanup_free_ char *name = NULL;

	if (sigpayload_parse(text, size, s->sigstore, &p, e) < 0)
		return -(int)e->code;
	if (strcmp(p.digest, s->manifest_digest) != 0)
		return err_set(e, ERR_DENIED, "it is for manifest %s and not for %s", p.digest,
			       s->manifest_digest);
	if (policy_identity_fits(&q->identity, ref, &p.signed_as))
		return 0;
	name = image_ref_name(&p.signed_as);
	return err_set(e, ERR_DENIED,
		       "it names the image %s%s%s%s%s, which the policy does not "
		       "accept for this one",
		       name, *p.signed_as.tag ? ":" : "", p.signed_as.tag,
		       *p.signed_as.digest ? "@" : "", p.signed_as.digest);
}

static int check_signature(const struct policy_requirement *q, const struct keys *keys,
			   const struct image_ref *ref, const Crisp__State__Signature *s,
			   struct err *e)
{
	_cleanup_buf_ struct buf content = BUF_NULL;
	int r;

	if (s->sigstore) {
		r = sigstore_verify(keys->list, keys->n, s->content.data, s->content.len,
				    s->signature, e);
		return r < 0 ? r
			     : check_payload(q, ref, s, (const char *)s->content.data,
					     s->content.len, e);
	}
	r = openpgp_open(keys->list, keys->n, s->content.data, s->content.len, &content, e);
	return r < 0 ? r
		     : check_payload(q, ref, s, content.data ? content.data : "", content.len, e);
}

/* One valid signature is enough; others may be for other policies. */
static int check_signatures(const struct policy_requirement *q, const struct keys *keys,
			    const struct image_ref *ref, Crisp__State__Signature *const *signatures,
			    size_t n, bool *accepted, struct err *e)
{
	bool sigstore = q->kind == POLICY_KIND_SIGSTORE;
	_cleanup_buf_ struct buf reasons = BUF_NULL;
	size_t seen = 0;

	for (size_t i = 0; i < n; i++) {
		if ((bool)signatures[i]->sigstore != sigstore)
			continue;
		seen++;
		if (check_signature(q, keys, ref, signatures[i], e) == 0) {
			accepted[i] = true;
			return 0;
		}
		/* The policy is wrong, not the signature. */
		if (e->code == ERR_PRECONDITION || e->code == ERR_INTERNAL)
			return -(int)e->code;
		if (reasons.len < REASONS_MAX)
			buf_printf(&reasons, "; signature %zu: %s", seen, e->text);
	}
	if (seen == 0)
		return err_set(e, ERR_DENIED, "the image has no %s signature",
			       sigstore ? "sigstore" : "OpenPGP");
	return err_set(e, ERR_DENIED, "%s", reasons.data + strlen("; "));
}

static int check_requirement(const struct policy_requirement *q, const struct image_ref *ref,
			     Crisp__State__Signature *const *signatures, size_t n, bool *accepted,
			     struct err *e)
{
	struct keys keys = { .n = 0 };
	int r = load_keys(q, &keys, e);

	r = r < 0 ? r : check_signatures(q, &keys, ref, signatures, n, accepted, e);
	keys_done(&keys);
	return r;
}

int evaluate_image(const struct policy_scope *scope, const struct image_ref *ref,
		   Crisp__State__Signature *const *signatures, size_t n, bool *accepted,
		   struct err *e)
{
	int r = policy_decide(scope, e);

	for (size_t i = 0; r >= 0 && i < scope->n; i++) {
		const struct policy_requirement *q = &scope->list[i];
		_cleanup_free_ char *text = policy_scope_text(scope);

		if (q->kind == POLICY_KIND_ACCEPT)
			continue;
		if (check_requirement(q, ref, signatures, n, accepted, e) < 0)
			return err_wrap(e, "%s: %s (requirement %zu)", text,
					policy_kind_name(q->kind), i + 1);
	}
	return r < 0 ? r : 0;
}
