/*
 * row.c - encode and decode a row: header, checksum, payload.
 */
#include "store/row.h"

#include <stdint.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "store/store.h"

#define STORE_VERSION 1

/* Before each payload; copied as little endian, no padding. */
struct row_header {
	uint32_t version;
	uint32_t size; /* of the payload */
	char boot_id[40];
	uint64_t checksum; /* XXH3 of header (with checksum 0), key, payload: each seeds the next */
};

static uint64_t checksum(const struct row_header *h, const char *key, const void *payload)
{
	struct row_header zeroed = *h;
	uint64_t sum;

	zeroed.checksum = 0;
	sum = XXH3_64bits(&zeroed, sizeof(zeroed));
	sum = XXH3_64bits_withSeed(key, strlen(key), sum);
	return XXH3_64bits_withSeed(payload, h->size, sum);
}

size_t store_row_header(void)
{
	return sizeof(struct row_header);
}

static struct row_header header_of(const char *key, const void *payload, size_t size)
{
	struct row_header h = { .version = STORE_VERSION, .size = (uint32_t)size };

	memcpy(h.boot_id, clock_boot_id(), 37);
	h.checksum = checksum(&h, key, payload);
	return h;
}

void store_row_write(void *to, const char *key, const void *payload, size_t size)
{
	const struct row_header h = header_of(key, payload, size);

	memcpy(to, &h, sizeof(h));
	if (size)
		memcpy((char *)to + sizeof(h), payload, size);
}

bool store_row_is(const void *value, size_t value_size, const char *key, const void *payload,
		  size_t size)
{
	const struct row_header h = header_of(key, payload, size);

	return value_size == sizeof(h) + size && memcmp(value, &h, sizeof(h)) == 0 &&
	       (!size || memcmp((const char *)value + sizeof(h), payload, size) == 0);
}

void store_row_read(const char *key, const void *value, size_t size, struct store_row *ret)
{
	struct row_header h;

	*ret = (struct store_row){ .key = key, .payload = value, .size = size };
	ret->damaged = true;
	if (size < sizeof(h))
		return;
	memcpy(&h, value, sizeof(h));
	if (h.version != STORE_VERSION || h.size != size - sizeof(h) ||
	    h.checksum != checksum(&h, key, (const char *)value + sizeof(h)))
		return;
	ret->payload = (const char *)value + sizeof(h);
	ret->size = h.size;
	memcpy(ret->boot_id, h.boot_id, 36);
	ret->damaged = false;
}
