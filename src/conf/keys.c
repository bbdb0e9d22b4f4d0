/*
 * keys.c - the table of all keys and the checks of their values.  Each key occurs once, and its
 * kind fits the type of the field at its offset.
 */
#include "conf/keys.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/conf.h"
#include "conf/ulimit.h"
#include "os/apparmor.h"
#include "os/caps.h"
#include "os/ns.h"
#include "os/selinux.h"

static bool is_log_level(const char *s)
{
	enum log_level level;

	return log_parse_level(s, &level) == 0;
}

static bool is_port(const char *s)
{
	uint64_t port;

	return str_to_u64(s, 65535, &port) == 0;
}

static bool is_idle_timeout(const char *s)
{
	int64_t ns;

	return !*s || (str_to_duration(s, &ns) == 0 && ns >= NSEC_PER_SEC);
}

static bool is_tls_version(const char *s)
{
	return !*s || strcmp(s, CONF_TLS12) == 0 || strcmp(s, CONF_TLS13) == 0;
}

static bool is_cipher_suite(const char *s)
{
	return str_starts(s, "TLS_") && !s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")];
}

/* NAME=value with a non-empty name. */
static bool is_setting(const char *s)
{
	const char *eq = strchr(s, '=');

	return eq && eq > s;
}

static bool is_ulimit(const char *s)
{
	struct conf_ulimit ignored;

	return conf_ulimit_parse(s, &ignored) == 0;
}

static bool is_capability(const char *s)
{
	unsigned ignored;

	return strcasecmp(s, "ALL") == 0 || caps_parse(s, &ignored) == 0;
}

/* A sysctl of one of the pod's namespaces; a pod must not change any other. */
static bool is_pod_sysctl(const char *s)
{
	const char *eq = strchr(s, '=');
	_cleanup_free_ char *name = xstrndup(s, eq ? (size_t)(eq - s) : 0);
	const struct ns_sysctl sysctl = { name, eq ? eq + 1 : "" };
	struct err ignored = ERR_NULL;

	return *name && ns_check_sysctl(&sysctl, false, false, &ignored) == 0;
}

/* --- checks of guarded keys: true if crisp fulfils the value anyway --- */

static bool is_empty(const char *s)
{
	return !*s;
}

/* Containers get labels whenever the kernel has SELinux. */
static bool is_selinux_here(const char *s)
{
	return strcmp(s, "false") == 0 || selinux_is_enabled();
}

static bool is_default_apparmor(const char *s)
{
	return !*s || strcmp(s, "crio-default") == 0 || strcmp(s, APPARMOR_DEFAULT_NAME) == 0;
}

static int note_hook(const char *path, const char *name, void *arg, struct err *e)
{
	(void)path;
	(void)arg;
	(void)e;
	return str_ends(name, ".json");
}

static bool has_no_hooks(const char *dir)
{
	struct err ignored = ERR_NULL;

	return fs_each(dir, note_hook, NULL, &ignored) == 0;
}

/* host[:container[:rwm]] */
static bool is_device(const char *s)
{
	const char *perm = strrchr(s, ':');

	if (*s != '/')
		return false;
	if (!perm || perm[1] == '/')
		return true;
	return perm[1] && !perm[1 + strspn(perm + 1, "rwm")];
}

/* Relative to the zone database, because the name becomes part of a path. */
static bool is_timezone(const char *s)
{
	return *s != '/' && !strstr(s, "..") && strlen(s) < 128;
}

static bool is_duration(const char *s)
{
	int64_t ns;

	return !*s || str_to_duration(s, &ns) == 0;
}

static bool is_short_name_mode(const char *s)
{
	return !*s || strcmp(s, "enforcing") == 0 || strcmp(s, "permissive") == 0 ||
	       strcmp(s, "disabled") == 0;
}

static bool is_runtime_type(const char *s)
{
	return !*s || strcmp(s, "oci") == 0;
}

static bool is_cgroup_prefix(const char *s)
{
	return !*s || strcmp(s, "crisp") == 0 || strcmp(s, "crio") == 0;
}

static bool is_remove_image(const char *s)
{
	return strcmp(s, "all") == 0 || strcmp(s, "untag") == 0;
}

static bool is_image_volumes(const char *s)
{
	return strcmp(s, "mkdir") == 0 || strcmp(s, "bind") == 0 || strcmp(s, "ignore") == 0;
}

static bool is_metric_group(const char *s)
{
	static const char *const groups[] = { "all",	  "cpu",     "disk",	"diskIO",
					      "hugetlb",  "memory",  "network", "oom",
					      "pressure", "process", "spec" };

	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if (strcmp(s, groups[i]) == 0)
			return true;
	return false;
}

