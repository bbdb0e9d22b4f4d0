/*
 * runtime.c - build the argument vectors of the OCI runtime.
 */
#include "shim/runtime.h"

#include <assert.h>

#include "base/util.h"

void runtime_init(struct runtime *rt, const struct shim_request *req)
{
	*rt = (struct runtime){
		.program = xstrdup(req->runtime),
		.root = xstrdup(req->runtime_root),
		.systemd_cgroup = req->flags & SHIM_SYSTEMD_CGROUP,
	};
	for (int i = 0; req->args[i]; i++)
		rt->args[i] = xstrdup(req->args[i]);
}

void runtime_done(struct runtime *rt)
{
	free(rt->program);
	free(rt->root);
	for (int i = 0; rt->args[i]; i++)
		free(rt->args[i]);
	*rt = (struct runtime){ .program = NULL };
}

void runtime_argv(const struct runtime *rt, const char *log_path, const char *const *rest,
		  const char *out[RUNTIME_ARGV_MAX])
{
	size_t n = 0;

	out[n++] = rt->program;
	out[n++] = "--root";
	out[n++] = rt->root;
	if (log_path) {
		out[n++] = "--log";
		out[n++] = log_path;
		out[n++] = "--log-format";
		out[n++] = "json";
	}
	if (rt->systemd_cgroup)
		out[n++] = "--systemd-cgroup";
	for (int i = 0; rt->args[i]; i++)
		out[n++] = rt->args[i];
	for (int i = 0; rest[i]; i++) {
		assert(n < RUNTIME_ARGV_MAX - 1);
		out[n++] = rest[i];
	}
	out[n] = NULL;
}
