/*
 * rescue.c - opens the state store, and repairs it from rows that are still readable.
 *
 * Both environments hold a copy of each object's row, so one readable copy is enough.  A row on an
 * unreachable page may be a deleted one: keep it only if its object's directories exist.
 */
#include "pod/rescue.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/rmtree.h"
#include "base/str.h"
#include "base/version.h"
#include "core/dirs.h"
#include "core/paths.h"
#include "core/quarantine.h"
#include "gen/state.pb-c.h"
#include "image/layers.h"
#include "net/hostports.h"
#include "os/cgroup.h"
#include "os/spawn.h"
#include "pod/remains.h"
#include "store/salvage.h"

/* --- directories --- */

static char *durable_dir(void)
{
	return xasprintf("%s/state", world.conf->root);
}

static char *boot_dir(void)
{
	return xasprintf("%s/state", world.conf->runroot);
}

int rescue_open(struct err *e)
{
	_cleanup_free_ char *durable = durable_dir(), *boot = boot_dir();
	_cleanup_free_ char *pods = NULL, *layers = NULL, *shims = NULL;
	struct store_options o = { .durable_dir = durable, .boot_dir = boot };
	struct remains found = REMAINS_NULL;
	int r = dirs_prepare(world.conf, e);

	if (r == 0)
		r = remains_find(world.conf, &found, e);
	if (r == 0) {
		o.pods = pods = remains_pods_text(&found, world.conf);
		o.layers = layers = remains_layers_text(&found, world.conf);
		o.shims = shims = remains_shims_text(&found);
		r = store_open(&o, &world.store, e);
	}
	remains_done(&found);
	if (r < 0)
		return r;
	if (store_note(world.store))
		log_error("the boot environment of the state was mended", "text=\"%s\"",
			  store_note(world.store));
	return 0;
}

/* --- objects without a row --- */

/* Quarantine ids with a run directory; without one, only files are left. */
static void list_unknown(enum kind k, char *const *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *run = k == KIND_SANDBOX
						   ? path_pod_run(world.conf, ids[i])
						   : path_container_run(world.conf, ids[i]);

		if (!world_find(k, ids[i]) && fs_exists(run))
			quarantine_add(k, ids[i],
				       "it is on the node and has no row: stop crispd "
				       "and run it with --repair, which ends it");
	}
}

int rescue_list_remains(struct err *e)
{
	struct remains found = REMAINS_NULL;
	int r = remains_find(world.conf, &found, e);

	if (r == 0) {
		list_unknown(KIND_SANDBOX, found.pods, found.n_pods);
		list_unknown(KIND_CONTAINER, found.containers, found.n_containers);
	}
	remains_done(&found);
	return r;
}

/* --- readable rows --- */

struct row {
	char *key;
	void *payload;
	size_t size;
	uint64_t seq;
};

struct rows {
	struct map *by_key;
	const struct remains *remains;
	size_t unread;
	bool wipe; /* no object has its row any more */
};

static void row_free(struct row *r)
{
	free(r->key);
	free(r->payload);
	free(r);
}

static void rows_done(struct rows *all)
{
	struct row *r;
	size_t pos = 0;

	while (all->by_key && (r = map_next(all->by_key, &pos))) {
		map_del(all->by_key, r->key);
		row_free(r);
		pos = 0;
	}
	map_free(all->by_key);
}

/* The kind of a row's object, and its id in *ret_id; KIND_COUNT: not a durable kind. */
static enum kind kind_of(const char *key, const char **ret_id)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		const struct sm_machine *m = kind_ops((enum kind)k)->machine;
		size_t n = strlen(m->name);

		if (strncmp(key, m->name, n) != 0 || key[n] != '/' || m->unstored)
			continue;
		*ret_id = key + n + 1;
		return (enum kind)k;
	}
	return KIND_COUNT;
}

static bool has(char *const *ids, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(ids[i], id) == 0)
			return true;
	return false;
}

