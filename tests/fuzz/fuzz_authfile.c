/*
 * fuzz_authfile.c - any bytes as an auth.json and as a token server's answer: an error that repeats
 * none of them, or credentials that are fit for a header.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pull/fetch/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_file(const char *text, size_t size, const char *host)
{
	struct credentials c;
	struct err e = ERR_NULL;
	int r = credentials_from_text(text, size, "auth.json", host, "team/app", &c, &e);

	if (r < 0 ? !strstr(e.text, "auth.json") : r == 0 && !c.username && !c.identity_token)
		abort();
	if (c.registry_token || (c.username && !c.password) || (r == 0 && c.hint))
		abort();
	credentials_done(&c);
}

static void check_token(const char *text, size_t size)
{
	_cleanup_free_ char *token = NULL;
	struct err e = ERR_NULL;

	if (credentials_token(text, size, &token, &e) < 0) {
		if (token || strcmp(e.text, "the token server's answer has no token") != 0)
			abort();
		return;
	}
	for (const char *s = token; *s; s++)
		if (*s <= ' ' || *s > '~')
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its own size: a read behind it is seen. */
	_cleanup_free_ char *text = size ? xmemdup(data, size) : xstrdup("");

	check_file(text, size, "docker.io");
	check_file(text, size, "registry.test:5000");
	check_token(text, size);
	return 0;
}
