/*
 * verify.c - read one request, confine the process, evaluate the signatures.
 */
#include "pull/verify.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "gen/pull.pb-c.h"
#include "image/policy.h"
#include "pull/confine.h"
#include "pull/trust/evaluate.h"
#include "pull/trust/openpgp.h"

#define REQUEST_MAX (1024 * 1024)

static int read_all(struct buf *ret, struct err *e)
{
	ssize_t n;

	do {
		n = read(STDIN_FILENO, buf_reserve(ret, 65536), 65536);
		if (n > 0)
			buf_commit(ret, (size_t)n);
	} while ((n > 0 && ret->len <= REQUEST_MAX) || (n < 0 && errno == EINTR));
	return n == 0 ? 0 : err_set(e, ERR_INTERNAL, "the request cannot be read");
}

/* Runs before any signature is parsed. */
static int confine(struct policy *p, struct err *e)
{
	const struct confine_view nothing = CONFINE_VIEW_NULL;
	struct err ignored = ERR_NULL;

	policy_read_keys(p);
	if (policy_has_kind(p, POLICY_KIND_GPG))
		(void)openpgp_load(&ignored);
	if (confine_leave_network(e) < 0)
		return -(int)e->code;
	return confine_enter(CONFINE_JUDGE, &nothing, e);
}

static int judge(const Crisp__Pull__Verify *v, struct err *e)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	_cleanup_free_ bool *accepted = xcalloc(v->n_signatures + 1, sizeof(*accepted));
	struct image_ref named = IMAGE_REF_NULL, ref = IMAGE_REF_NULL;
	int r = image_ref_parse(v->reference, &named, e);

	r = r < 0 ? r : policy_ref_copy(&named, &ref, e);
	r = r < 0 ? r : policy_load(v->policy, &p, e);
	r = r < 0 ? r : confine(p, e);
	r = r < 0 ? r
		  : evaluate_image(policy_of_image(p, &ref), &ref, v->signatures, v->n_signatures,
				   accepted, e);
	image_ref_done(&named);
	image_ref_done(&ref);
	return r;
}

static int verify(struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	Crisp__Pull__ToPuller *m;
	int r = read_all(&text, e);

	if (r < 0)
		return r;
	m = crisp__pull__to_puller__unpack(NULL, text.len, (const uint8_t *)text.data);
	r = m && m->verify ? judge(m->verify, e)
			   : err_set(e, ERR_INTERNAL, "the request is incomplete");
	crisp__pull__to_puller__free_unpacked(m, NULL);
	return r;
}

int verify_main(void)
{
	Crisp__Pull__FromPuller m = CRISP__PULL__FROM_PULLER__INIT;
	Crisp__Pull__Verified verified = CRISP__PULL__VERIFIED__INIT;
	Crisp__Pull__Failure failure = CRISP__PULL__FAILURE__INIT;
	_cleanup_free_ uint8_t *data = NULL;
	struct err e = ERR_NULL;
	size_t size;

	if (verify(&e) == 0) {
		m.verified = &verified;
	} else {
		failure.code = (uint32_t)e.code;
		failure.text = e.text;
		m.failure = &failure;
	}
	size = crisp__pull__from_puller__get_packed_size(&m);
	data = xmalloc(size);
	crisp__pull__from_puller__pack(&m, data);
	return fs_write_all(STDOUT_FILENO, data, size) < 0;
}
