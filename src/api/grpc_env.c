/*
 * grpc_env.c - settings that depend on the library's version rather than its call interface.
 */
#include "api/grpc_env.h"

#include <grpc/support/log.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

/* Environment variables that libgrpc 1.51 reads at start; no header lists them.  All are unset. */
static const char *const env_names[] = {
	"GRPC_ABORT_ON_LEAKS",
	"GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS",
	"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
	"GRPC_DNS_RESOLVER",
	"GRPC_ENABLE_FORK_SUPPORT",
	"GRPC_EXPERIMENTS",
	"GRPC_POLL_STRATEGY",
	"GRPC_SSL_CIPHER_SUITES",
	"GRPC_STACKTRACE_MINLOGLEVEL",
	"GRPC_TRACE",
	"GRPC_VERBOSITY",
};

static enum log_level level_of(gpr_log_severity severity)
{
	switch (severity) {
	case GPR_LOG_SEVERITY_DEBUG:
	case GPR_LOG_SEVERITY_INFO:
		return LOG_LEVEL_DEBUG;
	case GPR_LOG_SEVERITY_ERROR:
		/* The library's "error" covers a client's bad frame: no error of the node. */
		return LOG_LEVEL_WARN;
	}
	return LOG_LEVEL_WARN;
}

static void on_library_log(gpr_log_func_args *args)
{
	const char *slash = strrchr(args->file, '/');

	log_line(level_of(args->severity), "grpc", "origin=%s:%d text=\"%s\"",
		 slash ? slash + 1 : args->file, args->line, args->message);
}

void grpc_env_init(void)
{
	for (size_t i = 0; i < ARRAY_LEN(env_names); i++)
		unsetenv(env_names[i]);
	gpr_set_log_function(on_library_log);
	/* Large messages then come from mmap and are returned at once.  One heap: there are few
	 * threads, and each further heap keeps its own high-water mark. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	mallopt(M_TRIM_THRESHOLD, 128 * 1024);
	mallopt(M_ARENA_MAX, 1);
}
