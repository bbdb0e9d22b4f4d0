/*
 * map.h - a hash table from strings to pointers.  Keys are not copied: they live in the value.
 */
#pragma once

#include <stddef.h>

struct map;

struct map *map_new(void);
void map_free(struct map *m); /* the values stay */
size_t map_count(const struct map *m);
void *map_get(const struct map *m, const char *key);
/* key must be absent; aborts otherwise. */
void map_put(struct map *m, const char *key, void *value);
/* NULL when absent. */
void *map_del(struct map *m, const char *key);
/* *pos starts at 0; NULL at the end.  The map must not change while it is walked. */
void *map_next(const struct map *m, size_t *pos);
