/*
 * exec_process.h - the process.json of an exec: a further process of a container, with at most the
 * privileges of its first process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Make the text for `RUNTIME exec --process FILE` from the container's own config.json.  User,
 * environment, working directory, capabilities, limits and labels stay the same.  cmd
 * (NULL-terminated, at least one word) and tty replace those of the first process.  The caller
 * frees *ret_json.  ERR_INVALID: empty command; ERR_DATA_LOSS: config_json was not written by
 * crisp. */
int oci_exec_process(const char *config_json, const char *const *cmd, bool tty, char **ret_json,
		     struct err *e);
