/*
 * conf.h - the configuration: the result of the crio.conf(5) tables and crispd's flags.
 * Precedence: flag > drop-in files in lexical order > file > default.  Names that crisp does not
 * know are ignored, as CRI-O does, and listed with file, line and the nearest known key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The paths where kubelets and cAdvisor look for CRI-O. */
#define CONF_CRIO_SOCKET "/var/run/crio/crio.sock"
#define CONF_CRIO_RUN_SOCKET "/run/crio/crio.sock"

#define CONF_FILE "/etc/crisp/crisp.conf"
#define CONF_DIR "/etc/crisp/crisp.conf.d"

enum conf_cgroup_manager {
	CONF_CGROUP_MANAGER_CGROUPFS,
	CONF_CGROUP_MANAGER_SYSTEMD,
};

/* One [crio.runtime.runtimes.NAME]. */
struct conf_runtime {
	char *name;
	char *path; /* runtime_path; looked up in PATH when empty */
	char *type; /* "oci" */
	char *root; /* runtime_root: --root of the runtime */
	int64_t container_min_memory; /* bytes */
	int64_t container_create_timeout; /* seconds */
	bool privileged_without_host_devices;
	bool no_sync_log;
	char *seccomp_profile; /* file for RuntimeDefault; empty: the one of struct conf */
	char *monitor_cgroup; /* parent of the shims' cgroups, see conf_shim_parent */
};

#define CONF_TLS12 "VersionTLS12"
#define CONF_TLS13 "VersionTLS13"

struct conf {
	/* [crio] */
	char *root; /* /var/lib/crisp */
	char *runroot; /* /run/crisp */
	char *log_dir; /* /var/log/crisp/pods: for pods without a log directory */
	/* [crio.api] */
	char *listen; /* <runroot>/crisp.sock when not set */
	char *stream_address;
	char *stream_port;
	bool stream_enable_tls;
	char *stream_tls_cert, *stream_tls_key, *stream_tls_ca; /* PEM files; "": none */
	char *tls_min_version; /* CONF_TLS12 (or "") or CONF_TLS13 */
	char **tls_cipher_suites; /* IANA names; NULL: OpenSSL's default */
	char *stream_idle_timeout; /* "1h30m", "": the default */
	int64_t grpc_max_send_msg_size, grpc_max_recv_msg_size;
	/* [crio.runtime] */
	char *default_runtime;
	char *seccomp_profile; /* file, empty: built in */
	bool seccomp_use_default_when_empty; /* false: a context without a profile is unconfined */
	char *privileged_seccomp_profile; /* file; empty: privileged containers have none */
	char *log_level;
	char *namespaces_dir; /* empty: below runroot */
	char *conmon_cgroup; /* if not empty: monitor_cgroup of every handler */
	char *default_cgroup_parent; /* not in CRI-O; pods' default: "/crisp" or "system.slice" */
	char *cgroup_prefix; /* of containers' cgroups: "crisp" or "crio"; not in CRI-O */
	enum conf_cgroup_manager cgroup_manager;
	char **default_capabilities; /* NULL-terminated, as all lists here */
	char **default_sysctls; /* "name=value" */
	char **default_env; /* "NAME=value" */
	char **default_ulimits; /* "nofile=1024:2048" */
	char **additional_devices;
	char **absent_mount_sources_to_reject;
	bool add_inheritable_capabilities;
	bool enable_pod_events;
	bool read_only;
	bool drop_infra_ctr;
	bool disable_hostport_mapping;
	int64_t ctr_stop_timeout; /* seconds */
	int64_t pids_limit; /* -1: none */
	int64_t log_size_max; /* bytes, -1: none */
	bool log_to_journald;
	char *timezone;
	struct conf_runtime *runtimes;
	size_t n_runtimes;
	/* [crio.image] */
	char *pause_image; /* empty: never pull one */
	char *pause_command;
	char *global_auth_file;
	char *namespaced_auth_dir; /* NAMESPACE-SHA256.json, each for one pull */
	char *pause_image_auth_file; /* instead of global_auth_file for pause_image */
	char *pull_progress_timeout; /* duration without a new byte, "0s": none */
	char *short_name_mode;
	char **certs_dirs; /* HOST[:PORT] directories with certificates; not in CRI-O */
	char *signature_policy; /* empty: /etc/containers/policy.json, if it exists */
	char *signature_policy_dir; /* its NAMESPACE.json is for pods of that namespace */
	char *registries_d; /* registries.d, /etc/containers/registries.d; not in CRI-O */
	char *registries_conf; /* /etc/containers/registries.conf; not in CRI-O */
	int64_t max_parallel_layers; /* layers fetched at one time by all pulls, 6; not in CRI-O */
	char **pinned_images; /* see images/pinned.h */
	char *remove_image; /* "all" or "untag", see images/image.h; not in CRI-O */
	char *image_volumes; /* handling of an image's VOLUMEs: "mkdir", "bind", "ignore" */
	char **insecure_registries;
	bool oci_artifact_mount_support;
	/* [crio.network] */
	char *cni_default_network;
	char *network_dir;
	char **plugin_dirs;
	/* [crio.metrics] */
	bool enable_metrics;
	char **metrics_collectors; /* exported families, empty: all */
	char *metrics_host;
	int64_t metrics_port; /* 0: any */
	char *metrics_socket; /* empty: none */
	char *metrics_cert, *metrics_key; /* both empty: no TLS */
	/* [crio.stats] */
	char **included_pod_metrics; /* groups of pod/families.h, or "all", the default */

