/*
 * checks.c - the checks of values that crisp.keys names.
 */
#include "conf/checks.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/logsink.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/conf.h"
#include "conf/ulimit.h"
#include "os/apparmor.h"
#include "os/caps.h"
#include "os/ns.h"
#include "os/selinux.h"

bool conf_is_log_level(const char *s)
{
	enum log_level level;

	return log_parse_level(s, &level) == 0;
}

bool conf_is_log_filter(const char *s)
{
	return !*s || logsink_is_filter(s);
}

bool conf_is_port(const char *s)
{
	uint64_t port;

	return str_to_u64(s, 65535, &port) == 0;
}

bool conf_is_idle_timeout(const char *s)
{
	int64_t ns;

	return !*s || (str_to_duration(s, &ns) == 0 && ns >= NSEC_PER_SEC);
}

bool conf_is_tls_version(const char *s)
{
	return !*s || strcmp(s, CONF_TLS12) == 0 || strcmp(s, CONF_TLS13) == 0;
}

bool conf_is_cipher_suite(const char *s)
{
	return str_starts(s, "TLS_") && !s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")];
}

/* NAME=value with a non-empty name. */
bool conf_is_setting(const char *s)
{
	const char *eq = strchr(s, '=');

	return eq && eq > s;
}

bool conf_is_ulimit(const char *s)
{
	struct conf_ulimit ignored;

	return conf_ulimit_parse(s, &ignored) == 0;
}

bool conf_is_capability(const char *s)
{
	unsigned ignored;

	return strcasecmp(s, "ALL") == 0 || caps_parse(s, &ignored) == 0;
}

/* The text of n bytes without blanks around it, malloc'ed. */
static char *without_blanks(const char *s, size_t n)
{
	for (; n && strchr(" \t", *s); n--)
		s++;
	while (n && strchr(" \t", s[n - 1]))
		n--;
	return xstrndup(s, n);
}

char *conf_clean_setting(const char *s)
{
	const char *eq = strchr(s, '=');
	_cleanup_free_ char *name = without_blanks(s, eq ? (size_t)(eq - s) : 0);
	_cleanup_free_ char *value = without_blanks(eq ? eq + 1 : "", eq ? strlen(eq + 1) : 0);

	return xasprintf("%s=%s", name, value);
}

/* A sysctl of one of the pod's namespaces; a pod must not change any other. */
bool conf_is_pod_sysctl(const char *text)
{
	_cleanup_free_ char *s = conf_clean_setting(text);
	const char *eq = strchr(s, '=');
	_cleanup_free_ char *name = xstrndup(s, eq ? (size_t)(eq - s) : 0);
	const struct ns_sysctl sysctl = { name, eq ? eq + 1 : "" };
	struct err ignored = ERR_NULL;

	return *name && ns_check_sysctl(&sysctl, false, false, &ignored) == 0;
}

/* --- checks of guarded keys: true if crisp fulfils the value anyway --- */

bool conf_is_empty(const char *s)
{
	return !*s;
}

/* Containers get labels whenever the kernel has SELinux. */
bool conf_is_selinux_here(const char *s)
{
	return strcmp(s, "false") == 0 || selinux_is_enabled();
}

bool conf_is_default_apparmor(const char *s)
{
	/* Once followed by CRI-O's version. */
	return !*s || str_starts(s, "crio-default") || strcmp(s, APPARMOR_DEFAULT_NAME) == 0;
}

static int note_hook(const char *path, const char *name, void *arg, struct err *e)
{
	(void)path;
	(void)arg;
	(void)e;
	return str_ends(name, ".json");
}

bool conf_is_no_hooks(const char *dir)
{
	struct err ignored = ERR_NULL;

	return fs_each(dir, note_hook, NULL, &ignored) == 0;
}

