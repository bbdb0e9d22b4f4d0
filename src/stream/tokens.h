/*
 * tokens.h - single-use tokens in streaming URLs, each with a value and an expiry.
 * No clock and no thread of its own.  A token has 128 random bits, because knowing it is the only
 * authentication.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/stream_server.h"

#define TOKEN_LEN 32 /* hex digits */
#define TOKENS_MAX 1000 /* tokens not redeemed yet */
#define TOKENS_BYTES_MAX ((size_t)16 * 1024 * 1024) /* sum of the sizes of their values */
#define TOKEN_NS (INT64_C(60) * 1000000000)

struct tokens;

struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);

/* Make a token for value of size bytes; tokens_expire frees an unredeemed value with free_value.
 * now_ns: CLOCK_MONOTONIC.  ERR_EXHAUSTED: TOKENS_MAX tokens or TOKENS_BYTES_MAX bytes are pending;
 * value stays the caller's. */
int tokens_add(struct tokens *t, enum stream_kind kind, void *value, size_t size,
	       void (*free_value)(void *), int64_t now_ns, char ret_token[TOKEN_LEN + 1],
	       struct err *e);

/* Redeem a token; the value becomes the caller's.  NULL: unknown, of another kind, or expired.  The
 * token is invalid afterwards in every case. */
void *tokens_take(struct tokens *t, enum stream_kind kind, const char *token, int64_t now_ns);
/* Free expired values; returns their bytes. */
size_t tokens_expire(struct tokens *t, int64_t now_ns);
size_t tokens_count(const struct tokens *t);
