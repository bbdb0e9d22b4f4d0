/*
 * fuzz_challenge.c - any text as WWW-Authenticate headers, a line each: the strongest challenge
 * that can be answered, or none.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pull/fetch/challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	struct challenge c = CHALLENGE_NULL;
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		enum challenge_scheme before = c.scheme;

		challenge_parse(line, &c);
		if (c.scheme < before)
			abort();
	}
	if (c.scheme == CHALLENGE_SCHEME_BEARER && (!c.realm || !*c.realm))
		abort();
	challenge_done(&c);
	return 0;
}
