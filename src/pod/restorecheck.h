/*
 * restorecheck.h - the JSON files of a checkpoint against the config.json of the container that is
 * made from it.  Workers only.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* Read dir/name, a regular file.  *ret is the caller's; NULL: no such file, which is an error if it
 * is needed. */
int restorecheck_load(const char *dir, const char *name, bool needed, json_t **ret, struct err *e);

/* Compare spec.dump and bind.mounts in dir with config.  has_command: compare the command, too.
 * ERR_PRECONDITION: the text names what differs. */
int restorecheck_config(const char *dir, const json_t *config, bool has_command, struct err *e);
