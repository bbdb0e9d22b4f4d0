/*
 * exec_process.h - the process.json of an exec: a further process of a container, with the rights
 * of its first process and never with more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Make the text for `RUNTIME exec --process FILE` out of the container's own config.json: same
 * user, environment, working directory, capabilities, limits and labels; cmd (NULL-terminated, at
 * least one word) and tty replace the first process' own.  *ret_json is freed by the caller.
 * ERR_INVALID for an empty command, ERR_DATA_LOSS for a config.json that is not one of ours. */
int oci_exec_process(const char *config_json, const char *const *cmd, bool tty, char **ret_json,
		     struct err *e);
