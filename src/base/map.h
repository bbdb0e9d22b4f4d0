/*
 * map.h - a hash table from strings to pointers.  It borrows the keys, which are part of the
 * values.
 */
#pragma once

#include <stddef.h>

struct map;

struct map *map_new(void);
void map_free(struct map *m); /* does not free the values */
size_t map_count(const struct map *m);
void *map_get(const struct map *m, const char *key);
/* Aborts if key is present. */
void map_put(struct map *m, const char *key, void *value);
/* Return the removed value; NULL: absent. */
void *map_del(struct map *m, const char *key);
/* *pos starts at 0; NULL: the end.  Do not change the map during the walk. */
void *map_next(const struct map *m, size_t *pos);