/* host[:container[:rwm]] */
bool conf_is_device(const char *s)
{
	const char *perm = strrchr(s, ':');

	if (*s != '/')
		return false;
	if (!perm || perm[1] == '/')
		return true;
	return perm[1] && !perm[1 + strspn(perm + 1, "rwm")];
}

/* Relative to the zone database, because the name becomes part of a path. */
bool conf_is_timezone(const char *s)
{
	return *s != '/' && !strstr(s, "..") && strlen(s) < 128;
}

bool conf_is_duration(const char *s)
{
	int64_t ns;

	return !*s || str_to_duration(s, &ns) == 0;
}

bool conf_is_short_name_mode(const char *s)
{
	return !*s || strcmp(s, "enforcing") == 0 || strcmp(s, "permissive") == 0 ||
	       strcmp(s, "disabled") == 0;
}

bool conf_is_runtime_type(const char *s)
{
	return !*s || strcmp(s, "oci") == 0 || strcmp(s, "pod") == 0 || strcmp(s, "vm") == 0;
}

bool conf_is_cgroup_prefix(const char *s)
{
	return !*s || strcmp(s, "crisp") == 0 || strcmp(s, "crio") == 0;
}

bool conf_is_remove_image(const char *s)
{
	return strcmp(s, "all") == 0 || strcmp(s, "untag") == 0;
}

bool conf_is_image_volumes(const char *s)
{
	return strcmp(s, "mkdir") == 0 || strcmp(s, "bind") == 0 || strcmp(s, "ignore") == 0;
}

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

const char *conf_collector_family(const char *s)
{
	static const char *const prefixes[] = { "container_runtime_", "crio_", "crisp_" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(s, prefixes[i]))
			s += strlen(prefixes[i]);
	return s;
}

bool conf_is_collector(const char *s)
{
	static const char *const families[] = {
		/* of CRI-O */
		"containers_events_dropped_total", "containers_oom_count_total",
		"containers_oom_total", "containers_seccomp_notifier_count_total",
		"containers_stopped_monitor_count", "default_runtime", "image_layer_reuse_total",
		"image_pulls_bytes_total", "image_pulls_failure_total", "image_pulls_layer_size",
		"image_pulls_skipped_bytes_total", "image_pulls_success_total",
		"operations_errors_total", "operations_latency_seconds",
		"operations_latency_seconds_total", "operations_total", "processes_defunct",
		"resources_stalled_at_stage",
		/* of crisp alone */
		"build_info", "image_pull_bytes", "image_pull_bytes_done",
		"image_pull_bytes_per_second", "image_pull_layers", "image_pull_layers_done",
		"image_pull_retries", "image_pulls_cancelled_total", "image_pulls_retries_total",
		"objects", "objects_quarantined", "trash_entries", "trash_removed_total",
		"trash_stuck_entries",
		/* of earlier releases of CRI-O */
		"containers_dropped_events_total", "containers_oom", "image_layer_reuse",
		"image_pulls_by_digest", "image_pulls_by_name", "image_pulls_by_name_skipped",
		"image_pulls_failures", "image_pulls_successes", "operations", "operations_errors",
		"operations_latency_microseconds", "operations_latency_microseconds_total"
	};

	return is_one_of(conf_collector_family(s), families, ARRAY_LEN(families));
}

bool conf_is_checkpoint_level(const char *s)
{
	static const char *const levels[] = { "none", "checkpoint_only", "checkpoint_restore" };

	return is_one_of(s, levels, ARRAY_LEN(levels));
}

bool conf_is_metric_group(const char *s)
{
	static const char *const groups[] = { "all",	  "cpu",     "disk",	"diskIO",
					      "hugetlb",  "memory",  "network", "oom",
					      "pressure", "process", "spec" };

	return is_one_of(s, groups, ARRAY_LEN(groups));
}

bool conf_is_transport(const char *s)
{
	return !*s || strcmp(s, "docker://") == 0;
}

bool conf_is_path_word(const char *s)
{
	return *s == '/';
}
