/*
 * fuzz_policy.c - any bytes as policy.json: an error with a text, or a policy that has an answer
 * for every image: what crisp cannot check is refused.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"
#include "image/policy.h"

#define DIGEST "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct policy *p, const struct image_ref *ref)
{
	const struct policy_scope *s = policy_of_image(p, ref);
	_cleanup_free_ char *text = policy_scope_text(s);
	struct err e = ERR_NULL;
	bool lacks = false;
	int r;

	if (!*text || !s->n)
		abort();
	for (size_t i = 0; i < s->n; i++) {
		const struct policy_requirement *q = &s->list[i];
		bool keys = q->kind == POLICY_KIND_GPG || q->kind == POLICY_KIND_SIGSTORE;

		lacks |= q->lacks != NULL;
		if (!q->lacks &&
		    keys != ((q->key_paths && *q->key_paths) || (q->key_data && *q->key_data)))
			abort();
		policy_identity_fits(&q->identity, ref, ref);
	}
	/* What cannot be checked is never accepted. */
	r = policy_decide(s, &e);
	if (r >= 0 && lacks)
		abort();
	if (r < 0 && e.code != ERR_DENIED && (!lacks || e.code != ERR_PRECONDITION))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"busybox",
		"a.b:5000/c/d:1",
		("x.example.com/y" DIGEST),
	};
	struct err e = ERR_NULL;
	struct policy *p = NULL;

	if (policy_parse((const char *)data, size, &p, &e) < 0) {
		if (!e.text[0] || e.code != ERR_PRECONDITION || p)
			abort();
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct image_ref ref;

		if (policy_ref_parse(names[i], &ref, &e) < 0)
			abort();
		ask(p, &ref);
		image_ref_done(&ref);
	}
	policy_of_layout(p, "/a/b", "c");
	policy_free(p);
	return 0;
}