static bool is_transport(const char *s)
{
	return !*s || strcmp(s, "docker://") == 0;
}

static bool is_path_word(const char *s)
{
	return *s == '/';
}

#define CONF(name, kind, field) \
	{ \
		name, CONF_KIND_##kind, CONF_OWNER_CONF, offsetof(struct conf, field), 0, 0, NULL, \
			NULL \
	}
#define CONF_RANGE(name, kind, field, min, max) \
	{ \
		name, CONF_KIND_##kind, CONF_OWNER_CONF, offsetof(struct conf, field), min, max, \
			NULL, NULL \
	}
#define CONF_CHECK(name, kind, field, check, want) \
	{ \
		name, CONF_KIND_##kind, CONF_OWNER_CONF, offsetof(struct conf, field), 0, 0, \
			check, want \
	}
#define HANDLER(name, kind, field, min, max, check, want) \
	{ \
		"crio.runtime.runtimes.*." name, CONF_KIND_##kind, CONF_OWNER_RUNTIME, \
			offsetof(struct conf_runtime, field), min, max, check, want \
	}
#define LATER(name, kind) \
	{ \
		name, CONF_KIND_##kind, CONF_OWNER_NONE, 0, 0, 0, NULL, NULL \
	}
#define GUARD(name, kind, check, want) \
	{ \
		name, CONF_KIND_##kind, CONF_OWNER_GUARD, 0, 0, 0, check, want \
	}
#define MOOT(name, kind) \
	{ \
		name, CONF_KIND_##kind, CONF_OWNER_MOOT, 0, 0, 0, NULL, NULL \
	}
#define FORMER(name, want) \
	{ \
		name, CONF_KIND_STRING, CONF_OWNER_FORMER, 0, 0, 0, NULL, want \
	}
#define HANDLER_LATER(name, kind) LATER("crio.runtime.runtimes.*." name, kind)

