/*
 * cni.h - pod networks through CNI plugins (Container Network Interface specification, 0.1.0 to
 * 1.1.0).
 * All functions block: call them on a worker.  No state is kept between calls.  The caller stores
 * the network's configuration and the result of ADD with the pod.  DEL thus uses the configuration
 * of ADD, even when the directory has changed.  Plugins are untrusted: their output is bounded and
 * validated, and they have a deadline.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/cni_result.h"

/* A network: a configuration list as JSON (a single plugin's file is converted to one). */
struct cni_conf {
	char *name;
	char *json;
};

#define CNI_CONF_NULL ((struct cni_conf){ .name = NULL })
void cni_conf_done(struct cni_conf *c);

/* Find the network to use: the first valid *.conflist, *.conf or *.json of dir in lexical order, or
 * the one named default_name (NULL or "": the first).  Its plugins must also be found in
 * plugin_dirs (NULL-terminated).  ERR_UNAVAILABLE: none found; the text has a reason for each
 * skipped file. */
int cni_conf_find(const char *dir, const char *default_name, const char *const *plugin_dirs,
		  struct cni_conf *ret, struct err *e);

/* May a pod get a network now? Runs cni_conf_find, and STATUS of each plugin when the network's
 * version is 1.1 (SPEC "STATUS").  The error's text is the reason for NetworkReady=false. */
int cni_ready(const char *dir, const char *default_name, const char *const *plugin_dirs,
	      int64_t timeout_ms, struct err *e);

/* The last result of cni_ready, valid while the files it depends on are unchanged. */
struct cni_readiness {
	uint64_t signature;
	int64_t until_ns; /* CLOCK_MONOTONIC; 0: no result */
	struct err why; /* ERR_OK: ready */
	bool was_ready; /* reported last */
	int64_t failing_ns; /* CLOCK_MONOTONIC: of the first failure since; 0: none */
	struct err excused; /* the failure that grace_ns still covers; ERR_OK: none */
};

/* cni_ready through a cache.  Reads configurations again when a file or a directory has changed,
 * else every ten seconds.  Runs STATUS at most once a second.  grace_ns: how long a network that
 * was ready stays so after the first failure. */
int cni_ready_cached(const char *dir, const char *default_name, const char *const *plugin_dirs,
		     int64_t timeout_ms, int64_t grace_ns, struct cni_readiness *cache,
		     struct err *e);

struct cni_port_mapping {
	uint16_t host_port, container_port;
	const char *protocol; /* "tcp", "udp", "sctp" */
	const char *host_ip; /* NULL or "": all */
};

/* Bits per second and bits; 0: no limit in that direction. */
struct cni_bandwidth {
	uint64_t ingress_rate, ingress_burst, egress_rate, egress_burst;
};

struct cni_annotation {
	const char *key, *value;
};

struct cni_request {
	const char *container_id; /* the pod's id */
	const char *netns; /* path; NULL or "" for DEL: the netns is gone */
	const char *ifname; /* "eth0" */
	const char *const *plugin_dirs;
	/* CNI_ARGS; NULL omits one. */
	const char *pod_namespace, *pod_name, *pod_uid;
	/* Capabilities: each plugin gets the ones that it declares. */
	const struct cni_port_mapping *port_mappings;
	size_t n_port_mappings;
	const struct cni_bandwidth *bandwidth; /* NULL: none */
	const char *const *dns_servers, *const *dns_searches, *const *dns_options; /* or NULL */
	const struct cni_annotation *annotations;
	size_t n_annotations;
	const char *cgroup_path; /* NULL: none */
	const char *const *ips; /* addresses to ask for, NULL-terminated; NULL: any */
	int64_t timeout_ms; /* for each plugin, > 0 */
	int hold_fd; /* descriptor 3 of each plugin; <= 0: none */
};

/* Attach: run every plugin in order, each with the result of the one before.  Store
 * ret_result_json, which is malloc'ed.  After an error the state is unknown: run cni_del without a
 * previous result.  ERR_UNAVAILABLE: a plugin asks to retry later (code 11). */
int cni_add(const char *conf_json, const struct cni_request *req, char **ret_result_json,
	    struct cni_result *ret, struct err *e);

/* Detach: run every plugin in reverse order, also after one failed; the first error is returned.
 * prev_result_json may be NULL.  Idempotent. */
int cni_del(const char *conf_json, const struct cni_request *req, const char *prev_result_json,
	    struct err *e);

/* Check that all results of ADD still exist; needs the result of ADD.  0 for networks below
 * version 0.4.0 and those with disableCheck: no check is possible. */
int cni_check(const char *conf_json, const struct cni_request *req, const char *prev_result_json,
	      struct err *e);

/* Does a plugin of the configuration open host ports (capability portMappings)? */
bool cni_maps_ports(const char *conf_json);

/* Garbage collection (SPEC "GC", version 1.1): pass each plugin the live attachments; the plugin
 * removes all others.  0 for networks below version 1.1 and those with disableGC. */
bool cni_has_gc(const char *conf_json);
struct cni_attachment {
	const char *container_id, *ifname;
};
int cni_gc(const char *conf_json, const struct cni_attachment *alive, size_t n,
	   const char *const *plugin_dirs, int64_t timeout_ms, struct err *e);
