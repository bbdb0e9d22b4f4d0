/*
 * cni_watch.h - has anything changed that cni_ready looks at?
 */
#pragma once

#include <stdbool.h>

/* Begin before cni_ready, with the same directories.  A descriptor to close; -1: changes cannot be
 * noticed.  Blocks. */
int cni_watch(const char *dir, const char *const *plugin_dirs);

/* Nothing has changed since.  fd: from cni_watch.  Does not block. */
bool cni_watch_is_quiet(int fd);
