/*
 * id.c - make, derive and check object ids.
 */
#include "base/id.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/str.h"

void id_new(char out[ID_LEN + 1])
{
	unsigned char bytes[ID_LEN / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		abort();
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

void id_of_text(const char *text, char out[ID_LEN + 1])
{
	id_of_bytes(text, strlen(text), out);
}

void id_of_bytes(const void *data, size_t size, char out[ID_LEN + 1])
{
	for (unsigned i = 0; i < 2; i++) {
		XXH128_hash_t h = XXH3_128bits_withSeed(data, size, i);

		snprintf(out + i * 32, 33, "%016llx%016llx", (unsigned long long)h.high64,
			 (unsigned long long)h.low64);
	}
}

bool id_is_valid(const char *s)
{
	return strlen(s) == ID_LEN && str_is_hex(s, ID_LEN);
}

bool id_is_prefix(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= ID_LEN && str_is_hex(s, n);
}
