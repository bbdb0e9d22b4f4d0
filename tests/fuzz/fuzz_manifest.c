/*
 * fuzz_manifest.c - any bytes as a manifest: an error with a text, or values that are safe in paths
 * and requests.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/util.h"
#include "image/ref.h"
#include "pull/fetch/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_entry(const struct descriptor *d)
{
	if (!image_digest_is_valid(d->digest) || d->size > (uint64_t)LIMIT_LAYER_BYTES ||
	    !d->media_type)
		abort();
	if (d->file && (*d->file == '/' || !*d->file || strstr(d->file, "..") == d->file))
		abort();
	for (size_t i = 0; i < d->n_urls; i++)
		if (strncmp(d->urls[i], "http", 4) != 0 || strpbrk(d->urls[i], " \r\n\t"))
			abort();
}

static void check_manifest(const uint8_t *data, size_t size, const char *type)
{
	static const struct platform p = { "linux", "arm", "v7" };
	_cleanup_free_ char *platforms = NULL;
	struct err e = ERR_NULL;
	struct manifest m;

	if (manifest_parse((const char *)data, size, type, &m, &e) < 0) {
		if (!e.text[0])
			abort();
		manifest_done(&m);
		return;
	}
	for (size_t i = 0; i < m.n; i++) {
		check_entry(&m.entries[i]);
		if ((m.kind == MANIFEST_KIND_ARTIFACT) != !!m.entries[i].file)
			abort();
	}
	if (m.kind != MANIFEST_KIND_INDEX) {
		check_entry(&m.config);
		if (m.n > LIMIT_LAYERS)
			abort();
	} else {
		manifest_choose(&m, &p);
		platforms = manifest_platforms(&m);
	}
	manifest_done(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_manifest(data, size, NULL);
	check_manifest(data, size, "application/vnd.oci.image.index.v1+json");
	return 0;
}
