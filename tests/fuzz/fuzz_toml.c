/*
 * fuzz_toml.c - any bytes as TOML: an error with a text, or a tree with consistent parts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "conf/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct toml *t, bool keyed)
{
	size_t n = 0;

	if (keyed != (t->key != NULL) || t->line < 1)
		abort();
	if (t->type == TOML_TYPE_STRING && !str_is_utf8(t->string, strlen(t->string)))
		abort();
	for (const struct toml *c = t->first; c; c = c->next, n++) {
		check(c, t->type == TOML_TYPE_TABLE);
		if (t->type == TOML_TYPE_TABLE && toml_get(t, c->key) != c)
			abort();
	}
	if (n != t->n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct toml *t = NULL;
	struct err e = ERR_NULL;

	if (toml_parse((const char *)data, size, "fuzz", &t, &e) < 0) {
		if (!e.text[0])
			abort();
		return 0;
	}
	check(t, false);
	toml_free(t);
	return 0;
}
