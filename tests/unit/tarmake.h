/*
 * tarmake.h - tar archives for tests, entry by entry, also such as no tool would write.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define TM_BLOCK 512
#define TM_MTIME 1234567890

struct tm_entry {
	const char *name, *link;
	char type;
	unsigned mode, uid, gid;
	long long mtime;
	const void *data;
	size_t size;
	unsigned major, minor;
};

static inline void tm_checksum(unsigned char *block)
{
	unsigned sum = 0;

	memcpy(block + 148, "        ", 8);
	for (int i = 0; i < TM_BLOCK; i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
}

/* For fuzzing: blocks that look like headers get past the checksum. */
static inline void tm_fix(unsigned char *data, size_t size)
{
	for (size_t at = 0; at + TM_BLOCK <= size; at += TM_BLOCK)
		if (memcmp(data + at + 257, "ustar", 5) == 0)
			tm_checksum(data + at);
}

static inline void tm_pad(struct buf *b)
{
	static const char zeros[TM_BLOCK];

	buf_add(b, zeros, (TM_BLOCK - b->len % TM_BLOCK) % TM_BLOCK);
}

static inline void tm_header(unsigned char block[TM_BLOCK], const struct tm_entry *t)
{
	char *p = (char *)block;

	for (int i = 0; i < TM_BLOCK; i++)
		block[i] = 0;
	memcpy(p, t->name, strnlen(t->name, 100));
	snprintf(p + 100, 8, "%07o", t->mode);
	snprintf(p + 108, 8, "%07o", t->uid);
	snprintf(p + 116, 8, "%07o", t->gid);
	snprintf(p + 124, 12, "%011zo", t->size);
	snprintf(p + 136, 12, "%011llo", t->mtime ? t->mtime : TM_MTIME);
	p[156] = t->type;
	if (t->link)
		memcpy(p + 157, t->link, strnlen(t->link, 100));
	memcpy(p + 257, "ustar\00000", 8);
	snprintf(p + 329, 8, "%07o", t->major);
	snprintf(p + 337, 8, "%07o", t->minor);
	tm_checksum(block);
}

static inline void tm_raw(struct buf *b, const unsigned char block[TM_BLOCK], const void *data,
			  size_t size)
{
	buf_add(b, block, TM_BLOCK);
	if (size)
		buf_add(b, data, size);
	tm_pad(b);
}

static inline void tm_add(struct buf *b, struct tm_entry t)
{
	unsigned char block[TM_BLOCK];

	if (!t.mode)
		t.mode = t.type == '5' ? 0755 : 0644;
	tm_header(block, &t);
	tm_raw(b, block, t.data, t.size);
}

#define TM(b, ...) tm_add((b), (struct tm_entry){ __VA_ARGS__ })

/* One record of a PAX header. */
static inline void tm_record(struct buf *pax, const char *key, const void *value, size_t size)
{
	size_t len = strlen(key) + size + 3, digits = 1;
	char number[24];

	for (;; digits++) {
		int n = snprintf(number, sizeof(number), "%zu", len + digits);

		if ((size_t)n == digits)
			break;
	}
	buf_printf(pax, "%s %s=", number, key);
	buf_add(pax, value, size);
	buf_puts(pax, "\n");
}

static inline void tm_pax(struct buf *b, const char *key, const char *value)
{
	struct buf pax = BUF_NULL;

	tm_record(&pax, key, value, strlen(value));
	TM(b, .name = "pax", .type = 'x', .data = pax.data, .size = pax.len);
	buf_done(&pax);
}

static inline void tm_end(struct buf *b)
{
	static const char zeros[2 * TM_BLOCK];

	buf_add(b, zeros, sizeof(zeros));
}
