/*
 * runtime.h - how the OCI runtime of a container is called.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "shimproto/shimproto.h"

struct runtime {
	char *program;
	char *root;
	char *args[SHIM_ARGS_MAX + 1]; /* NULL-terminated */
	bool systemd_cgroup;
};

#define RUNTIME_ARGV_MAX (SHIM_ARGS_MAX + 24)

void runtime_init(struct runtime *rt, const struct shim_request *req);
void runtime_done(struct runtime *rt);

/* argv of "PROGRAM [global options] COMMAND [options] ID".  rest: what follows the global
 * options, NULL-terminated, NULL entries are not allowed inside.  log_path may be NULL. */
void runtime_argv(const struct runtime *rt, const char *log_path, const char *const *rest,
		  const char *out[RUNTIME_ARGV_MAX]);
