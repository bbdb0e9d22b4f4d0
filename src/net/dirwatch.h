/*
 * dirwatch.h - detect changes in directories: of CNI configurations and plugins, of CDI
 * specifications.
 */
#pragma once

#include <stdbool.h>

/* Start watching dir and more, a NULL-terminated list or NULL; call before reading them.  Blocks.
 * Returns a descriptor for the caller to close, readable after a change; -1: changes cannot be
 * detected. */
int dirwatch_open(const char *dir, const char *const *more);

/* True while nothing has changed since dirwatch_open returned fd.  Does not block. */
bool dirwatch_is_quiet(int fd);
