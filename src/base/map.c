/*
 * map.c - open addressing with linear probing and backward-shift deletion, at most 2/3 full.
 */
#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/util.h"

struct entry {
	const char *key; /* NULL: free */
	void *value;
	uint64_t hash;
};

struct map {
	struct entry *entries;
	size_t size, count; /* size: a power of two */
};

static uint64_t hash_of(const char *key)
{
	return XXH3_64bits(key, strlen(key));
}

struct map *map_new(void)
{
	struct map *m = xcalloc(1, sizeof(*m));

	m->size = 16;
	m->entries = xcalloc(m->size, sizeof(*m->entries));
	return m;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	free(m->entries);
	free(m);
}

size_t map_count(const struct map *m)
{
	return m->count;
}

static struct entry *find(const struct map *m, const char *key, uint64_t hash)
{
	size_t i = hash & (m->size - 1);

	while (m->entries[i].key &&
	       (m->entries[i].hash != hash || strcmp(m->entries[i].key, key) != 0))
		i = (i + 1) & (m->size - 1);
	return &m->entries[i];
}

void *map_get(const struct map *m, const char *key)
{
	return find(m, key, hash_of(key))->value;
}

static void grow(struct map *m)
{
	struct entry *old = m->entries;
	size_t n = m->size;

	m->size *= 2;
	m->entries = xcalloc(m->size, sizeof(*m->entries));
	for (size_t i = 0; i < n; i++)
		if (old[i].key)
			*find(m, old[i].key, old[i].hash) = old[i];
	free(old);
}

void map_put(struct map *m, const char *key, void *value)
{
	uint64_t hash = hash_of(key);
	struct entry *e;

	if ((m->count + 1) * 3 > m->size * 2)
		grow(m);
	e = find(m, key, hash);
	if (e->key || !value)
		abort();
	*e = (struct entry){ .key = key, .value = value, .hash = hash };
	m->count++;
}

void *map_del(struct map *m, const char *key)
{
	struct entry *e = find(m, key, hash_of(key));
	size_t hole, i;
	void *value;

	if (!e->key)
		return NULL;
	value = e->value;
	hole = i = (size_t)(e - m->entries);
	for (;;) {
		size_t home;

		i = (i + 1) & (m->size - 1);
		if (!m->entries[i].key)
			break;
		home = m->entries[i].hash & (m->size - 1);
		if (((i - home) & (m->size - 1)) >= ((i - hole) & (m->size - 1))) {
			m->entries[hole] = m->entries[i];
			hole = i;
		}
	}
	m->entries[hole] = (struct entry){ .key = NULL };
	m->count--;
	return value;
}

void *map_next(const struct map *m, size_t *pos)
{
	while (*pos < m->size) {
		const struct entry *e = &m->entries[*pos];

		(*pos)++;
		if (e->key)
			return e->value;
	}
	return NULL;
}