static bool has_layers(const Crisp__State__Envelope *env)
{
	_cleanup_free_ char *root = path_images(world.conf);
	Crisp__State__Image *i = crisp__state__image__unpack(NULL, env->row.len, env->row.data);
	bool all = i != NULL;

	for (size_t n = 0; i && all && n < i->n_layers; n++)
		all = image_layer_exists(root, i->layers[n]->diff_id);
	crisp__state__image__free_unpacked(i, NULL);
	return all;
}

/* Does the object of a row from an unreachable page still exist? */
static bool is_there(const struct rows *all, enum kind k, const char *id,
		     const Crisp__State__Envelope *env)
{
	switch (k) {
	case KIND_SANDBOX:
		return has(all->remains->pods, all->remains->n_pods, id);
	case KIND_CONTAINER:
		return has(all->remains->containers, all->remains->n_containers, id);
	case KIND_IMAGE:
		return has_layers(env);
	case KIND_SHIM:
	case KIND_EXEC:
	case KIND_STREAM:
	case KIND_PULL:
	case KIND_COUNT:
		break;
	}
	return false;
}

static void keep_row(void *arg, const struct store_row *row, bool stray)
{
	struct rows *all = arg;
	const char *id = "";
	enum kind k = kind_of(row->key, &id);
	struct row *old = map_get(all->by_key, row->key), *kept;
	Crisp__State__Envelope *env;
	uint64_t seq;
	bool there;

	if (k == KIND_COUNT || !id_is_valid(id))
		return;
	env = crisp__state__envelope__unpack(NULL, row->size, row->payload);
	if (!env)
		return;
	seq = env->seq;
	there = !stray || is_there(all, k, id, env);
	crisp__state__envelope__free_unpacked(env, NULL);
	if (!there || (old && old->seq >= seq))
		return;
	if (old) {
		map_del(all->by_key, old->key);
		row_free(old);
	}
	kept = xcalloc(1, sizeof(*kept));
	*kept = (struct row){ xstrdup(row->key), xmemdup(row->payload, MAX(row->size, (size_t)1)),
			      row->size, seq };
	map_put(all->by_key, kept->key, kept);
}

static int read_boot(const char *path, const char *name, void *arg, struct err *e)
{
	struct rows *all = arg;

	(void)e;
	if (name[0] != '.')
		all->unread += store_salvage(path, keep_row, all);
	return 0;
}

/* --- mending --- */

/* Replace the database with the kept rows and a note.  *ret_old: the replaced file's directory,
 * malloc'ed.  The note is a row of no object: a database without rows would count as new. */
static int write_rows(const char *dir, const struct rows *all, char **ret_old, struct err *e)
{
	size_t n = map_count(all->by_key), i = 0, pos = 0;
	_cleanup_free_ struct store_keep *keep = xcalloc(n + 1, sizeof(*keep));
	const struct row *r;
	int rc;

	while ((r = map_next(all->by_key, &pos)))
		keep[i++] = (struct store_keep){ r->key, r->payload, r->size };
	keep[i] = (struct store_keep){ "note/repaired", CRISP_VERSION, strlen(CRISP_VERSION) };
	rc = store_replace(dir, keep, n + 1, ret_old, e);
	if (rc == 0)
		log_info("the state database is replaced", "dir=%s rows=%zu unread=%zu kept=%s",
			 dir, n, all->unread, *ret_old);
	return rc;
}

static int find_unowned(const char *path, const char *name, void *arg, struct err *e)
{
	(void)path;
	(void)e;
	return str_is_hex(name, strlen(name)) && !layer_set_has(arg, name);
}

/* Keep layers without an image row until `crisp gc`: their rows may be lost, and a new pull then
 * need not fetch the layers. */
