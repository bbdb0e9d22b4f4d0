/*
 * fuzz_http.c - HTTP requests of any bytes: refused, or each word lies inside the request.
 */
#include <assert.h>

#include "base/util.h"
#include "stream/http.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_words(const struct http_words *ws, const char *data, size_t size)
{
	assert(ws->n <= HTTP_WORDS_MAX);
	for (size_t i = 0; i < ws->n; i++)
		assert(ws->words[i].n && ws->words[i].p >= data &&
		       ws->words[i].p + ws->words[i].n <= data + size);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	/* Of its own size: a read behind it is seen. */
	_cleanup_free_ char *copy = size ? xmemdup(data, size) : NULL;
	size_t n = http_head_size(copy, size);
	struct http_head h;
	struct err e = ERR_NULL;

	assert(n <= size);
	if (!n || http_parse_head(copy, n, &h, &e) < 0) {
		assert(!n || e.code == ERR_INVALID);
		return 0;
	}
	assert(h.path.n && *h.path.p == '/' && h.path.p + h.path.n <= copy + n);
	assert(h.fields <= HTTP_FIELDS_MAX);
	check_words(&h.protocols, copy, n);
	check_words(&h.subprotocols, copy, n);
	return 0;
}
