/*
 * facts.h - what events carry to guards and steps, and how a step writes into a record.
 *
 * A record is an unpacked protobuf-c message of the default allocator; strings that were never
 * set point to protobuf_c_empty_string and are not freed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "sm/engine.h"

/* sandbox: anchored */
struct facts_anchor {
	int32_t shim_pid, init_pid;
	uint64_t init_ticks;
	char *cni_conf, *netns; /* NULL: keep what the row has */
};

/* sandbox: network_up */
struct facts_network {
	char *result;
	char **ips; /* NULL-terminated */
};

/* container: prepared, started, adopted */
struct facts_init {
	int32_t pid;
	uint64_t ticks;
	int64_t started_ns; /* 0: not known better than the event's time */
	bool has_user; /* the rest is known too */
	uint32_t stop_signal;
	int64_t uid, gid;
	int64_t *groups;
	size_t n_groups;
	bool may_trace;
};

/* container and exec: exited */
struct facts_exit {
	int code;
	bool oom;
	int64_t started_ns, exited_ns;
};

/* container: stop */
struct facts_stop {
	int64_t kill_at_ns;
	bool now;
};

/* container: update */
struct facts_resources {
	void *packed; /* runtime.v1.LinuxContainerResources as they are now */
	size_t size;
};

void facts_resources_free(void *f);
struct facts_anchor *facts_anchor_new(void);
void facts_anchor_free(void *f);
struct facts_network *facts_network_new(void);
void facts_network_free(void *f);
struct facts_init *facts_init_new(void);
void facts_init_free(void *f);

/* pull: fetch_failed */
struct facts_kept {
	uint32_t layers; /* that stay in staging */
};

/* Attach facts to an event; freed with it. */
struct sm_event *facts_attach(struct sm_event *ev, void *facts, void (*free_facts)(void *));

/* Replace a string field; NULL and "" make it empty. */
void row_set_str(char **field, const char *value);
/* Replace a repeated string field by a NULL-terminated list (NULL: empty). */
void row_set_strs(char ***field, size_t *n, char *const *values);
/* Add to a repeated string field what is not in it. */
void row_add_str(char ***field, size_t *n, const char *value);
/* The same for a list in which a value may stand more than once. */
void row_append_str(char ***field, size_t *n, const char *value);
/* Remove from a repeated string field; false: it was not there. */
bool row_del_str(char ***field, size_t *n, const char *value);

/* Note why the operation failed. */
void row_fail(Crisp__State__Failure **field, const struct sm_event *ev);
void row_clear_failure(Crisp__State__Failure **field);
/* The failure as an error to answer with; returns -code. */
int row_failure_err(const Crisp__State__Failure *f, struct err *e);
