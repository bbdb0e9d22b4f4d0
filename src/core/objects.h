/*
 * objects.h - all objects of the daemon: tables by id and by name, and what a kind adds to them.
 *
 * Everything here belongs to the loop thread, except what says otherwise.  There is one world a
 * process: objects are found through it, never held by pointer across a turn of the loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/map.h"
#include "conf/conf.h"
#include "gen/state.pb-c.h"
#include "loop/loop.h"
#include "os/security.h"
#include "sm/engine.h"
#include "store/store.h"

struct disk_usage;
struct kind_ops;
struct oci_features;
struct rpc_call;

/* The machines, in the order in which they are loaded and recovered. */
enum kind {
	KIND_IMAGE,
	KIND_SANDBOX,
	KIND_SHIM,
	KIND_CONTAINER,
	KIND_EXEC,
	KIND_PULL,
	KIND_COUNT,
};

/* A row that cannot be trusted: kept as it is, listed, explained, removable; nothing else is
 * touched by it. */
struct quarantined {
	struct list node;
	enum kind kind;
	char id[ID_LEN + 1];
	char why[ERR_TEXT_MAX];
};

struct world {
	const struct kind_ops *const *kinds; /* KIND_COUNT, set before anything else */
	struct loop *loop;
	struct store *store;
	const struct conf *conf;
	struct sm_engine *engine;
	struct map *objects[KIND_COUNT]; /* id -> struct object */
	struct map *names; /* name_key of sandboxes and containers -> struct object */
	struct list quarantine;
	struct os_security security;
	const char *apparmor_default; /* loaded profile for RuntimeDefault, NULL: none */
	struct oci_features *features; /* beside conf->runtimes */
	char *shim_path, *pull_path; /* programs beside crispd */
	struct loop_timer retry; /* of commits that failed */
	struct cgroups *cgroups;
	char *own_cgroup; /* the daemon's, NULL on v1 */
	bool recovering; /* effects started now may be under way a second time */
	bool draining; /* no new operations are taken */
};

extern struct world world;

/* CPU samples that statistics keep of an object from one call to the next (see usage.h). */
struct usage_past {
	int64_t cpu_at; /* CLOCK_MONOTONIC ns; 0: never looked at */
	uint64_t cpu_ns;
	uint64_t rate; /* thousand-millionths of a core, when rated */
	bool rated;
};

/* One object as the world keeps it; obj->user points here. */
struct object {
	struct sm_object *sm;
	enum kind kind;
	const char *name_key; /* in the names table; "" when it has none */
	char *name_copy;
	struct loop_timer timer;
	struct list jobs; /* queued behind the one that runs */
	struct list delayed; /* jobs that wait for their time */
	bool job_runs;
	struct usage_past usage;
	struct usage_files *usage_files; /* see usage.h; NULL: none are open */
	struct disk_usage *disk; /* of a container: its writable layer, see diskuse.h */
	void *own; /* struct pod, struct session... of the kind */
};

/* What a kind adds to the common life of an object. */
struct kind_ops {
	const struct sm_machine *machine;
	/* Made or loaded: set own. */
	void (*born)(struct object *o);
	/* A move was committed. */
	void (*moved)(struct object *o, const struct sm_row *row);
	/* About to be freed: release own. */
	void (*gone)(struct object *o);
	/* Its name is free for another: what it has made is being undone.  NULL: never. */
	bool (*is_nameless)(const struct sm_object *sm);
	/* The name in the names table, NULL or "": none.  NULL: the kind has no names. */
	const char *(*name_key)(const void *row);
	/* Put what lists say of a row: one listing_put (see listing.h).  NULL: not listed. */
	void (*put_listing)(const char *id, const struct sm_state *state, const void *row,
			    struct store_txn *t);
	/* The CRI enum that the states' `shows` is of; NULL: none. */
	const ProtobufCEnumDescriptor *shows;
	/* Is this a name of o?  NULL: ids and their beginnings are (see world_lookup). */
	bool (*answers_to)(const struct object *o, const char *name);
	/* Was its id never given to anybody?  NULL: it was. */
	bool (*is_hidden)(const void *row);
	/* On a worker: remove all that derives from the id, for a row that cannot be read.  NULL:
	 * nothing does. */
	int (*end_remains)(const char *id, struct err *e);
};
static inline const struct kind_ops *kind_ops(enum kind k)
{
	return world.kinds[k];
}
/* The kind whose machine has this name; KIND_COUNT: none has. */
static inline enum kind kind_of_machine(const char *name)
{
	enum kind k = 0;

	while (k < KIND_COUNT && strcmp(kind_ops(k)->machine->name, name) != 0)
		k++;
	return k;
}

/* By full id; NULL: none. */
struct object *world_find(enum kind k, const char *id);
/* By a name that the kind knows (answers_to: the first it fits), else by id or a prefix of one.
 * 0, or <0 with ERR_NOT_FOUND or ERR_PRECONDITION (a prefix fits several). */
int world_lookup(enum kind k, const char *id, struct object **ret, struct err *e);
/* The next object that a name of answers_to fits; *pos is 0 at first.  NULL: no more. */
struct object *world_next_named(enum kind k, const char *name, size_t *pos);
struct object *world_find_name(const char *name_key);
struct object *world_new(enum kind k, const char *id, void *row, const char *name_key);
/* The parent's next child of a kind; after NULL: the first.  NULL: no more. */
struct object *world_child(const struct object *parent, enum kind k, const struct object *after);
static inline struct object *object_of(const struct sm_object *sm)
{
	return sm->user;
}

/* Into the tables, born.  name_key: NULL or "": it has none. */
struct object *object_add(enum kind k, struct sm_object *sm, const char *name_key);
/* Out of the tables, with its jobs.  Frees the engine's part too. */
void object_free(struct object *o);
/* Its name is free for another. */
bool object_is_nameless(enum kind k, const struct sm_object *sm);
void object_drop_name(const struct object *o);
