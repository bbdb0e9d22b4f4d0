/*
 * payloads.h - payloads of events for guards and steps (`carries` and `takes` in states/X.sm).
 *
 * The event owns its payload and frees it with payload_NAME_free, which accepts NULL.  A payload
 * owns its strings and lists, which are malloc'ed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "gen/state.pb-c.h"

/* sandbox: prepared */
struct payload_netns {
	char *path; /* of the pinned network namespace; NULL: the host's */
	char *cni_conf; /* NULL with the host's */
	bool maps_ports; /* no plugin opens the pod's host ports */
};

/* sandbox: is_set_up */
struct payload_setup {
	int32_t shim_pid, init_pid;
	uint64_t init_ticks;
};

/* sandbox: network_up */
struct payload_network {
	char *result;
	char **ips; /* NULL-terminated */
};

/* container: prepared */
struct payload_bundle {
	uint32_t stop_signal;
	int64_t uid, gid;
	int64_t *groups;
	size_t n_groups;
	bool may_trace;
};

/* container: unpacked */
struct payload_origin {
	Crisp__State__Container *found; /* only what is known of the image is set */
	int64_t checkpointed_ns; /* CLOCK_REALTIME, 0: unknown */
	bool holds_connections;
};

/* container: created, started, adopted; sandbox: connected, init_started; shim: knows */
struct payload_init {
	int32_t pid;
	uint64_t ticks;
	int64_t started_ns; /* CLOCK_REALTIME; 0: use the event's time */
};

/* container and exec: exited */
struct payload_exit {
	int code;
	bool oom;
	int64_t started_ns, exited_ns;
};

/* container: stop */
struct payload_stop {
	int64_t kill_at_ns;
	bool now;
};

/* container: update */
struct payload_resources {
	void *packed; /* runtime.v1.LinuxContainerResources of the request */
	size_t size;
};

/* container: checkpoint */
struct payload_checkpoint {
	char *location;
	int64_t until_ns; /* CLOCK_REALTIME */
};

/* sandbox: checkpoint */
struct payload_pod_checkpoint {
	char *path;
	char **ids; /* of containers; NULL-terminated */
	char **options; /* of the runtime's checkpoint; NULL-terminated */
};

/* sandbox: checkpoint_read */
struct payload_checkpointed {
	char **ips; /* of the pod; NULL-terminated */
	bool needs_ips; /* by connections that are to go on */
};

/* sandbox: update.  NULL: unchanged. */
struct payload_pod_resources {
	struct payload_resources *resources, *overhead;
};

/* image: adopt */
struct payload_image {
	Crisp__State__Image *found; /* record from the pull */
};

/* image: forget, untag. One of both, the other is NULL. */
struct payload_tag {
	char *tag;
	char *handler; /* runtime handler */
};

/* pull: fetched */
struct payload_image_id {
	char id[ID_LEN + 1];
};

/* pull: fetch_failed */
struct payload_kept {
	uint32_t layers; /* number of layers kept in staging */
};

void payload_netns_free(void *netns);
void payload_setup_free(void *setup);
void payload_network_free(void *network);
void payload_bundle_free(void *bundle);
void payload_origin_free(void *origin);
void payload_init_free(void *init);
void payload_exit_free(void *exit);
void payload_stop_free(void *stop);
void payload_resources_free(void *resources);
void payload_checkpoint_free(void *checkpoint);
void payload_pod_checkpoint_free(void *pod_checkpoint);
void payload_checkpointed_free(void *checkpointed);
void payload_pod_resources_free(void *pod_resources);
void payload_image_free(void *image);
void payload_tag_free(void *tag);
void payload_image_id_free(void *image_id);
void payload_kept_free(void *kept);

/* Takes found. */
struct payload_image *payload_image_new(Crisp__State__Image *found);
/* Copies tag. */
struct payload_tag *payload_tag_new(const char *tag);
/* Copies handler. */
struct payload_tag *payload_handler_new(const char *handler);
/* Copies id, which has ID_LEN characters. */
struct payload_image_id *payload_image_id_new(const char *id);
