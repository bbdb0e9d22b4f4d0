/*
 * str.c - strict number and duration parsers, UTF-8 checks, edit distance.
 */
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	long long v;

	if (!((*s >= '0' && *s <= '9') || (*s == '-' && s[1] >= '0' && s[1] <= '9')))
		return -1;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || *end || v < min || v > max)
		return -1;
	*ret = v;
	return 0;
}

int str_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (*s < '0' || *s > '9')
		return -1;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || *end || v > max)
		return -1;
	*ret = v;
	return 0;
}

int str_to_product(const char *s, size_t len, uint64_t num, uint64_t den, int64_t *ret)
{
	const unsigned __int128 most = INT64_MAX;
	unsigned __int128 value = 0, scale = 1, product, divisor;
	size_t digits = 0, i = 0;

	for (; i < len && s[i] >= '0' && s[i] <= '9'; i++, digits++)
		if ((value = value * 10 + (unsigned)(s[i] - '0')) > most)
			return -1;
	/* Further digits are below the resolution of any unit. */
	for (i += i < len && s[i] == '.'; i < len && s[i] >= '0' && s[i] <= '9'; i++, digits++)
		if (scale < 1000000000000 && value <= most / 10) {
			value = value * 10 + (unsigned)(s[i] - '0');
			scale *= 10;
		}
	if (!digits || i < len)
		return -1;
	divisor = scale * den;
	if (__builtin_mul_overflow(value, (unsigned __int128)num, &product))
		return -1;
	product = product / divisor + (product % divisor != 0);
	if (product > INT64_MAX)
		return -1;
	*ret = (int64_t)product;
	return 0;
}

/* 10 to the power of n, n at most 18. */
static uint64_t power_of_ten(int64_t n)
{
	uint64_t power = 1;

	while (n-- > 0)
		power *= 10;
	return power;
}

int str_to_quantity(const char *s, int64_t *ret)
{
	static const struct {
		const char *suffix;
		uint64_t num, den;
	} units[] = {
		{ "", 1, 1 },
		{ "n", 1, 1000000000 },
		{ "u", 1, 1000000 },
		{ "m", 1, 1000 },
		{ "k", 1000, 1 },
		{ "M", 1000000, 1 },
		{ "G", 1000000000, 1 },
		{ "T", UINT64_C(1000000000000), 1 },
		{ "P", UINT64_C(1000000000000000), 1 },
		{ "E", UINT64_C(1000000000000000000), 1 },
		{ "Ki", UINT64_C(1) << 10, 1 },
		{ "Mi", UINT64_C(1) << 20, 1 },
		{ "Gi", UINT64_C(1) << 30, 1 },
		{ "Ti", UINT64_C(1) << 40, 1 },
		{ "Pi", UINT64_C(1) << 50, 1 },
		{ "Ei", UINT64_C(1) << 60, 1 },
	};
	const char *number = s + (*s == '+');
	size_t len = strspn(number, "0123456789.");
	const char *suffix = number + len;
	int64_t power;

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(suffix, units[i].suffix) == 0)
			return str_to_product(number, len, units[i].num, units[i].den, ret);
	if (*suffix != 'e' && *suffix != 'E')
		return -1;
	suffix += 1 + (suffix[1] == '+' && suffix[2] != '-');
	if (str_to_i64(suffix, -18, 18, &power) < 0)
		return -1;
	return str_to_product(number, len, power_of_ten(power), power_of_ten(-power), ret);
}

/* Parse "1.5" and its unit to ns; s moves behind both. */
static int take_term(const char **s, int64_t *ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		/* a name before its own prefixes */
		{ "ns", 1 },	     { "us", 1000 },	   { "ms", 1000000 },
		{ "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 },
	};
	int64_t whole = 0, part = 0, scale = 1, add;
	const char *p = *s;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *p - '0', &whole))
			return -1;
	for (p += *p == '.'; *p >= '0' && *p <= '9'; p++)
		if (scale < 1000000000) { /* ignore digits below 1 ns of a second */
			part = part * 10 + (*p - '0');
			scale *= 10;
		}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!str_starts(p, units[i].name))
			continue;
		*s = p + strlen(units[i].name);
		if (__builtin_mul_overflow(whole, units[i].ns, &add) ||
		    __builtin_add_overflow(*ns, add, ns))
			return -1;
		add = (int64_t)((__int128)part * units[i].ns / scale);
		return __builtin_add_overflow(*ns, add, ns) ? -1 : 0;
	}
	return -1;
}

int str_to_duration(const char *s, int64_t *ret_ns)
{
	int64_t ns = 0;

	if (strcmp(s, "0") != 0)
		do {
			if (take_term(&s, &ns) < 0)
				return -1;
		} while (*s);
	*ret_ns = ns;
	return 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

size_t str_utf8_char(const char *s, size_t size)
{
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c = size ? p[0] : 0;
	size_t n;

	if (!size)
		return 0;
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf) {
		n = 2;
		c &= 0x1f;
	} else if (c >= 0xe0 && c <= 0xef) {
		n = 3;
		c &= 0x0f;
	} else if (c >= 0xf0 && c <= 0xf4) {
		n = 4;
		c &= 0x07;
	} else {
		return 0;
	}
	if (size < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

bool str_is_utf8(const char *s, size_t size)
{
	while (size) {
		size_t n = str_utf8_char(s, size);

		if (!n)
			return false;
		s += n;
		size -= n;
	}
	return true;
}

bool str_is_hex(const char *s, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return s[size] == '\0';
}

bool str_is_base64(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	size_t padding = strspn(s + n, "=");

	return n && !s[n + padding] && padding <= 2 && (n + padding) % 4 == 0;
}

unsigned str_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[65];

	if (n >= 64 || m >= 64)
		return UINT_MAX;
	for (unsigned j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned up = row[j];
			unsigned edit = MIN(up, row[j - 1]) + 1;

			row[j] = MIN(edit, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = up;
		}
	}
	return row[m];
}
