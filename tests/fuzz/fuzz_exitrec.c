/*
 * fuzz_exitrec.c - exit records from a damaged disk: refused, or exactly as they would be written.
 */
#include <assert.h>
#include <string.h>

#include "shimproto/exitrec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exitrec rec;
	struct err e = ERR_NULL;
	char text[EXITREC_MAX];

	if (exitrec_parse((const char *)data, size, &rec, &e) < 0) {
		assert(e.code == ERR_DATA_LOSS);
		return 0;
	}
	assert(rec.code >= 0 && rec.code <= 255 && strlen(rec.boot_id) == 36);
	assert(exitrec_format(&rec, text) > 0);
	return 0;
}
