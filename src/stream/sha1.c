/*
 * sha1.c - SHA-1 in one pass over a short buffer.
 */
#include "stream/sha1.h"

#include <stdint.h>
#include <string.h>

#define BLOCK 64

static uint32_t rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void mix(uint32_t h[5], const unsigned char *p)
{
	uint32_t w[80], s[5];

	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
		       (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (size_t i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(s, h, sizeof(s));
	for (size_t i = 0; i < 80; i++) {
		uint32_t f, k, t;

		if (i < 20)
			f = (s[1] & s[2]) | (~s[1] & s[3]), k = 0x5a827999;
		else if (i < 40)
			f = s[1] ^ s[2] ^ s[3], k = 0x6ed9eba1;
		else if (i < 60)
			f = (s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3]), k = 0x8f1bbcdc;
		else
			f = s[1] ^ s[2] ^ s[3], k = 0xca62c1d6;
		t = rotate(s[0], 5) + f + s[4] + k + w[i];
		s[4] = s[3];
		s[3] = s[2];
		s[2] = rotate(s[1], 30);
		s[1] = s[0];
		s[0] = t;
	}
	for (size_t i = 0; i < 5; i++)
		h[i] += s[i];
}

void sha1(const void *data, size_t size, unsigned char out[SHA1_SIZE])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	unsigned char tail[2 * BLOCK] = { 0 };
	const unsigned char *p = data;
	size_t rest = size % BLOCK, n = rest + 9 <= BLOCK ? BLOCK : 2 * BLOCK;

	for (size_t i = 0; i + BLOCK <= size; i += BLOCK)
		mix(h, p + i);
	if (rest)
		memcpy(tail, p + size - rest, rest);
	tail[rest] = 0x80;
	for (size_t i = 0; i < 8; i++)
		tail[n - 1 - i] = (unsigned char)((uint64_t)size * 8 >> (8 * i));
	for (size_t i = 0; i < n; i += BLOCK)
		mix(h, tail + i);
	for (size_t i = 0; i < SHA1_SIZE; i++)
		out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}
