/*
 * verifier.c - run `crisp-pull verify` with the request on stdin, and parse its reply.
 */
#include "images/verifier.h"

#include "base/util.h"
#include "gen/pull.pb-c.h"
#include "os/spawn.h"

#define ANSWER_MAX (64 * 1024)
#define VERIFY_MS 30000

static int read_answer(const struct spawn_result *res, struct err *e)
{
	Crisp__Pull__FromPuller *m = NULL;
	int r = 0;

	if (res->status == 0)
		m = crisp__pull__from_puller__unpack(NULL, res->out.len,
						     (const uint8_t *)res->out.data);
	if (m && m->failure)
		r = err_set(e, (enum err_code)(m->failure->code ? m->failure->code : ERR_UNKNOWN),
			    "%s", m->failure->text);
	else if (!m || !m->verified)
		r = err_set(e, ERR_INTERNAL,
			    "crisp-pull verify ended without an answer (status %d)%s%s",
			    res->status, res->err.len ? ": " : "",
			    res->err.len ? res->err.data : "");
	crisp__pull__from_puller__free_unpacked(m, NULL);
	return r;
}

int image_verify(const char *pull_path, const char *policy, const char *reference,
		 Crisp__State__Signature *const *signatures, size_t n, struct err *e)
{
	const char *const argv[] = { pull_path, "verify", NULL };
	Crisp__Pull__ToPuller to = CRISP__PULL__TO_PULLER__INIT;
	Crisp__Pull__Verify v = CRISP__PULL__VERIFY__INIT;
	struct spawn_result res = SPAWN_RESULT_NULL;
	_cleanup_free_ uint8_t *request = NULL;
	size_t size;
	int r;

	v.policy = (char *)(uintptr_t)policy;
	v.reference = (char *)(uintptr_t)reference;
	v.signatures = (Crisp__State__Signature **)(uintptr_t)signatures;
	v.n_signatures = n;
	to.verify = &v;
	size = crisp__pull__to_puller__get_packed_size(&to);
	request = xmalloc(size);
	crisp__pull__to_puller__pack(&to, request);
	r = spawn_run(argv, NULL, request, size, ANSWER_MAX, VERIFY_MS, &res, e);
	r = r < 0 ? r : read_answer(&res, e);
	spawn_result_done(&res);
	return r;
}
