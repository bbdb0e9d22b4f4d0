/*
 * id.h - object ids: 64 lower-case hex digits.  Every name on the node (paths, cgroups, CNI
 * container ids) derives from one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ID_LEN 64

/* Make a random id; aborts if the kernel has no randomness. */
void id_new(char out[ID_LEN + 1]);

/* Derive an id from text, stable across restarts and versions.  Not SHA-256: the caller stores the
 * text and checks for collisions. */
void id_of_text(const char *text, char out[ID_LEN + 1]);
void id_of_bytes(const void *data, size_t size, char out[ID_LEN + 1]);

/* Is s exactly an id? */
bool id_is_valid(const char *s);

/* Is s 1 to 64 hex digits, which a lookup accepts as a prefix? */
bool id_is_prefix(const char *s);
