/*
 * cni_watch.h - detect changes to the files that cni_ready reads.
 */
#pragma once

#include <stdbool.h>

/* Start watching; call before cni_ready, with the same directories.  Blocks.  Returns a descriptor
 * for the caller to close; -1: changes cannot be detected. */
int cni_watch(const char *dir, const char *const *plugin_dirs);

/* True while nothing has changed since cni_watch returned fd.  Does not block. */
bool cni_watch_is_quiet(int fd);
