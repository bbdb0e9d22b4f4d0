/*
 * attr.h - owner, extended attributes, mode and times of what a tar entry has become.
 *
 * The order matters: a change of owner takes away set-id bits and file capabilities, writing takes
 * away capabilities, so they come last and mtime comes after all of them.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

#include "base/err.h"
#include "pull/unpack/tar.h"

/* Of an open file or directory. */
int attr_apply_fd(int fd, const struct tar_entry *entry, struct err *e);

/* Of name in the directory, never through a link: symbolic links, device nodes, pipes. */
int attr_apply_at(int dir, const char *name, const struct tar_entry *entry, struct err *e);

/* Everything of one open directory for another one. */
int attr_copy(int from, int to, struct err *e);

/* The entry's time, the epoch when it is out of this world. */
struct timespec attr_time(const struct tar_entry *entry);

/* Overlay: nothing of the same directory in lower layers shows through. */
int attr_set_opaque(int dir, const char *name, struct err *e);
bool attr_is_opaque(int dir);
