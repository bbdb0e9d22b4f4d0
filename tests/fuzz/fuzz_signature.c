/*
 * fuzz_signature.c - any bytes as a signature's payload, annotation, key and signed content: an
 * error with a text, or a digest and a name.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"
#include "pull/trust/sigpayload.h"
#include "pull/trust/sigstore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_payload(const uint8_t *data, size_t size, bool sigstore)
{
	struct err e = ERR_NULL;
	struct sigpayload p;
	int r = sigpayload_parse((const char *)data, size, sigstore, &p, &e);

	if (r < 0 ? !e.text[0]
		  : !image_digest_is_valid(p.digest) || !*p.signed_as.domain || !*p.signed_as.path)
		abort();
	sigpayload_done(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	const struct buf key = { .data = (char *)(uintptr_t)data, .len = size, .cap = size };
	_cleanup_buf_ struct buf bytes = BUF_NULL;
	struct err e = ERR_NULL;

	check_payload(data, size, false);
	check_payload(data, size, true);
	if (sigstore_base64(text, &bytes, &e) == 0 && (bytes.len == 0 || bytes.len > size))
		abort();
	if (sigstore_verify(&key, 1, data, size, "QUJD", &e) == 0)
		abort();
	return 0;
}
