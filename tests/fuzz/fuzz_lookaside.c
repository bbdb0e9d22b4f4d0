/*
 * fuzz_lookaside.c - any bytes as a file of registries.d: an error with a text, or URLs of the
 * three kinds that are known.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "image/policy.h"
#include "pull/trust/lookaside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lookaside *l = lookaside_new();
	struct lookaside_place place;
	struct err e = ERR_NULL;
	struct image_ref ref;

	if (lookaside_add(l, (const char *)data, size, "test.yaml", &e) < 0 &&
	    (!e.text[0] || e.code != ERR_PRECONDITION))
		abort();
	if (policy_ref_parse("a.b/c:1", &ref, &e) < 0)
		abort();
	lookaside_find(l, &ref, &place);
	if (!str_starts(place.url, "file:///") && !str_starts(place.url, "http://") &&
	    !str_starts(place.url, "https://"))
		abort();
	image_ref_done(&ref);
	lookaside_free(l);
	return 0;
}
