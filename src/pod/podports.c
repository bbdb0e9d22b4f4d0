/*
 * podports.c - reads the store for pods with host ports, and keeps the kernel's rules equal to it.
 *
 * The lock file of the run directory serializes changes and has the hash of the kernel's rules
 * after the last one.  A change reads the store behind the lock: a pod's move is committed before
 * its effect asks for a change, so the last change has read all moves.
 */
#include "pod/podports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "core/listing.h"
#include "core/objects.h"
#include "gen/sm_sandbox.h"
#include "net/cni.h"
#include "net/hostports.h"
#include "net/listeners.h"
#include "net/localroute.h"
#include "net/udpflows.h"
#include "pod/network.h"
#include "pod/reach.h"
#include "pod/sandbox.h"

#define LOCK_MS 60000
#define KEY_PREFIX "sandbox/"

/* Values of the hash in the lock file that no rules have. */
#define HASH_NONE 0 /* there is no table */
#define HASH_UNKNOWN 1 /* a change has begun */

bool podports_wanted(const struct conf *conf, const Runtime__V1__PodSandboxConfig *c,
		     const char *cni_conf)
{
	_cleanup_free_ struct cni_port_mapping *ports = NULL;
	size_t n;

	ports = sandbox_ports(c, &n);
	return n && !conf->disable_hostport_mapping && !cni_maps_ports(cni_conf);
}

/* --- the pods --- */

struct pods {
	struct hostport_pod *list;
	size_t n;
	const char *id; /* of the pod whose ports are opened; NULL: none */
	struct err *e;
};

static void pods_done(struct pods *p)
{
	for (size_t i = 0; i < p->n; i++)
		hostport_pod_done(&p->list[i]);
	free(p->list);
}

/* Rank of a pod with ports: those that are open stay with their pod.  false: the pod has none. */
static bool rank_of(const struct listing_row *r, int64_t *ret)
{
	const Crisp__State__Sandbox *row = r->row;
	uint16_t state = (uint16_t)(r->state - sbx_machine.states);

	*ret = row->created_ns;
	if (sbx_is_wired(state))
		*ret -= INT64_MAX / 2;
	else if (!sbx_is_opening_ports(state))
		return false;
	return row->maps_ports && strcmp(row->boot_id, clock_boot_id()) == 0;
}

static int read_pod(struct pods *pods, const char *id, const Crisp__State__Sandbox *row,
		    int64_t rank)
{
	Runtime__V1__PodSandboxConfig *c = sandbox_config(row);
	_cleanup_free_ struct cni_port_mapping *ports = NULL;
	struct hostport_pod pod = HOSTPORT_POD_NULL;
	struct err e = ERR_NULL;
	size_t n;
	int r;

	ports = sandbox_ports(c, &n);
	r = hostport_pod_init(&pod, id, row->cni_result, ports, n, &e);
	pod.rank = rank;
	runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
	if (r == 0) {
		pods->list = xrealloc(pods->list, (pods->n + 1) * sizeof(*pods->list));
		pods->list[pods->n++] = pod;
		return 0;
	}
	hostport_pod_done(&pod);
	if (!pods->id || strcmp(id, pods->id) != 0)
		return 0; /* its own attempt fails */
	*pods->e = e;
	return r;
}

static int add_pod(void *arg, const struct store_row *stored)
{
	const char *id = stored->key + strlen(KEY_PREFIX);
	struct err ignored = ERR_NULL;
	struct pods *pods = arg;
	struct listing_row r;
	int64_t rank;
	int result = 0;

	if (stored->damaged || !id_is_valid(id) ||
	    listing_row_unpack(KIND_SANDBOX, id, stored->payload, stored->size, &r, &ignored) < 0)
		return 0; /* quarantined */
	if (rank_of(&r, &rank))
		result = read_pod(pods, id, r.row, rank);
	listing_row_done(&r);
	return result;
}

