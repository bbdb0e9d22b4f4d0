/*
 * tokens.c - table of pending tokens, with expiry in order of age.
 */
#include "stream/tokens.h"

#include <string.h>

#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "base/util.h"

struct token {
	struct list node; /* the oldest first */
	char text[ID_LEN + 1];
	enum stream_kind kind;
	void *value;
	size_t size;
	void (*free_value)(void *);
	int64_t until_ns;
};

struct tokens {
	struct map *by_text;
	struct list all;
	size_t bytes; /* of all values */
};

struct tokens *tokens_new(void)
{
	struct tokens *t = xcalloc(1, sizeof(*t));

	t->by_text = map_new();
	list_init(&t->all);
	return t;
}

static void drop(struct tokens *t, struct token *k)
{
	map_del(t->by_text, k->text);
	list_remove(&k->node);
	t->bytes -= k->size;
	if (k->value)
		k->free_value(k->value);
	free(k);
}

static void drop_late(struct tokens *t, int64_t now_ns)
{
	while (!list_empty(&t->all)) {
		struct token *k = list_entry(t->all.next, struct token, node);

		if (now_ns <= k->until_ns)
			return;
		drop(t, k);
	}
}

void tokens_free(struct tokens *t)
{
	if (!t)
		return;
	drop_late(t, INT64_MAX);
	map_free(t->by_text);
	free(t);
}

int tokens_add(struct tokens *t, enum stream_kind kind, void *value, size_t size,
	       void (*free_value)(void *), int64_t now_ns, char ret_token[TOKEN_LEN + 1],
	       struct err *e)
{
	struct token *k;

	drop_late(t, now_ns);
	if (map_count(t->by_text) >= TOKENS_MAX)
		return err_set(e, ERR_EXHAUSTED,
			       "maximum number of in-flight requests exceeded: "
			       "%d URLs wait for their clients",
			       TOKENS_MAX);
	if (size > TOKENS_BYTES_MAX - t->bytes)
		return err_set(e, ERR_EXHAUSTED,
			       "maximum size of in-flight requests exceeded: the "
			       "URLs that wait for their clients hold %zu of %zu bytes, this one "
			       "needs %zu: try again in %d s",
			       t->bytes, TOKENS_BYTES_MAX, size, (int)(TOKEN_NS / 1000000000));
	k = xcalloc(1, sizeof(*k));
	id_new(k->text);
	k->text[TOKEN_LEN] = '\0';
	k->kind = kind;
	k->value = value;
	k->size = size;
	t->bytes += size;
	k->free_value = free_value;
	k->until_ns = now_ns + TOKEN_NS;
	list_append(&t->all, &k->node);
	map_put(t->by_text, k->text, k);
	memcpy(ret_token, k->text, TOKEN_LEN + 1);
	return 0;
}

void *tokens_take(struct tokens *t, enum stream_kind kind, const char *token, int64_t now_ns)
{
	struct token *k;
	void *value = NULL;

	drop_late(t, now_ns);
	k = map_get(t->by_text, token);
	if (!k)
		return NULL;
	if (k->kind == kind)
		value = take_ptr(k->value);
	drop(t, k);
	return value;
}

size_t tokens_expire(struct tokens *t, int64_t now_ns)
{
	size_t before = t->bytes;

	drop_late(t, now_ns);
	return before - t->bytes;
}

size_t tokens_count(const struct tokens *t)
{
	return map_count(t->by_text);
}