const struct conf_key conf_keys[] = {
	CONF("crio.root", PATH, root),
	CONF("crio.runroot", PATH, runroot),
	CONF("crio.log_dir", PATH, log_dir),
	LATER("crio.imagestore", PATH),
	LATER("crio.storage_driver", STRING),
	LATER("crio.storage_option", LIST),
	LATER("crio.version_file", PATH),
	LATER("crio.version_file_persist", PATH),
	LATER("crio.internal_wipe", BOOLEAN),
	LATER("crio.internal_repair", BOOLEAN),
	LATER("crio.clean_shutdown_file", PATH),

	CONF("crio.api.listen", PATH, listen),
	CONF("crio.api.stream_address", STRING, stream_address),
	CONF_CHECK("crio.api.stream_port", STRING, stream_port, is_port, "a port, 0 to 65535"),
	CONF_RANGE("crio.api.grpc_max_send_msg_size", INTEGER, grpc_max_send_msg_size, 1,
		   INT32_MAX),
	CONF_RANGE("crio.api.grpc_max_recv_msg_size", INTEGER, grpc_max_recv_msg_size, 1,
		   INT32_MAX),
	CONF("crio.api.stream_enable_tls", BOOLEAN, stream_enable_tls),
	CONF_CHECK("crio.api.stream_idle_timeout", STRING, stream_idle_timeout, is_idle_timeout,
		   "a duration of at least 1s, like \"30m\" or \"1h30m\", or empty"),
	CONF("crio.api.stream_tls_cert", PATH, stream_tls_cert),
	CONF("crio.api.stream_tls_key", PATH, stream_tls_key),
	CONF("crio.api.stream_tls_ca", PATH, stream_tls_ca),
	CONF_CHECK("crio.api.tls_min_version", STRING, tls_min_version, is_tls_version,
		   "VersionTLS12 or VersionTLS13"),
	CONF_CHECK("crio.api.tls_cipher_suites", LIST, tls_cipher_suites, is_cipher_suite,
		   "names like TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),

	CONF("crio.runtime.default_runtime", STRING, default_runtime),
	CONF("crio.runtime.seccomp_profile", PATH, seccomp_profile),
	CONF("crio.runtime.seccomp_use_default_when_empty", BOOLEAN,
	     seccomp_use_default_when_empty),
	CONF_CHECK("crio.runtime.log_level", STRING, log_level, is_log_level,
		   "one of fatal, error, warn, info, debug, trace"),
	CONF("crio.runtime.namespaces_dir", PATH, namespaces_dir),
	CONF("crio.runtime.default_cgroup_parent", STRING, default_cgroup_parent),
	CONF_CHECK("crio.runtime.cgroup_prefix", STRING, cgroup_prefix, is_cgroup_prefix,
		   "crisp or crio, or empty for the one that crio.api.listen implies"),
	CONF("crio.runtime.cgroup_manager", CGROUP_MANAGER, cgroup_manager),
	CONF_CHECK("crio.runtime.default_capabilities", LIST, default_capabilities, is_capability,
		   "a capability that crisp knows, like NET_BIND_SERVICE, or ALL"),
	CONF_CHECK("crio.runtime.default_sysctls", LIST, default_sysctls, is_pod_sysctl,
		   "a sysctl of the pod's own namespaces and its value, like "
		   "\"net.ipv4.ping_group_range=0 0\""),
	CONF_CHECK("crio.runtime.default_env", LIST, default_env, is_setting,
		   "entries like \"NAME=value\""),
	CONF_CHECK("crio.runtime.default_ulimits", LIST, default_ulimits, is_ulimit,
		   "a limit of getrlimit(2) like \"nofile=1024:2048\" or \"nofile=1024\", soft not "
		   "above hard"),
	CONF_CHECK("crio.runtime.additional_devices", LIST, additional_devices, is_device,
		   "entries like \"/dev/sdc:/dev/xvdc:rwm\""),
	CONF_CHECK("crio.runtime.absent_mount_sources_to_reject", LIST,
		   absent_mount_sources_to_reject, is_path_word, "absolute paths"),
	CONF("crio.runtime.add_inheritable_capabilities", BOOLEAN, add_inheritable_capabilities),
	CONF("crio.runtime.read_only", BOOLEAN, read_only),
	CONF("crio.runtime.drop_infra_ctr", BOOLEAN, drop_infra_ctr),
	CONF_RANGE("crio.runtime.ctr_stop_timeout", INTEGER, ctr_stop_timeout, 0, INT32_MAX),
	CONF_RANGE("crio.runtime.pids_limit", INTEGER, pids_limit, -1, INT32_MAX),
	CONF("crio.runtime.log_to_journald", BOOLEAN, log_to_journald),
	CONF_RANGE("crio.runtime.log_size_max", INTEGER, log_size_max, -1, INT64_MAX),
	CONF_CHECK("crio.runtime.timezone", STRING, timezone, is_timezone,
		   "a name like Europe/Vienna, or Local"),
	LATER("crio.runtime.no_pivot", BOOLEAN),
	LATER("crio.runtime.decryption_keys_path", PATH),
	LATER("crio.runtime.additional_artifact_stores", PATHS),
	LATER("crio.runtime.conmon", STRING),
	CONF("crio.runtime.conmon_cgroup", STRING, conmon_cgroup),
	LATER("crio.runtime.conmon_env", LIST),
	LATER("crio.runtime.min_injected_gomaxprocs", INTEGER),
	GUARD("crio.runtime.selinux", BOOLEAN, is_selinux_here,
	      "this kernel has no SELinux, so no container would be labelled; set it to false"),
	CONF("crio.runtime.privileged_seccomp_profile", PATH, privileged_seccomp_profile),
	GUARD("crio.runtime.apparmor_profile", STRING, is_default_apparmor,
	      "containers get crisp's own default profile where the kernel has AppArmor; remove "
	      "the key, or name the profile in each pod"),
	LATER("crio.runtime.blockio_config_file", PATH),
	LATER("crio.runtime.blockio_reload", BOOLEAN),
	LATER("crio.runtime.irqbalance_config_file", PATH),
	LATER("crio.runtime.irqbalance_config_restore_file", STRING),
	LATER("crio.runtime.rdt_config_file", PATH),
	LATER("crio.runtime.separate_pull_cgroup", STRING),
	LATER("crio.runtime.allowed_devices", LIST),
	LATER("crio.runtime.cdi_spec_dirs", PATHS),
	LATER("crio.runtime.device_ownership_from_security_context", BOOLEAN),
	GUARD("crio.runtime.hooks_dir", PATHS, has_no_hooks,
	      "hooks are not run, and there are *.json files in it; move them, or remove the key"),
	LATER("crio.runtime.default_mounts_file", PATH),
	LATER("crio.runtime.container_exits_dir", PATH),
	LATER("crio.runtime.container_attach_socket_dir", PATH),
	GUARD("crio.runtime.bind_mount_prefix", PATH, is_empty,
	      "mount sources are taken as they are, so containers would see other files; remove "
	      "the key"),
	LATER("crio.runtime.log_filter", STRING),
	GUARD("crio.runtime.uid_mappings", STRING, is_empty,
	      "pods get no user namespace, so that their root would be the node's; remove the key"),
	GUARD("crio.runtime.gid_mappings", STRING, is_empty,
	      "pods get no user namespace, so that their root would be the node's; remove the key"),
	LATER("crio.runtime.minimum_mappable_uid", INTEGER),
	LATER("crio.runtime.minimum_mappable_gid", INTEGER),
	LATER("crio.runtime.infra_ctr_cpuset", STRING),
	LATER("crio.runtime.shared_cpuset", STRING),
	LATER("crio.runtime.pinns_path", PATH),
	LATER("crio.runtime.enable_criu_support", BOOLEAN),
	CONF("crio.runtime.enable_pod_events", BOOLEAN, enable_pod_events),
	MOOT("crio.runtime.hostnetwork_disable_selinux", BOOLEAN), /* labels stay on */
	CONF("crio.runtime.disable_hostport_mapping", BOOLEAN, disable_hostport_mapping),

	HANDLER("runtime_path", PATH, path, 0, 0, NULL, NULL),
	HANDLER("runtime_type", STRING, type, 0, 0, is_runtime_type,
		"\"oci\": shims of virtual machines are not supported yet"),
	HANDLER("runtime_root", PATH, root, 0, 0, NULL, NULL),
	HANDLER("container_min_memory", SIZE, container_min_memory, 0, INT64_MAX, NULL, NULL),
	HANDLER("container_create_timeout", INTEGER, container_create_timeout, 1, INT32_MAX, NULL,
		NULL),
	HANDLER("privileged_without_host_devices", BOOLEAN, privileged_without_host_devices, 0, 0,
		NULL, NULL),
	HANDLER("no_sync_log", BOOLEAN, no_sync_log, 0, 0, NULL, NULL),
	HANDLER_LATER("inherit_default_runtime", BOOLEAN),
	HANDLER_LATER("runtime_config_path", PATH),
	HANDLER_LATER("monitor_path", STRING),
	HANDLER("monitor_cgroup", STRING, monitor_cgroup, 0, 0, NULL, NULL),
	HANDLER_LATER("monitor_exec_cgroup", STRING),
	HANDLER_LATER("monitor_env", LIST),
	HANDLER_LATER("allowed_annotations", LIST),
	HANDLER_LATER("platform_runtime_paths", MAP),
	HANDLER_LATER("runtime_pull_image", BOOLEAN),
	HANDLER_LATER("default_annotations", MAP),
	HANDLER_LATER("stream_websockets", BOOLEAN),
	HANDLER_LATER("exec_cpu_affinity", STRING),
	HANDLER("seccomp_profile", PATH, seccomp_profile, 0, 0, NULL, NULL),

	LATER("crio.runtime.workloads.*.activation_annotation", STRING),
	LATER("crio.runtime.workloads.*.annotation_prefix", STRING),
	LATER("crio.runtime.workloads.*.allowed_annotations", LIST),
	LATER("crio.runtime.workloads.*.resources", MAP),

	LATER("crio.checkpoint_restore.container_level_enabled", STRING),

	CONF("crio.image.pause_image", STRING, pause_image),
	CONF("crio.image.pause_command", STRING, pause_command),
	CONF("crio.image.global_auth_file", PATH, global_auth_file),
	CONF("crio.image.signature_policy", PATH, signature_policy),
	CONF("crio.image.signature_policy_dir", PATH, signature_policy_dir),
	CONF("crio.image.registries_d", PATH, registries_d),
	CONF("crio.image.registries_conf", PATH, registries_conf),
	CONF_RANGE("crio.image.max_parallel_layers", INTEGER, max_parallel_layers, 1, 65536),
	CONF("crio.image.pinned_images", LIST, pinned_images),
	CONF_CHECK("crio.image.remove_image", STRING, remove_image, is_remove_image,
		   "all: every name goes with the image, or untag: a tag goes alone"),
	CONF("crio.image.insecure_registries", LIST, insecure_registries),
	/* The only supported transport. */
	{ "crio.image.default_transport", CONF_KIND_STRING, CONF_OWNER_MOOT, 0, 0, 0, is_transport,
	  "docker://: images come from registries" },
	CONF("crio.image.namespaced_auth_dir", PATH, namespaced_auth_dir),
	CONF("crio.image.pause_image_auth_file", PATH, pause_image_auth_file),
	CONF_CHECK("crio.image.image_volumes", STRING, image_volumes, is_image_volumes,
		   "mkdir, bind or ignore"),
	MOOT("crio.image.big_files_temporary_dir", PATH), /* crisp unpacks layers as they arrive */
	MOOT("crio.image.auto_reload_registries", BOOLEAN), /* read again for each pull */
	CONF_CHECK("crio.image.pull_progress_timeout", STRING, pull_progress_timeout, is_duration,
		   "a duration like \"30s\" or \"1m30s\", \"0s\" or empty for none"),
	CONF_CHECK("crio.image.short_name_mode", STRING, short_name_mode, is_short_name_mode,
		   "enforcing, permissive, disabled, or empty for what registries.conf says"),
	CONF("crio.image.certs_dirs", PATHS, certs_dirs),
	CONF("crio.image.oci_artifact_mount_support", BOOLEAN, oci_artifact_mount_support),

	CONF("crio.network.cni_default_network", STRING, cni_default_network),
	CONF("crio.network.network_dir", PATH, network_dir),
	CONF("crio.network.plugin_dirs", PATHS, plugin_dirs),
	CONF("crio.network.plugin_dir", ADD_PATH, plugin_dirs),
	LATER("crio.network.cni_status_grace_period", STRING),

	CONF("crio.metrics.enable_metrics", BOOLEAN, enable_metrics),
	CONF("crio.metrics.metrics_collectors", LIST, metrics_collectors),
	CONF("crio.metrics.metrics_host", STRING, metrics_host),
	CONF_RANGE("crio.metrics.metrics_port", INTEGER, metrics_port, 0, UINT16_MAX),
	CONF("crio.metrics.metrics_socket", PATH, metrics_socket),
	CONF("crio.metrics.metrics_cert", PATH, metrics_cert),
	CONF("crio.metrics.metrics_key", PATH, metrics_key),

	LATER("crio.tracing.enable_tracing", BOOLEAN),
	LATER("crio.tracing.tracing_endpoint", STRING),
	LATER("crio.tracing.tracing_sampling_rate_per_million", INTEGER),

	LATER("crio.nri.enable_nri", BOOLEAN),
	LATER("crio.nri.nri_listen", PATH),
	LATER("crio.nri.nri_plugin_dir", PATH),
	LATER("crio.nri.nri_plugin_config_dir", PATH),
	LATER("crio.nri.nri_disable_connections", BOOLEAN),
	LATER("crio.nri.nri_plugin_registration_timeout", STRING),
	LATER("crio.nri.nri_plugin_request_timeout", STRING),
	LATER("crio.nri.default_validator.nri_enable_default_validator", BOOLEAN),
	LATER("crio.nri.default_validator.nri_validator_reject_oci_hook_adjustment", BOOLEAN),
	LATER("crio.nri.default_validator.nri_validator_reject_runtime_default_seccomp_adjustment",
	      BOOLEAN),
	LATER("crio.nri.default_validator.nri_validator_reject_unconfined_seccomp_adjustment",
	      BOOLEAN),
	LATER("crio.nri.default_validator.nri_validator_reject_custom_seccomp_adjustment", BOOLEAN),
	LATER("crio.nri.default_validator.nri_validator_reject_namespace_adjustment", BOOLEAN),
	GUARD("crio.nri.default_validator.nri_validator_required_plugins", LIST, is_empty,
	      "there are no NRI plugins, so that none would look at a container; remove the key"),
	LATER("crio.nri.default_validator.nri_validator_tolerate_missing_plugins_annotation",
	      STRING),

	FORMER("crio.file_locking", "crispd locks its directories"),
	FORMER("crio.file_locking_path", "crispd locks its directories"),
	FORMER("crio.api.host_ip", "pods have the addresses of their network"),
	FORMER("crio.runtime.runtime", "now runtime_path of a handler"),
	FORMER("crio.runtime.runtime_untrusted_workload", "now the handler that a pod names"),
	FORMER("crio.runtime.default_workload_trust", "now the handler that a pod names"),
	FORMER("crio.runtime.hooks_dir_path", "now hooks_dir"),
	FORMER("crio.runtime.manage_ns_lifecycle", "it is always so"),
	FORMER("crio.runtime.manage_network_ns_lifecycle", "it is always so"),
	FORMER("crio.runtime.default_mounts", "now default_mounts_file"),
	FORMER("crio.image.registries", "now unqualified-search-registries of registries.conf"),

	LATER("crio.stats.stats_collection_period", INTEGER),
	LATER("crio.stats.collection_period", INTEGER),
	CONF_CHECK("crio.stats.included_pod_metrics", LIST, included_pod_metrics, is_metric_group,
		   "all, cpu, disk, diskIO, hugetlb, memory, network, oom, pressure, process or "
		   "spec"),
};

const size_t conf_n_keys = ARRAY_LEN(conf_keys);
