/*
 * fuzz_ref.c - any text as an image reference: an error with a text, or parts that make a text
 * which parses into the same parts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "image/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = xstrndup((const char *)data, size);
	_cleanup_free_ char *name = NULL, *again = NULL, *tagged = NULL;
	struct image_ref a = IMAGE_REF_NULL, b = IMAGE_REF_NULL;
	struct err e = ERR_NULL;

	if (image_ref_parse(text, &a, &e) < 0) {
		if (!e.text[0] || a.path)
			abort();
		return 0;
	}
	name = image_ref_name(&a);
	tagged = image_ref_tagged(&a);
	again = xasprintf("%s%s%s%s%s", name, *a.tag ? ":" : "", a.tag, *a.digest ? "@" : "",
			  a.digest);
	/* docker.io is the one whose names are completed. */
	if ((strcmp(again, text) != 0 && strcmp(a.domain, "docker.io") != 0) ||
	    strstr(name, "..") || strstr(name, "//") || image_ref_parse(again, &b, &e) < 0 ||
	    strcmp(a.domain, b.domain) != 0 || strcmp(a.path, b.path) != 0 ||
	    strcmp(a.tag, b.tag) != 0 || strcmp(a.digest, b.digest) != 0)
		abort();
	image_ref_done(&a);
	image_ref_done(&b);
	return 0;
}
