/*
 * id.h - object ids: 64 lower-case hex digits.  Every name on the node (paths, cgroups, CNI
 * container ids) derives from one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ID_LEN 64

/* Fresh and random; aborts when the kernel has no randomness. */
void id_new(char out[ID_LEN + 1]);

/* The id of something named by text: SHA-256 is not needed, collisions are checked by the
 * caller who stores the text; stable across restarts and versions. */
void id_of_text(const char *text, char out[ID_LEN + 1]);
void id_of_bytes(const void *data, size_t size, char out[ID_LEN + 1]);

/* Exactly an id. */
bool id_is_valid(const char *s);

/* 1 to 64 hex digits: what may be looked up as a prefix. */
bool id_is_prefix(const char *s);
