/*
 * fuzz_shimproto.c - shim frames of an untrusted peer: refused, or the same after they are written
 * and read again.
 */
#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "shimproto/shimproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request(const uint8_t *data, size_t size)
{
	static char again[SHIM_FRAME_MAX];
	struct shim_request req;
	struct err e = ERR_NULL;
	size_t n;
	uint32_t seq;

	if (shimproto_parse_request(data, size, &req, &seq, &e) < 0) {
		assert(e.text[0]);
		return;
	}
	assert(strlen(req.bundle) < SHIM_PATH_MAX && strlen(req.id) <= SHIM_ID_MAX);
	/* What lies behind the header is the only writing of it; error is not looked at. */
	assert(shimproto_pack_request(&req, seq, again, &n, &e) == 0 && n == size);
	assert(memcmp(again + 20, data + 20, size - 20) == 0);
}

static void report(const uint8_t *data, size_t size)
{
	static char again[SHIM_FRAME_MAX];
	struct shim_report rep;
	struct err e = ERR_NULL;
	size_t n;

	if (shimproto_parse_report(data, size, &rep, &e) < 0)
		return;
	assert(memchr(rep.status.id, '\0', sizeof(rep.status.id)));
	assert(memchr(rep.err.text, '\0', sizeof(rep.err.text)));
	assert(shimproto_pack_report(&rep, again, &n, &e) == 0 && n == size);
	assert(memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	request(data, size);
	report(data, size);
	return 0;
}
