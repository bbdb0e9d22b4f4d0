/*
 * runtime.h - command lines of a container's OCI runtime.
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

/* Fill out with the argv of "PROGRAM [global options] COMMAND [options] ID".  rest: COMMAND and all
 * after it, NULL-terminated.  log_path may be NULL: no --log.  out borrows all strings. */
void runtime_argv(const struct runtime *rt, const char *log_path, const char *const *rest,
		  const char *out[RUNTIME_ARGV_MAX]);
