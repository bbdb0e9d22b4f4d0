/*
 * criucheck.h - does a restore of CRIU's images stay within the limits of a config.json?
 *
 * CRIU takes credentials, capabilities, seccomp, no_new_privs and mounts from its images alone.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"

/* Check the images in dir against config, a config.json.  Workers only.  ERR_DENIED: a process or
 * a mount has more than config permits; the text names it.  ERR_PRECONDITION: another
 * architecture, or a version of CRIU's images that is not known.  ERR_INVALID: damaged images. */
int criucheck_images(const char *dir, const json_t *config, struct err *e);
