/*
 * fuzz_envelope.c - rows of any bytes, loaded as objects of each machine: refused, or packed to a
 * row that loads to the same object.
 *
 * The first byte picks the machine, the rest is the envelope as the store would hand it out with a
 * right checksum.  What loads must pack to something that loads again to the same.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"
#include "gen/sm_container.h"
#include "gen/sm_exec.h"
#include "gen/sm_image.h"
#include "gen/sm_pull.h"
#include "gen/sm_sandbox.h"
#include "sm/engine.h"
#include "tests/unit/no_effects.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sm_machine *const machines[] = {
	&sbx_machine, &ctr_machine, &exe_machine, &img_machine, &pul_machine,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sm_object *obj = NULL, *again = NULL;
	const struct sm_machine *m;
	struct sm_engine *en;
	struct err e = ERR_NULL;
	int r;

	if (size < 1)
		return 0;
	m = machines[data[0] % ARRAY_LEN(machines)];
	en = sm_engine_new(&no_ops, NULL);
	r = sm_object_load(en, m, ID, data + 1, size - 1, &obj, &e);
	assert(r == 0 || (r == -ERR_DATA_LOSS && e.text[0] && !obj));
	if (r == 0) {
		_cleanup_free_ void *packed = NULL, *repacked = NULL;
		size_t n, n_again;

		packed = sm_object_pack(obj, &n);
		r = sm_object_load(en, m, ID, packed, n, &again, &e);
		assert(r == 0);
		repacked = sm_object_pack(again, &n_again);
		assert(n == n_again && memcmp(packed, repacked, n) == 0);
		for (uint16_t i = 0; i < again->n_history; i++)
			assert(sm_history_at(again, i)->to < m->n_states);
		sm_object_free(again);
		sm_object_free(obj);
	}
	sm_engine_free(en);
	return 0;
}