	/* "FILE:LINE: crio.x.y is known but not implemented: it has no effect", once per key, for
	 * the log at start; NULL-terminated, NULL: none. */
	char **warnings;
	/* One line for each name in a file that was ignored, and for each bad value. */
	char **ignored, **errors;
	size_t n_unlisted; /* further ones */
	bool *set_by_flag; /* internal: keys set by conf_set */
	struct conf_place *places; /* internal: source of each key's value */
	size_t n_places;
};

/* Set defaults.  c owns all values; free with conf_done. */
void conf_init(struct conf *c);
void conf_done(struct conf *c);

/* Merge one TOML file: values replace, a list as a whole, a handler key by key.  1: no such file.
 * <0: c is partly merged; e is the first of the errors that are listed in c->errors. */
int conf_load_file(struct conf *c, const char *path, struct err *e);
/* Merge every file of a directory and of those below it in lexical order, as CRI-O does; a missing
 * directory is success.  Goes on after an error. */
int conf_load_dir(struct conf *c, const char *dir, struct err *e);

/* Merge a file and a directory of drop-ins.  NULL: CONF_FILE and CONF_DIR, or CRI-O's own on a node
 * that has neither, with a warning.  "": none.  ERR_NOT_FOUND: a given file does not exist. */
int conf_load(struct conf *c, const char *file, const char *dir, struct err *e);

/* Set a string, a number or a list entry, as a flag does; key is "crio.runtime.log_level".  The
 * first entry of a list replaces the files' value, later ones append; commas separate several
 * entries.  "crio.runtime.runtimes" takes NAME:PATH[:ROOT[:TYPE]]. */
int conf_set(struct conf *c, const char *key, const char *value, struct err *e);

/* Call after all merges: derive values from other values, look up runtimes in PATH, check
 * combinations of keys.  An unusable handler is dropped with a warning, but is an error if it is
 * the default. */
int conf_finish(struct conf *c, struct err *e);

/* Normalise a pod's cgroup parent, malloc'ed: an absolute path, or with the systemd manager a
 * slice's name.  text may be the slice's name or, as the kubelet sends it, its whole path. */
int conf_cgroup_parent(enum conf_cgroup_manager manager, const char *text, char **ret,
		       struct err *e);

/* Parent of the cgroup of a pod's shim, with the cgroupfs manager: pod_parent if the handler's
 * monitor_cgroup is "pod", monitor_cgroup if that is a path, else default_cgroup_parent.  Owned by
 * c or the caller. */
const char *conf_shim_parent(const struct conf *c, const struct conf_runtime *rt,
			     const char *pod_parent);

/* Do containers' cgroups have CRI-O's names, so that cAdvisor takes them for its containers? */
bool conf_has_crio_cgroups(const struct conf *c);

/* The handler of that name; NULL or "": the default one.  Returns NULL: not configured. */
const struct conf_runtime *conf_runtime_find(const struct conf *c, const char *name);