static int keep_layers(const struct rows *all, struct err *e)
{
	_cleanup_layer_set_ struct layer_set *owned = layer_set_new();
	_cleanup_free_ char *root = path_images(world.conf);
	_cleanup_free_ char *layers = xasprintf("%s/layers", root);
	const struct row *r;
	size_t pos = 0;
	int rc;

	while ((r = map_next(all->by_key, &pos))) {
		Crisp__State__Envelope *env =
			crisp__state__envelope__unpack(NULL, r->size, r->payload);
		const char *id;
		Crisp__State__Image *i =
			kind_of(r->key, &id) == KIND_IMAGE && env
				? crisp__state__image__unpack(NULL, env->row.len, env->row.data)
				: NULL;

		for (size_t n = 0; i && n < i->n_layers; n++)
			layer_set_add(owned, i->layers[n]->diff_id);
		crisp__state__image__free_unpacked(i, NULL);
		crisp__state__envelope__free_unpacked(env, NULL);
	}
	rc = fs_each(layers, find_unowned, owned, e);
	return rc == 1 ? image_sweep_hold(root, e) : rc;
}

/* Collect rows.  A sound durable environment: its rows, and boot copies of its damaged rows.
 * Otherwise: replace it with the readable rows of all environments. */
static int mend(const struct remains *found, struct rows *all, struct err *e)
{
	_cleanup_free_ char *durable = durable_dir(), *boot = boot_dir(), *old = NULL;
	struct err why = ERR_NULL;
	enum store_health health;
	uint64_t n;
	bool lost;
	int r = store_health(durable, &health, &n, &why, e);

	if (r < 0)
		return r;
	lost = (health == STORE_HEALTH_NEW &&
		(found->n_pods || found->n_containers || found->layers)) ||
	       (health == STORE_HEALTH_SOUND && n == 0 && (found->n_pods || found->n_containers));
	all->unread += store_salvage(durable, keep_row, all);
	if (health != STORE_HEALTH_DAMAGED && !lost)
		return all->unread ? fs_each(boot, read_boot, all, e) : 0;
	log_warn("the state database is damaged", "dir=%s error=\"%s\"", durable,
		 lost ? "it is missing or empty" : why.text);
	r = fs_each(boot, read_boot, all, e);
	if (r == 0)
		r = write_rows(durable, all, &old, e);
	return r == 0 ? keep_layers(all, e) : r;
}

static bool has_row(const struct rows *all, enum kind k, const char *id)
{
	_cleanup_free_ char *key = xasprintf("%s/%s", kind_ops(k)->machine->name, id);

	return map_get(all->by_key, key) != NULL;
}

/* End objects without a row, shims first, so that no new process starts.  Continue after a failure
 * with the others. */
static int end_remains(const struct remains *found, const struct rows *all, struct err *e)
{
	size_t ended = 0, stuck = 0;
	struct err why = ERR_NULL;

	for (size_t i = 0; i < found->n_pods; i++)
		if (!has_row(all, KIND_SANDBOX, found->pods[i]) &&
		    remains_end_shim(found->pods[i], &why) < 0)
			log_err(LOG_LEVEL_ERROR, "end a shim", &why);
	for (int k = 0; k < 2; k++) {
		enum kind kind = k ? KIND_SANDBOX : KIND_CONTAINER;
		char *const *ids = k ? found->pods : found->containers;

		for (size_t i = 0; i < (k ? found->n_pods : found->n_containers); i++) {
			if (has_row(all, kind, ids[i]))
				continue;
			if ((k ? remains_end_pod(ids[i], &why)
			       : remains_end_container(ids[i], &why)) < 0) {
				log_err(LOG_LEVEL_ERROR, "remove an object without a row", &why);
				stuck++;
				continue;
			}
			log_warn(all->wipe ? "removed" : "removed an object without a row", "%s=%s",
				 kind_ops(kind)->machine->name, ids[i]);
			ended++;
		}
	}
	log_info(all->wipe ? "ended" : "repaired", "rows=%zu ended=%zu stuck=%zu",
		 map_count(all->by_key), ended, stuck);
	return stuck ? err_set(e, ERR_UNAVAILABLE,
			       "%zu pods or containers do not go: %s; run the command again", stuck,
			       why.text)
		     : 0;
}

static int lock(int fds[2], struct err *e)
{
	_cleanup_free_ char *durable = durable_dir(), *boot = boot_dir();
	const struct store_options o = { .durable_dir = durable, .boot_dir = boot };

	return store_lock(&o, fds, e);
}

