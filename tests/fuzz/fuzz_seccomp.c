/*
 * fuzz_seccomp.c - any bytes as a seccomp profile: no crash, and an accepted profile is accepted
 * again, unchanged.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/seccomp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_NULL;
	json_t *profile = NULL, *again = NULL;
	char *text;
	int r;

	if (seccomp_profile_parse((const char *)data, size, 0x5fb, NULL, &profile, &e) < 0) {
		assert(e.text[0]);
		return 0;
	}
	text = json_dumps(profile, JSON_COMPACT);
	assert(text);
	r = seccomp_profile_parse(text, strlen(text), 0x5fb, NULL, &again, &e);
	assert(r == 0 && json_equal(profile, again));
	json_decref(profile);
	json_decref(again);
	free(text);
	return 0;
}
