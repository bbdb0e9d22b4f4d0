/*
 * tarnum.c - octal, base-256 and decimal numbers; checksums; PAX records.
 */
#include "pull/unpack/tarnum.h"

#include <string.h>

#include "base/str.h"

#define CHECKSUM_AT 148
#define CHECKSUM_SIZE 8
#define BLOCK 512

static int number_base256(const unsigned char *field, size_t size, int64_t *ret)
{
	bool negative = field[0] & 0x40;
	uint64_t value = negative ? ~(uint64_t)0 : 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char byte = field[i];

		if (i == 0)
			byte = negative ? byte | 0x80 : byte & 0x7f;
		/* The bits shifted out must be copies of the sign. */
		if (value >> 56 != (negative ? 0xff : 0))
			return -1;
		value = value << 8 | byte;
	}
	if (((int64_t)value < 0) != negative)
		return -1;
	*ret = (int64_t)value;
	return 0;
}

int tar_number(const unsigned char *field, size_t size, int64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	if (field[0] & 0x80)
		return number_base256(field, size, ret);
	while (i < size && field[i] == ' ')
		i++;
	for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
		if (value >> 60)
			return -1;
		value = value << 3 | (uint64_t)(field[i] - '0');
	}
	for (; i < size && field[i]; i++)
		if (field[i] != ' ')
			return -1;
	*ret = (int64_t)value;
	return 0;
}

static int64_t sum_of_bytes(const unsigned char *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += p[i];
	return sum;
}

/* Correction for signed bytes, which some old writers summed. */
static int64_t sum_of_signs(const unsigned char *p, size_t n)
{
	uint32_t negative = 0;

	for (size_t i = 0; i < n; i++)
		negative += p[i] >> 7;
	return (int64_t)negative * 256;
}

bool tar_checksum_is_valid(const unsigned char *block)
{
	const unsigned char *own = block + CHECKSUM_AT; /* counts as spaces */
	int64_t wanted, sum;

	if (tar_number(own, CHECKSUM_SIZE, &wanted) < 0)
		return false;
	sum = sum_of_bytes(block, BLOCK) - sum_of_bytes(own, CHECKSUM_SIZE) + ' ' * CHECKSUM_SIZE;
	return wanted == sum ||
	       wanted == sum - sum_of_signs(block, BLOCK) + sum_of_signs(own, CHECKSUM_SIZE);
}

int tar_pax_time(const char *text, int64_t *ret_s, long *ret_ns)
{
	bool negative = *text == '-';
	const char *dot = strchr(text, '.');
	size_t whole = dot ? (size_t)(dot - text) : strlen(text);
	char number[24];
	int64_t s;
	long ns = 0, unit = 100000000;

	if (whole == 0 || whole >= sizeof(number))
		return -1;
	memcpy(number, text, whole);
	number[whole] = '\0';
	if (str_to_i64(number, INT64_MIN + 1, INT64_MAX - 1, &s) < 0)
		return -1;
	for (const char *p = dot ? dot + 1 : ""; *p; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		ns += (*p - '0') * unit;
		unit /= 10;
	}
	if (negative && ns) {
		s--;
		ns = 1000000000 - ns;
	}
	*ret_s = s;
	*ret_ns = ns;
	return 0;
}

int tar_pax_next(char *data, size_t size, size_t *pos, struct tar_pax_record *ret)
{
	size_t start = *pos, at = start, length = 0;
	char *equals;

	if (start == size)
		return 1;
	while (at < size && data[at] >= '0' && data[at] <= '9') {
		length = length * 10 + (size_t)(data[at++] - '0');
		if (length > size)
			return -1;
	}
	if (at == start || at >= size || data[at] != ' ' || length > size - start ||
	    start + length <= at + 2)
		return -1;
	at++;
	if (data[start + length - 1] != '\n')
		return -1;
	data[start + length - 1] = '\0';
	equals = memchr(data + at, '=', start + length - 1 - at);
	if (!equals || equals == data + at || memchr(data + at, '\0', (size_t)(equals - data) - at))
		return -1;
	*equals = '\0';
	ret->key = data + at;
	ret->value = equals + 1;
	ret->size = start + length - 1 - (size_t)(ret->value - data);
	*pos = start + length;
	return 0;
}
