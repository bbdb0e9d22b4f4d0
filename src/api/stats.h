/*
 * stats.h - a call for resource usage of pods or containers: statistics, and metrics, which read
 * more figures.
 */
#pragma once

#include "api/handlers.h"
#include "base/arena.h"
#include "core/calls.h"
#include "pod/podfigures.h"
#include "pod/usage.h"

struct slices;
struct stats_call;
typedef void stats_fn(struct stats_call *s);

struct stats_pod {
	struct stats_pod *next;
	struct usage use;
	struct podfigures figures; /* of a call with a read of its own, as gone */
	bool gone;
	Runtime__V1__PodSandbox *item;
	size_t n_containers;
};

struct stats_container {
	struct stats_container *next;
	struct usage use;
	struct podfigures figures;
	bool gone;
	Runtime__V1__Container *item;
	struct stats_pod *pod; /* NULL: a request without pods */
};

struct stats_call {
	struct loop_job job;
	struct rpc_call *rpc;
	struct caller *call; /* NULL: a slice of a stream */
	struct slices *slices;
	stats_fn *read; /* on a worker; NULL: read the usage of each object */
	stats_fn *answer;
	struct arena *arena; /* memory of everything below and of the response */
	struct map *pods_by_id; /* NULL: a request for containers */
	struct stats_pod *pods, **pods_end;
	struct stats_container *containers, **containers_end;
	size_t n_pods, n_containers;
};

/* Zeroed memory until the answer. */
static inline void *take(struct stats_call *s, size_t size)
{
	void *p = arena_alloc(s->arena, size);

	if (!p)
		abort(); /* no cap: out of memory */
	return p;
}

/* Loop: start a call about all ready pods and their containers.  read runs on a worker; answer, on
 * the loop, replies.  <0: e is set, the caller keeps c. */
int stats_take_pods(struct caller *c, const ProtobufCMessage *req, stats_fn *read, stats_fn *answer,
		    struct err *e);

/* The same for the next slice of a stream, whose answer calls slices_made. */
void stats_slice_pods(struct slices *slices, stats_fn *read, stats_fn *answer);
