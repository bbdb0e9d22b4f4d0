/*
 * cni.h - pod networks through CNI plugins (Container Network Interface specification, 0.3.0
 * to 1.1.0).
 *
 * All functions block and belong on a worker.  Nothing is kept between calls: the network's
 * configuration and the result of ADD are texts that the caller stores with the pod, so that DEL
 * uses what ADD used whatever is in the directory by then.  Plugins are strangers: what they
 * print is bounded and checked, and they have a deadline.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "net/cni_result.h"

/* A network: a configuration list as JSON (a single plugin's file is made into one). */
struct cni_conf {
	char *name;
	char *json;
};

#define CNI_CONF_NULL ((struct cni_conf){ .name = NULL })
void cni_conf_done(struct cni_conf *c);

/* The network to use: the first valid *.conflist, *.conf or *.json of dir in lexical order, or
 * the one called default_name (NULL or "": the first).  Its plugins must be found in plugin_dirs
 * (NULL-terminated) too.  ERR_UNAVAILABLE: there is none; the text says for each file that was
 * passed over why. */
int cni_conf_find(const char *dir, const char *default_name, const char *const *plugin_dirs,
		  struct cni_conf *ret, struct err *e);

/* May a pod get a network now?  cni_conf_find, and STATUS of each plugin when the network is of
 * version 1.1 (SPEC "STATUS").  The error's text is the reason for NetworkReady=false. */
int cni_ready(const char *dir, const char *default_name, const char *const *plugin_dirs,
	      int64_t timeout_ms, struct err *e);

/* The last answer of cni_ready, good while nothing that it came from has changed. */
struct cni_readiness {
	uint64_t signature;
	int64_t until_ns; /* CLOCK_MONOTONIC; 0: no answer */
	struct err why; /* ERR_OK: ready */
};

/* cni_ready through a cache.  Configurations are read again when a file or a directory has
 * changed, else every ten seconds; STATUS runs once a second at most. */
int cni_ready_cached(const char *dir, const char *default_name, const char *const *plugin_dirs,
		     int64_t timeout_ms, struct cni_readiness *cache, struct err *e);

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
	const char *netns; /* path; NULL or "" for a DEL when it does not exist any more */
	const char *ifname; /* "eth0" */
	const char *const *plugin_dirs;
	/* CNI_ARGS; NULL leaves one out. */
	const char *pod_namespace, *pod_name, *pod_uid;
	/* Capabilities: each plugin gets those which it declares. */
	const struct cni_port_mapping *port_mappings;
	size_t n_port_mappings;
	const struct cni_bandwidth *bandwidth; /* NULL: none */
	const char *const *dns_servers, *const *dns_searches, *const *dns_options; /* or NULL */
	const struct cni_annotation *annotations;
	size_t n_annotations;
	const char *cgroup_path; /* NULL: none */
	int64_t timeout_ms; /* for each plugin, > 0 */
	int hold_fd; /* descriptor 3 of each plugin, 0 or less: none */
};

/* Attach: every plugin in order, each with the result of the one before.  ret_result_json is
 * malloc'ed, to be stored.  After an error the caller runs cni_del without a previous result: it
 * is not known what was done.  ERR_UNAVAILABLE: a plugin asks to try again later (code 11). */
int cni_add(const char *conf_json, const struct cni_request *req, char **ret_result_json,
	    struct cni_result *ret, struct err *e);

/* Detach: every plugin in reverse order, also after one failed; the first error is returned.
 * prev_result_json may be NULL.  Success may be repeated. */
int cni_del(const char *conf_json, const struct cni_request *req, const char *prev_result_json,
	    struct err *e);

/* Is everything that ADD made still there?  Needs its result.  Networks below version 0.4.0 and
 * those with disableCheck have nothing to ask: 0. */
int cni_check(const char *conf_json, const struct cni_request *req, const char *prev_result_json,
	      struct err *e);

/* Garbage collection (SPEC "GC", version 1.1): tell each plugin which attachments are alive, it
 * removes the others.  Networks below version 1.1 and those with disableGC: 0. */
struct cni_attachment {
	const char *container_id, *ifname;
};
int cni_gc(const char *conf_json, const struct cni_attachment *alive, size_t n,
	   const char *const *plugin_dirs, int64_t timeout_ms, struct err *e);
