/*
 * ulimit.c - parser of NAME=SOFT:HARD limits.
 */
#include "conf/ulimit.h"

#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/str.h"
#include "base/util.h"

static const struct limit_name {
	const char *name, *oci_name;
	int resource;
} limit_names[] = {
	{ "as", "RLIMIT_AS", RLIMIT_AS },
	{ "core", "RLIMIT_CORE", RLIMIT_CORE },
	{ "cpu", "RLIMIT_CPU", RLIMIT_CPU },
	{ "data", "RLIMIT_DATA", RLIMIT_DATA },
	{ "fsize", "RLIMIT_FSIZE", RLIMIT_FSIZE },
	{ "locks", "RLIMIT_LOCKS", RLIMIT_LOCKS },
	{ "memlock", "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
	{ "msgqueue", "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE },
	{ "nice", "RLIMIT_NICE", RLIMIT_NICE },
	{ "nofile", "RLIMIT_NOFILE", RLIMIT_NOFILE },
	{ "nproc", "RLIMIT_NPROC", RLIMIT_NPROC },
	{ "rss", "RLIMIT_RSS", RLIMIT_RSS },
	{ "rtprio", "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
	{ "rttime", "RLIMIT_RTTIME", RLIMIT_RTTIME },
	{ "sigpending", "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
	{ "stack", "RLIMIT_STACK", RLIMIT_STACK },
};

/* -1: no limit, stored as INT64_MAX, the largest JSON integer. */
static int parse_limit(const char *text, int64_t *soft, int64_t *hard)
{
	const char *colon = strchr(text, ':');
	_cleanup_free_ char *first = xstrndup(text, strcspn(text, ":"));

	if (str_to_i64(first, -1, INT64_MAX, soft) < 0)
		return -1;
	*hard = *soft;
	if (colon && str_to_i64(colon + 1, -1, INT64_MAX, hard) < 0)
		return -1;
	if (*soft == -1)
		*soft = INT64_MAX;
	if (*hard == -1)
		*hard = INT64_MAX;
	return *soft <= *hard ? 0 : -1;
}

int conf_ulimit_parse(const char *text, struct conf_ulimit *ret)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < ARRAY_LEN(limit_names); i++)
		if (strlen(limit_names[i].name) == len && text[len] == '=' &&
		    strncasecmp(limit_names[i].name, text, len) == 0) {
			ret->oci_name = limit_names[i].oci_name;
			ret->resource = limit_names[i].resource;
			return parse_limit(text + len + 1, &ret->soft, &ret->hard);
		}
	return -1;
}
