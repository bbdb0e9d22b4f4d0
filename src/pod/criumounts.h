/*
 * criumounts.h - the mounts in CRIU's images against those of a config.json.  Workers only.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"

/* Each mount of the image name in dir must be one that the runtime makes for config, as read-only
 * as there; masked and read-only paths must be mounted.  ERR_DENIED: the text names the mount. */
int criumounts_check(const char *dir, const char *name, const json_t *config, struct err *e);
