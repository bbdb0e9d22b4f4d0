/*
 * objects.h - all objects of the daemon: tables by id and by name, and the callbacks of each kind.
 *
 * Loop thread only, unless noted.  Each process has one `world`: find objects through its tables
 * and keep no pointer to an object across a turn of the loop.
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
struct object;
struct rpc_call;

/* The machines, in the order of loading and recovery: parents before children. */
enum kind {
	KIND_IMAGE,
	KIND_SANDBOX,
	KIND_SHIM,
	KIND_CONTAINER,
	KIND_EXEC,
	KIND_STREAM,
	KIND_PULL,
	KIND_COUNT,
};

/* A row that did not load: kept unchanged, listed, explained, removable; other objects are not
 * affected. */
struct quarantined {
	struct list node;
	enum kind kind;
	char id[ID_LEN + 1];
	char why[ERR_TEXT_MAX];
};

/* Who wants to know what objects do, on the loop.  NULL: no callback. */
struct observer {
	struct observer *next;
	/* After each committed move. */
	void (*moved)(struct object *o, const struct sm_row *row);
	/* A call of this event waits for the work that an earlier one has begun. */
	void (*joined)(struct object *o, int event);
};

struct world {
	const struct kind_ops *const *kinds; /* KIND_COUNT entries; set first */
	struct loop *loop;
	struct store *store;
	/* A reload replaces it; older ones stay.  Read it once for one decision. */
	const struct conf *_Atomic conf;
	struct sm_engine *engine;
	struct map *objects[KIND_COUNT]; /* id -> struct object */
	struct map *names; /* name_key of sandboxes and containers -> struct object */
	struct list quarantine;
	struct os_security security;
	const char *apparmor_default; /* loaded profile for RuntimeDefault, NULL: none */
	char *shim_path, *pull_path; /* programs in crispd's directory */
	struct loop_timer retry; /* of commits that failed */
	struct cgroups *cgroups;
	char *own_cgroup; /* the daemon's, NULL on cgroup v1 */
	struct observer *observers; /* linked by next */
	bool recovering; /* effects that start now may repeat those of an earlier daemon */
	bool draining; /* refuse new operations */
};

extern struct world world;

/* An object's CPU sample, kept between two calls for statistics (see usage.h). */
struct usage_past {
	int64_t cpu_at; /* CLOCK_MONOTONIC ns; 0: no sample yet */
	uint64_t cpu_ns;
	uint64_t rate; /* nanocores, valid if rated */
	bool rated;
};

/* One object in the tables; sm->user points here. */
struct object {
	struct sm_object *sm;
	enum kind kind;
	const char *name_key; /* key in the names table; "": no name */
	char *name_copy;
	struct loop_timer timer;
	struct list jobs; /* queued after the running job */
	struct list delayed; /* jobs of job_start_after, until their time */
	bool job_runs;
	struct usage_past usage;
	struct usage_files *usage_files; /* see usage.h; NULL: none are open */
	struct disk_usage *disk; /* of a container's writable layer, see diskuse.h */
	void *own; /* the kind's data: struct pod, struct session... */
};

/* Callbacks and properties of a kind. */
struct kind_ops {
	const struct sm_machine *machine;
	/* o was created or loaded: set own.  NULL: no callback. */
	void (*born)(struct object *o);
	/* A move was committed.  NULL: no callback. */
	void (*moved)(struct object *o, const struct sm_row *row);
	/* Before o is freed: release own. */
	void (*gone)(struct object *o);
	/* May another object take its name, since its effects are being undone?  NULL: never. */
	bool (*is_nameless)(const struct sm_object *sm);
	/* The row's key in the names table; NULL or "": no name.  NULL: the kind has no names. */
	const char *(*name_key)(const void *row);
	/* Write a row's list entry with one listing_put (see listing.h).  NULL: kind not listed. */
	void (*put_listing)(const char *id, const struct sm_state *state, const void *row,
			    struct store_txn *t);
	/* The CRI enum of the states' `shows`; NULL: none. */
	const ProtobufCEnumDescriptor *shows;
	/* Is `name` a name of o?  NULL: find by id or prefix (see world_lookup). */
	bool (*answers_to)(const struct object *o, const char *name);
	/* Was the id returned to no client yet?  NULL: always returned. */
	bool (*is_hidden)(const void *row);
	/* On a worker: remove all that derives from the id of an unreadable row.  NULL: the id has
	 * no resources. */
	int (*end_remains)(const char *id, struct err *e);
};
static inline const struct kind_ops *kind_ops(enum kind k)
{
	return world.kinds[k];
}
/* The kind whose machine has this name; KIND_COUNT: no such machine. */
static inline enum kind kind_of_machine(const char *name)
{
	enum kind k = 0;

	while (k < KIND_COUNT && strcmp(kind_ops(k)->machine->name, name) != 0)
		k++;
	return k;
}

/* Call w's callbacks from now on, until observer_del.  w stays the caller's. */
void observer_add(struct observer *w);
/* Safe if w was not added. */
void observer_del(struct observer *w);

/* Find by full id; NULL: no such object. */
struct object *world_find(enum kind k, const char *id);
/* Find the first object that answers_to id; a kind without answers_to: find by id or unique prefix.
 * <0: e is set (ERR_NOT_FOUND; ERR_PRECONDITION: the prefix is ambiguous). */
int world_lookup(enum kind k, const char *id, struct object **ret, struct err *e);
/* The next object that answers_to name; *pos is 0 for the first.  NULL: no more. */
struct object *world_next_named(enum kind k, const char *name, size_t *pos);
struct object *world_find_name(const char *name_key);
struct object *world_new(enum kind k, const char *id, void *row, const char *name_key);
/* The parent's next child of kind k; after NULL: the first child.  NULL: no more. */
struct object *world_child(const struct object *parent, enum kind k, const struct object *after);
static inline struct object *object_of(const struct sm_object *sm)
{
	return sm->user;
}

/* Add sm to the tables and call born.  Takes sm; copies name_key (NULL or "": no name). */
struct object *object_add(enum kind k, struct sm_object *sm, const char *name_key);
/* Remove o from the tables, drop its jobs, free o and its sm_object. */
void object_free(struct object *o);
/* May another object take its name? */
bool object_is_nameless(enum kind k, const struct sm_object *sm);
void object_drop_name(const struct object *o);
