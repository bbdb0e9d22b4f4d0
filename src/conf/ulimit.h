/*
 * ulimit.h - an entry of crio.runtime.default_ulimits.
 */
#pragma once

#include <stdint.h>

struct conf_ulimit {
	const char *oci_name; /* "RLIMIT_NOFILE" */
	int resource; /* of getrlimit(2) */
	int64_t soft, hard; /* INT64_MAX: no limit */
};

/* Parse "nofile=1024:2048", or "nofile=1024" for both; -1 is no limit.  0; or -1: unknown name or
 * invalid limits. */
int conf_ulimit_parse(const char *text, struct conf_ulimit *ret);
