/*
 * attr.h - set owner, extended attributes, mode and times of an unpacked tar entry.
 *
 * The order matters: chown drops set-id bits and file capabilities, writes drop capabilities. So
 * mode and extended attributes are set after these, and mtime last.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

#include "base/err.h"
#include "pull/unpack/tar.h"

/* For an open file or directory. */
int attr_apply_fd(int fd, const struct tar_entry *entry, struct err *e);

/* For name in dir, without following symlinks: symlinks, device nodes, pipes. */
int attr_apply_at(int dir, const char *name, const struct tar_entry *entry, struct err *e);

/* Copy all attributes from one open directory to another. */
int attr_copy(int from, int to, struct err *e);

/* The entry's mtime; the epoch if it is out of range. */
struct timespec attr_time(const struct tar_entry *entry);

/* Overlay: mark the directory opaque, so that it hides the same directory of lower layers. */
int attr_set_opaque(int dir, const char *name, struct err *e);
bool attr_is_opaque(int dir);
