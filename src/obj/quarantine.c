/*
 * quarantine.c - see quarantine.h.
 *
 * The row says nothing that can be trusted, so no machine runs: what the id leads to is taken
 * away in one blocking job, the rows last.
 */
#include "obj/quarantine.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "obj/container_prepare.h"
#include "obj/facts.h"
#include "obj/paths.h"
#include "obj/trash.h"
#include "os/cgroup.h"
#include "os/mount.h"
#include "os/ns.h"

struct removal {
	struct loop_job base;
	struct caller *call;
	enum kind kind;
	char id[ID_LEN + 1];
	int result;
	struct err err;
};

static struct quarantined *find(enum kind k, const char *id)
{
	struct quarantined *found = NULL;

	list_for_each(node, &world.quarantine) {
		struct quarantined *q = list_entry(node, struct quarantined, node);

		if (q->kind != k || !id_is_prefix(id) || !str_starts(q->id, id))
			continue;
		if (found)
			return NULL;
		found = q;
	}
	return found;
}

/* Each runtime is asked, since the row that named one is unreadable. */
static int clean_container(const char *id, struct err *e)
{
	_cleanup_free_ char *dir = path_container_dir(world.conf, id);
	_cleanup_free_ char *cgroup =
		cgroup_of_container(world.conf, world.conf->default_cgroup_parent, id);
	int r = 0;

	for (size_t i = 0; i < world.conf->n_runtimes && r == 0; i++) {
		Crisp__State__Container row = CRISP__STATE__CONTAINER__INIT;

		row.runtime_path = world.conf->runtimes[i].path;
		row.runtime_root = world.conf->runtimes[i].root;
		row.cgroups_path = cgroup;
		r = container_clean(id, &row, e);
	}
	return r == 1 ? fs_remove_tree(dir, e) : r;
}

static int clean_sandbox(const char *id, struct err *e)
{
	_cleanup_free_ char *run = path_pod_run(world.conf, id);
	_cleanup_free_ char *ns = path_pod_ns(world.conf, id);
	_cleanup_free_ char *dir = path_pod_dir(world.conf, id);
	int r = ns_unpin(ns, e);

	if (r == 0)
		r = mount_remove_below(run, e);
	if (r == 0)
		r = fs_remove_tree(run, e);
	return r == 0 ? fs_remove_tree(dir, e) : r;
}

static void removal_work(struct loop_job *base)
{
	struct removal *m = container_of(base, struct removal, base);

	m->result = m->kind == KIND_CONTAINER ? clean_container(m->id, &m->err)
					      : clean_sandbox(m->id, &m->err);
}

static int delete_rows(const struct removal *m, struct err *e)
{
	const char *name = kind_ops(m->kind)->machine->name;
	_cleanup_free_ char *key = xasprintf("%s/%s", name, m->id);
	_cleanup_free_ char *view = xasprintf("view/%s", key);
	struct store_txn t;

	store_begin(world.store, &t);
	store_del(&t, STORE_ENV_DURABLE, key);
	store_del(&t, STORE_ENV_BOOT, key);
	store_del(&t, STORE_ENV_BOOT, view);
	return store_commit(&t, e);
}

static void removal_done(struct loop_job *base)
{
	struct removal *m = container_of(base, struct removal, base);
	struct quarantined *q = find(m->kind, m->id);

	if (m->result == 0)
		trash_kick();
	if (m->result == 0)
		m->result = delete_rows(m, &m->err);
	if (m->result == 0 && q) {
		list_remove(&q->node);
		free(q);
		log_info("quarantined row removed", "%s=%s", kind_ops(m->kind)->machine->name,
			 m->id);
	}
	caller_finish(m->call, NULL, m->result < 0 ? &m->err : NULL);
	free(m);
}

bool quarantine_remove(struct caller *c, enum kind k, const char *id)
{
	struct quarantined *q = find(k, id);
	struct removal *m;

	if (!q)
		return false;
	m = xcalloc(1, sizeof(*m));
	m->base.work = removal_work;
	m->base.done = removal_done;
	m->call = c;
	m->kind = k;
	memcpy(m->id, q->id, sizeof(m->id));
	if (loop_work(world.loop, LANE_STOP, &m->base, &m->err) < 0) {
		caller_finish(c, NULL, &m->err);
		free(m);
	}
	return true;
}