static int find_pods(struct pods *pods, struct err *e)
{
	struct store_read read;
	int r;

	pods->e = e;
	store_read_begin(world.store, &read);
	r = store_scan(&read, STORE_ENV_DURABLE, KEY_PREFIX, add_pod, pods, e);
	store_read_end(&read);
	return r == 0 ? hostports_settle(pods->list, pods->n, pods->id, e) : r;
}

/* --- the lock file --- */

static char *lock_path(const struct conf *conf)
{
	return xasprintf("%s/hostports.lock", conf->runroot);
}

/* flags: O_CREAT to open ports.  *ret_fd -1: no file, so no ports were ever opened in this boot.
 * first: kill an nft that an earlier crispd has left. */
static int lock_ports(const struct conf *conf, int flags, bool first, int *ret_fd, struct err *e)
{
	_cleanup_free_ char *path = lock_path(conf);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);

	*ret_fd = -1;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	if (first ? !reach_lock(fd, path, LOCK_MS) : !fs_lock_until(fd, LOCK_MS))
		return err_set(e, ERR_UNAVAILABLE, "host ports of other pods are being changed");
	*ret_fd = take_fd(fd);
	return 0;
}

static uint64_t read_hash(int lock)
{
	uint64_t hash;
	ssize_t n = pread(lock, &hash, sizeof(hash), 0);

	if (n == 0)
		return HASH_NONE;
	return n == sizeof(hash) ? hash : HASH_UNKNOWN;
}

static int write_hash(int lock, uint64_t hash, struct err *e)
{
	if (pwrite(lock, &hash, sizeof(hash), 0) == sizeof(hash))
		return 0;
	return err_errno(e, ERR_INTERNAL, errno, "note the rules of host ports");
}

/* --- the change --- */

/* Log a failure: all addresses but 127.0.0.0/8 work. */
static void route_local(const struct pods *pods)
{
	for (size_t i = 0; i < pods->n; i++) {
		struct err e = ERR_NULL;

		if (*pods->list[i].ip[0] && localroute_allow(pods->list[i].ip[0], &e) < 0)
			log_err(LOG_LEVEL_WARN, "127.0.0.1 does not reach a pod's host port", &e);
	}
}

/* Make the kernel's rules those of pods. */
static int replace(const struct conf *conf, int lock, const struct pods *pods, struct err *e)
{
	_cleanup_free_ char *table = hostports_table(conf->root);
	uint64_t before = read_hash(lock), after = HASH_NONE;
	struct err ignored = ERR_NULL;
	int r;

	if (!pods->n && before == HASH_NONE)
		return 0;
	r = write_hash(lock, HASH_UNKNOWN, e);
	if (r == 0)
		r = hostports_replace(table, pods->list, pods->n, lock, e);
	if (r > 0) {
		write_hash(lock, before, &ignored);
		return -(int)e->code;
	}
	if (r == 0 && pods->n)
		r = hostports_hash(table, &after, e);
	return r == 0 ? write_hash(lock, after, e) : r;
}

/* UDP clients keep the way that their packets had before. */
static void drop_flows(const struct hostport_pod *pods, size_t n)
{
	_cleanup_free_ uint16_t *ports = NULL;
	struct err e = ERR_NULL;
	size_t total = 0, found = 0;

	for (size_t i = 0; i < n; i++)
		total += pods[i].n_ports;
	ports = xcalloc(total + 1, sizeof(*ports));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < pods[i].n_ports; k++)
			if (pods[i].ports[k].protocol == IPPROTO_UDP)
				ports[found++] = pods[i].ports[k].host_port;
	if (udpflows_drop(ports, found, &e) < 0)
		log_err(LOG_LEVEL_WARN, "UDP clients of host ports may wait", &e);
}

static void drop_flows_of(const char *id, const Crisp__State__Sandbox *row)
{
	struct pods one = { .n = 0 };

	if (read_pod(&one, id, row, 0) == 0)
		drop_flows(one.list, one.n);
	pods_done(&one);
}

