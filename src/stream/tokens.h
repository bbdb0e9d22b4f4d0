/*
 * tokens.h - what a URL's last part stands for, until a client comes with it: once, and soon.
 *
 * No clock and no thread of its own.  128 random bits: as hard to guess as a key, which it is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stream/stream_server.h"

#define TOKEN_LEN 32 /* hex digits */
#define TOKENS_MAX 1000 /* waiting for their clients */
#define TOKENS_BYTES_MAX ((size_t)16 * 1024 * 1024) /* of their values, all together */
#define TOKEN_NS (INT64_C(60) * 1000000000)

struct tokens;

struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);

/* A token for value, which has size bytes and is freed with free_value when nobody takes it in
 * time.  now_ns: CLOCK_MONOTONIC.  ERR_EXHAUSTED: TOKENS_MAX values or TOKENS_BYTES_MAX bytes wait
 * already; value stays the caller's. */
int tokens_add(struct tokens *t, enum stream_kind kind, void *value, size_t size,
	       void (*free_value)(void *), int64_t now_ns, char ret_token[TOKEN_LEN + 1],
	       struct err *e);

/* The value, which is the caller's then; NULL: unknown, of another kind, or too late.  However this
 * ends, the token is used up. */
void *tokens_take(struct tokens *t, enum stream_kind kind, const char *token, int64_t now_ns);
/* Free what nobody has taken in time; returns how many bytes. */
size_t tokens_expire(struct tokens *t, int64_t now_ns);
size_t tokens_count(const struct tokens *t);
