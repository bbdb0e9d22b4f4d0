/*
 * netgc.c - garbage collection of pod networks (SPEC "GC"): at the start, and after a DEL that
 * failed.
 *
 * A plugin frees all attachments but those of the pods in the store.  An ADD begins behind the
 * commit of its pod's row and holds the gate shared; a collection holds it alone and reads the
 * store behind that.  So no collection misses a pod whose ADD has begun.
 */
#include "pod/netgc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "core/objects.h"
#include "net/cni.h"
#include "pod/network.h"

#define GC_TIMEOUT_MS 30000
#define GATE_MS 10000 /* to wait for ADDs under way */
#define KEY_PREFIX "sandbox/"

static int gate_open(const struct conf *conf, int *ret, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/network.gate", conf->runroot);

	*ret = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *ret < 0 ? err_errno(e, ERR_INTERNAL, errno, "open %s", path) : 0;
}

int netgc_enter(const struct conf *conf, int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = -1;
	int r = gate_open(conf, &fd, e);

	while (r == 0 && flock(fd, LOCK_SH) < 0)
		if (errno != EINTR)
			return err_errno(e, ERR_INTERNAL, errno, "lock the gate of networks");
	*ret_fd = take_fd(fd);
	return r;
}

/* --- attachments of the pods in the store --- */

struct alive {
	struct cni_attachment *list;
	size_t n;
	const char *but;
};

static void alive_done(struct alive *a)
{
	for (size_t i = 0; i < a->n; i++)
		free((char *)(uintptr_t)a->list[i].container_id);
	free(a->list);
}

static int add_alive(void *arg, const struct store_row *row)
{
	const char *id = row->key + strlen(KEY_PREFIX);
	struct alive *a = arg;

	if (a->but && strcmp(id, a->but) == 0)
		return 0;
	a->list = xrealloc(a->list, (a->n + 1) * sizeof(*a->list));
	a->list[a->n++] = (struct cni_attachment){ xstrdup(id), POD_IFNAME };
	return 0;
}

static int find_alive(struct alive *a, struct err *e)
{
	struct store_read read;
	int r;

	store_read_begin(world.store, &read);
	r = store_scan(&read, STORE_ENV_DURABLE, KEY_PREFIX, add_alive, a, e);
	store_read_end(&read);
	return r;
}

/* --- the collection --- */

int netgc_collect(const struct conf *conf, const char *conf_json, const char *but, struct err *e)
{
	_cleanup_(alive_done) struct alive alive = { .but = but };
	_cleanup_close_ int gate = -1;
	int r = cni_has_gc(conf_json) ? gate_open(conf, &gate, e) : 0;

	if (r < 0 || gate < 0)
		return r;
	if (!fs_lock_until(gate, GATE_MS))
		return err_set(e, ERR_UNAVAILABLE, "networks of other pods are being made");
	r = find_alive(&alive, e);
	if (r == 0)
		r = cni_gc(conf_json, alive.list, alive.n, (const char *const *)conf->plugin_dirs,
			   GC_TIMEOUT_MS, e);
	if (r == 0)
		log_info("unused networks are collected", "pods=%zu", alive.n);
	return r;
}

static void work_at_start(struct loop_job *job)
{
	const struct conf *conf = world.conf;
	struct cni_conf found = CNI_CONF_NULL;
	struct err e = ERR_NULL;
	/* Without a configuration there is nothing to ask. */
	int r = cni_conf_find(conf->network_dir, conf->cni_default_network,
			      (const char *const *)conf->plugin_dirs, &found, &e);

	(void)job;
	if (r == 0 && netgc_collect(conf, found.json, NULL, &e) < 0)
		log_err(LOG_LEVEL_WARN, "collect unused networks", &e);
	cni_conf_done(&found);
}

static void done_at_start(struct loop_job *job)
{
	free(job);
}

void netgc_start(void)
{
	struct loop_job *job = xcalloc(1, sizeof(*job));
	struct err e = ERR_NULL;

	job->work = work_at_start;
	job->done = done_at_start;
	if (loop_work(world.loop, LANE_NET_RETRY, job, &e) == 0)
		return;
	log_err(LOG_LEVEL_WARN, "collect unused networks", &e);
	free(job);
}
