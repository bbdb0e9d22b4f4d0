/*
 * fuzz_registries.c - any bytes as registries.conf and a drop-in: an error that names the file, or
 * hosts and repositories for each reference.
 *
 * A line of "----" stands between registries.conf and the drop-in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pull/fetch/registries.h"

#define DIGEST "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SEPARATOR "\n----\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sources(const struct registries *r, const struct image_ref *ref)
{
	static char *const insecure[] = { "10.0.0.0/8", "plain.test", NULL };
	struct image_sources s;
	struct err e = ERR_NULL;

	if (registries_sources(r, ref, insecure, &s, &e) < 0) {
		if (!e.text[0] || s.n)
			abort();
		return;
	}
	if (!s.n || s.list[s.n - 1].mirror)
		abort();
	for (size_t i = 0; i < s.n; i++)
		if (!*s.list[i].host || !*s.list[i].repository || strchr(s.list[i].host, '/') ||
		    strstr(s.list[i].repository, ".."))
			abort();
	image_sources_done(&s);
}

static void check_reference(const struct registries *r, const char *text, const char *mode)
{
	struct image_refs refs;
	struct image_ref ref;
	struct err e = ERR_NULL;

	if (image_ref_parse(text, &ref, &e) < 0)
		abort();
	if (registries_expand(r, &ref, mode, &refs, &e) < 0 && (!e.text[0] || refs.n))
		abort();
	for (size_t i = 0; i < refs.n; i++) {
		if (!*refs.list[i].domain || (*mode == 'e' && refs.n > 1))
			abort();
		check_sources(r, &refs.list[i]);
	}
	image_refs_done(&refs);
	image_ref_done(&ref);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const texts[] = { "box",
					     "a/b:1",
					     "docker.io/x",
					     "one.test/a:bad",
					     "one.test:5000/a" DIGEST,
					     "x.y.wild.test/team/a:t" DIGEST };
	_cleanup_(registries_freep) struct registries *r = NULL;
	const char *text = (const char *)data;
	const char *at = size ? memmem(text, size, SEPARATOR, strlen(SEPARATOR)) : NULL;
	size_t first = at ? (size_t)(at - text) : size;
	size_t second = at ? first + strlen(SEPARATOR) : size;
	struct err e = ERR_NULL;
	int ret = registries_add_text(&r, text, first, "r.conf", &e);

	if (ret == 0)
		ret = registries_add_text(&r, text + second, size - second, "d.conf", &e);
	if (ret < 0) {
		if (!strstr(e.text, ".conf"))
			abort();
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		check_reference(r, texts[i], "");
		check_reference(r, texts[i], "enforcing");
	}
	return 0;
}
