/*
 * fuzz_image_config.c - any bytes as an image config: an error with a text, or strings that end and
 * diffIDs that are digests.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "image/config.h"
#include "image/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(char **list)
{
	size_t n = 0, bytes = 0;

	for (; list && list[n]; n++)
		bytes += strlen(list[n]);
	return bytes < SIZE_MAX ? n : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_config c;
	struct err e = ERR_NULL;

	if (image_config_parse((const char *)data, size, &c, &e) < 0) {
		if (e.code != ERR_INVALID || !e.text[0])
			abort();
		image_config_done(&c);
		return 0;
	}
	if (count(c.diff_ids) != c.n_diff_ids || c.n_diff_ids > LIMIT_LAYERS)
		abort();
	for (size_t i = 0; i < c.n_diff_ids; i++)
		if (!image_digest_is_valid(c.diff_ids[i]))
			abort();
	count(c.entrypoint);
	count(c.cmd);
	count(c.env);
	count(c.volumes);
	image_config_done(&c);
	return 0;
}