int rescue_repair(struct err *e)
{
	struct remains found = REMAINS_NULL;
	struct rows all = { .by_key = map_new(), .remains = &found };
	int fds[2], r = lock(fds, e);

	if (r == 0)
		r = remains_find(world.conf, &found, e);
	if (r == 0)
		r = mend(&found, &all, e);
	if (r == 0)
		r = end_remains(&found, &all, e);
	remains_done(&found);
	rows_done(&all);
	close_fdp(&fds[0]);
	close_fdp(&fds[1]);
	return r;
}

/* --- wiping --- */

static void keep_image(void *arg, const struct store_row *row, bool stray)
{
	const char *id;

	if (kind_of(row->key, &id) == KIND_IMAGE)
		keep_row(arg, row, stray);
}

static int remove_boot(const char *path, const char *name, void *arg, struct err *e)
{
	(void)arg;
	return name[0] == '.' ? 0 : fs_remove_tree(path, e);
}

/* Remove the directory of a replaced database. */
static int remove_old(const char *path, const char *name, void *arg, struct err *e)
{
	(void)arg;
	return strncmp(name, "damaged-", strlen("damaged-")) == 0 ? fs_remove_tree(path, e) : 0;
}

/* Replace the rows of both environments with those of images, or with none.  The boot environment
 * goes first: its rows count more than durable ones. */
static int wipe_rows(bool images, struct err *e)
{
	_cleanup_free_ char *durable = durable_dir(), *boot = boot_dir(), *old = NULL;
	struct remains none = REMAINS_NULL;
	struct rows kept = { .by_key = map_new(), .remains = &none };
	struct err why = ERR_NULL;
	enum store_health health;
	uint64_t n;
	int r = store_health(durable, &health, &n, &why, e);

	if (r == 0 && health == STORE_HEALTH_NEW) {
		rows_done(&kept);
		return 0;
	}
	if (r == 0 && !images)
		kept.unread = store_salvage(durable, keep_image, &kept);
	if (r == 0 && kept.unread)
		r = err_set(e, ERR_DATA_LOSS,
			    "the state database in %s is damaged (%s): run crispd --repair, or "
			    "wipe the images, too",
			    durable, why.text[0] ? why.text : "rows cannot be read");
	if (r == 0)
		r = fs_each(boot, remove_boot, NULL, e);
	if (r == 0)
		r = write_rows(durable, &kept, &old, e);
	rows_done(&kept);
	return r == 0 ? fs_each(durable, remove_old, NULL, e) : r;
}

/* Remove the table of host ports: no pod has any.  Without nft there is none. */
static int close_ports(struct err *e)
{
	_cleanup_free_ char *table = hostports_table(world.conf->root);
	_cleanup_free_ char *nft = spawn_find_program("nft", NULL);
	uint64_t found = 0;
	int r = nft ? hostports_hash(table, &found, e) : 0;

	if (r == 0 && found)
		r = hostports_replace(table, NULL, 0, -1, e);
	return r == 1 ? -(int)e->code : r;
}

static int wipe(bool images, struct err *e)
{
	_cleanup_free_ char *root = path_images(world.conf);
	_cleanup_free_ char *trash = path_container_trash(world.conf);
	struct remains found = REMAINS_NULL;
	struct rows none = { .by_key = map_new(), .remains = &found, .wipe = true };
	int fds[2], r = lock(fds, e);

	if (r == 0)
		r = remains_find(world.conf, &found, e);
	if (r == 0)
		r = end_remains(&found, &none, e);
	if (r == 0)
		r = close_ports(e);
	if (r == 0)
		r = wipe_rows(images, e);
	if (r == 0)
		r = rmtree(trash, NULL, e);
	if (r == 0 && images)
		r = rmtree(root, NULL, e);
	remains_done(&found);
	rows_done(&none);
	close_fdp(&fds[0]);
	close_fdp(&fds[1]);
	return r;
}

int rescue_wipe(struct err *e)
{
	return wipe(false, e);
}

int rescue_wipe_all(struct err *e)
{
	return wipe(true, e);
}