/* Is a port of the pod that opens them taken by a process of the node? */
static int check_node(const struct pods *pods, struct err *e)
{
	for (size_t i = 0; i < pods->n; i++)
		if (strcmp(pods->list[i].id, pods->id) == 0)
			return listeners_check(pods->list[i].ports, pods->list[i].n_ports, e);
	return 0;
}

int podports_open(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		  struct err *e)
{
	_cleanup_(pods_done) struct pods pods = { .id = id };
	_cleanup_close_ int lock = -1;
	int r = lock_ports(conf, O_CREAT, false, &lock, e);

	if (r == 0)
		r = find_pods(&pods, e);
	if (r == 0)
		r = check_node(&pods, e);
	if (r == 0)
		r = replace(conf, lock, &pods, e);
	if (r < 0)
		return err_wrap(e, "host ports of pod %.13s", id);
	route_local(&pods);
	drop_flows_of(id, row);
	return 0;
}

int podports_close(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		   struct err *e)
{
	_cleanup_(pods_done) struct pods pods = { .id = NULL };
	_cleanup_close_ int lock = -1;
	int r = row->maps_ports ? lock_ports(conf, 0, false, &lock, e) : 0;

	if (r == 0 && lock < 0)
		return 0;
	if (r == 0)
		r = find_pods(&pods, e);
	if (r == 0)
		r = replace(conf, lock, &pods, e);
	if (r < 0)
		return err_wrap(e, "host ports of pod %.13s", id);
	if (*row->cni_result)
		drop_flows_of(id, row);
	return 0;
}

/* --- rules that another program has changed --- */

static struct loop_timer timer;

struct mending {
	struct loop_job job;
	bool first;
};

/* first: write the rules in any case, for pods that are gone. */
static int mend(const struct conf *conf, bool first, struct err *e)
{
	_cleanup_(pods_done) struct pods pods = { .id = NULL };
	_cleanup_free_ char *table = hostports_table(conf->root);
	_cleanup_close_ int lock = -1;
	uint64_t expected, found = HASH_NONE;
	int r = lock_ports(conf, 0, first, &lock, e);

	if (r < 0 || lock < 0)
		return r;
	expected = read_hash(lock);
	if (expected != HASH_NONE)
		r = hostports_hash(table, &found, e);
	if (r < 0 || (found == expected && !first))
		return r;
	r = find_pods(&pods, e);
	if (r == 0)
		r = replace(conf, lock, &pods, e);
	if (r < 0 || found == expected)
		return r;
	log_warn("the rules of host ports were changed: written anew", "table=%s pods=%zu", table,
		 pods.n);
	route_local(&pods);
	drop_flows(pods.list, pods.n);
	return 0;
}

static void work_mend(struct loop_job *job)
{
	struct mending *m = container_of(job, struct mending, job);
	struct err e = ERR_NULL;

	if (mend(world.conf, m->first, &e) < 0)
		log_err(LOG_LEVEL_WARN, "check the rules of host ports", &e);
}

static void begin(bool first);

static void on_time(struct loop_timer *t)
{
	(void)t;
	begin(false);
}

static void done_mend(struct loop_job *job)
{
	free(container_of(job, struct mending, job));
	loop_timer_set(world.loop, &timer, clock_monotonic_ns() + PODPORTS_CHECK_NS, on_time);
}

static void begin(bool first)
{
	struct mending *m = xcalloc(1, sizeof(*m));
	struct err e = ERR_NULL;

	m->first = first;
	m->job.work = work_mend;
	m->job.done = done_mend;
	if (loop_work(world.loop, LANE_NET_RETRY, &m->job, &e) == 0)
		return;
	log_err(LOG_LEVEL_WARN, "check the rules of host ports", &e);
	done_mend(&m->job);
}

void podports_start(void)
{
	begin(true);
}
