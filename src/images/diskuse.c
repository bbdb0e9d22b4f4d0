/*
 * diskuse.c - queues of targets, their walks, and the scheduling of walk steps.
 *
 * A target starts as a quick walk. After QUICK_ENTRIES names it becomes a large walk; LARGE_WALKS
 * of these are open at a time. Further large targets wait, and start again from the root. Steps of
 * quick and of large walks alternate, one at a time; after each a pause, a multiple of its CPU
 * time. If an unfinished walk exceeds the last known value, that lower bound is published.
 */
#include "images/diskuse.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/treewalk.h"
#include "core/objects.h"
#include "core/paths.h"
#include "image/layers.h"
#include "images/image.h"

#define STEP_NS (50 * NSEC_PER_MSEC)
#define STEP_ENTRIES 4096
#define PAUSE_NS NSEC_PER_MSEC
#define PAUSE_FACTOR 4 /* times a step's CPU time: at most 1/5 of one CPU */
#define RETRY_NS NSEC_PER_SEC
#define NICE_LARGE 5
#define QUICK_ENTRIES 16384
#define LARGE_WALKS 4
#define WALK_ENTRIES (UINT64_C(1) << 26) /* bound for trees that grow during the walk */
/* Minimum between two walks of a target; the share limits its walks to 1/20 of one CPU. */
#define TARGET_PAUSE_NS NSEC_PER_SEC
#define TARGET_SHARE 20

struct disk_walk {
	struct disk_usage *of; /* NULL: the target is gone */
	bool images;
	struct layer_set *known; /* for the image store: layers counted by rows */
	char **paths; /* trees left to walk */
	size_t n_paths;
	struct treewalk *tree;
	uint64_t bytes, inodes, entries; /* of the finished trees */
	bool partial;
	int64_t busy_ns; /* CPU time */
	int result; /* of the last step */
	struct err err;
	int64_t cpu_ns, wall_ns;
};

static struct {
	struct list small, large; /* waiting targets */
	struct disk_walk *quick, *slow[LARGE_WALKS];
	size_t n_slow, turn;
	bool slow_last;
	struct disk_walk *running;
	struct loop_job job;
	struct loop_timer timer;
	bool ready; /* the lists are initialised */
	bool one_disk;
	struct disk_usage images;
	uint64_t row_bytes, row_inodes;
	bool rows_summed;
} d;

/* --- one walk --- */

static void walk_free(struct disk_walk *w)
{
	if (!w)
		return;
	if (w->of)
		w->of->active = false;
	for (size_t i = 0; i < w->n_paths; i++)
		free(w->paths[i]);
	free(w->paths);
	layer_set_free(w->known);
	treewalk_free(w->tree);
	free(w);
}

static struct disk_walk *walk_new(struct disk_usage *u)
{
	struct disk_walk *w = xcalloc(1, sizeof(*w));
	uint64_t bytes, inodes;

	w->of = u;
	u->active = true;
	u->again = false;
	if (u == &d.images) {
		w->images = true;
		w->known = image_layers_counted(&bytes, &inodes);
	} else {
		w->paths = xcalloc(1, sizeof(*w->paths));
		w->paths[w->n_paths++] = path_container_upper(world.conf, u->of->sm->id);
	}
	return w;
}

static struct treewalk_sum walk_sum(const struct disk_walk *w)
{
	struct treewalk_sum sum = { .partial = false };

	if (w->tree)
		sum = treewalk_sum(w->tree);
	sum.bytes += w->bytes;
	sum.inodes += w->inodes;
	sum.entries += w->entries;
	sum.partial |= w->partial;
	return sum;
}

/* On a worker: list the trees of the image store that no row counts. */
static int list_images(struct disk_walk *w, struct err *e)
{
	_cleanup_free_ char *root = path_images(world.conf);

	w->images = false;
	return image_uncounted(root, w->known, &w->paths, &w->n_paths, &w->bytes, &w->inodes, e);
}

/* On a worker. Returns as treewalk_step. */
static int walk_on(struct disk_walk *w, int64_t until, struct err *e)
{
	int r = w->images ? list_images(w, e) : 0;

	if (r < 0)
		return r;
	if (!w->tree && !w->n_paths)
		return 0;
	if (!w->tree) {
		_cleanup_free_ char *path = w->paths[--w->n_paths];

		w->tree = treewalk_new(path, world.conf->root);
	}
	r = treewalk_step(w->tree, STEP_ENTRIES, until, e);
	if (r == 0) {
		struct treewalk_sum sum = walk_sum(w);

		treewalk_free(take_ptr(w->tree));
		w->bytes = sum.bytes;
		w->inodes = sum.inodes;
		w->entries = sum.entries;
		w->partial = sum.partial;
		r = w->n_paths > 0;
	}
	return r;
}

static void step_work(struct loop_job *j)
{
	struct disk_walk *w = d.running;
	int64_t begin = clock_monotonic_ns(), cpu = clock_thread_ns();
	id_t thread = (id_t)gettid();
	int low = getpriority(PRIO_PROCESS, thread);

	(void)j;
	/* At the lane's priority a walk would starve while containers use every CPU. */
	(void)setpriority(PRIO_PROCESS, thread, d.running == d.quick ? 0 : NICE_LARGE);
	do
		w->result = walk_on(w, begin + STEP_NS, &w->err);
	while (w->result > 0 && !w->tree && clock_monotonic_ns() < begin + STEP_NS);
	w->wall_ns = clock_monotonic_ns() - begin;
	w->cpu_ns = clock_thread_ns() - cpu;
	(void)setpriority(PRIO_PROCESS, thread, low);
}

/* --- scheduling --- */

static void go_on(struct loop_timer *t);

static void rest_for(int64_t ns)
{
	loop_timer_set(world.loop, &d.timer, clock_monotonic_ns() + ns, go_on);
}

static void wake(void)
{
	if (!d.running && !d.timer.slot)
		rest_for(0);
}

static void enqueue(struct disk_usage *u)
{
	list_append(u->large ? &d.large : &d.small, &u->node);
	wake();
}

static struct disk_usage *dequeue(struct list *l)
{
	struct disk_usage *u = list_entry(l->next, struct disk_usage, node);

	list_remove(&u->node);
	return u;
}

static void slow_remove(const struct disk_walk *w)
{
	for (size_t i = 0; i < d.n_slow; i++)
		if (d.slow[i] == w)
			d.slow[i] = d.slow[--d.n_slow];
}

static void walk_end(struct disk_walk *w)
{
	if (d.quick == w)
		d.quick = NULL;
	slow_remove(w);
	walk_free(w);
}

/* Choose the walk of the next step; NULL: all are done. */
static struct disk_walk *pick(void)
{
	bool quick = d.quick || !list_empty(&d.small);
	bool slow = d.n_slow || !list_empty(&d.large);

	if (!quick && !slow)
		return NULL;
	d.slow_last = slow && (!quick || !d.slow_last);
	if (!d.slow_last) {
		if (!d.quick)
			d.quick = walk_new(dequeue(&d.small));
		return d.quick;
	}
	if (d.n_slow < LARGE_WALKS && !list_empty(&d.large))
		d.slow[d.n_slow++] = walk_new(dequeue(&d.large));
	d.turn = (d.turn + 1) % d.n_slow;
	return d.slow[d.turn];
}

static void publish(struct disk_walk *w, bool whole)
{
	struct treewalk_sum sum = walk_sum(w);
	struct disk_usage *u = w->of;

	if (!whole) {
		if (sum.bytes <= u->bytes && sum.inodes <= u->inodes)
			return;
		sum.bytes = MAX(sum.bytes, u->bytes);
		sum.inodes = MAX(sum.inodes, u->inodes);
	}
	u->bytes = sum.bytes;
	u->inodes = sum.inodes;
	u->at = clock_realtime_ns();
}

static void finish(struct disk_walk *w)
{
	struct treewalk_sum sum = walk_sum(w);
	struct disk_usage *u = w->of;
	bool again = u->again;

	if (w->result < 0)
		log_err(LOG_LEVEL_WARN, "disk usage is not complete", &w->err);
	publish(w, w->result == 0 && !sum.partial);
	if (!u->at)
		u->at = clock_realtime_ns();
	u->large = sum.entries > QUICK_ENTRIES;
	u->next = clock_monotonic_ns() + MAX(TARGET_PAUSE_NS, TARGET_SHARE * w->busy_ns);
	walk_end(w);
	if (again && !u->large)
		enqueue(u);
}

/* Turn a quick walk into a large one. */
static void demote(struct disk_walk *w)
{
	struct disk_usage *u = w->of;

	u->large = true;
	if (d.n_slow < LARGE_WALKS) {
		d.slow[d.n_slow++] = w;
		d.quick = NULL;
	} else {
		walk_end(w);
		enqueue(u);
	}
}

static void step_done(struct loop_job *j)
{
	struct disk_walk *w = take_ptr(d.running);
	int64_t pause = MAX(MIN(w->wall_ns, STEP_NS), PAUSE_FACTOR * w->cpu_ns);

	(void)j;
	w->busy_ns += w->cpu_ns;
	if (!w->of) {
		walk_end(w);
	} else if (w->result <= 0 || walk_sum(w).entries >= WALK_ENTRIES) {
		w->partial |= w->result > 0;
		finish(w);
	} else {
		publish(w, false);
		if (w == d.quick && walk_sum(w).entries > QUICK_ENTRIES)
			demote(w);
	}
	rest_for(MAX(PAUSE_NS, pause));
}

static void go_on(struct loop_timer *t)
{
	struct err e = ERR_NULL;

	(void)t;
	d.running = pick();
	if (!d.running)
		return;
	d.job.work = step_work;
	d.job.done = step_done;
	if (loop_work(world.loop, LANE_SLOW, &d.job, &e) < 0) {
		d.running = NULL;
		rest_for(RETRY_NS);
	}
}

/* --- targets --- */

void diskuse_born(struct object *container)
{
	struct disk_usage *u = xcalloc(1, sizeof(*u));

	u->of = container;
	list_init(&u->node);
	container->disk = u;
}

static void forget(struct disk_walk *w, const struct disk_usage *u)
{
	if (!w || w->of != u)
		return;
	w->of = NULL;
	if (w != d.running)
		walk_end(w);
}

void diskuse_gone(struct object *container)
{
	struct disk_usage *u = take_ptr(container->disk);

	list_remove(&u->node);
	if (u->active) {
		forget(d.quick, u);
		for (size_t i = d.n_slow; i-- > 0;)
			forget(d.slow[i], u);
	}
	free(u);
}

static void want(struct disk_usage *u, bool now)
{
	if (!d.ready || !list_empty(&u->node))
		return;
	if (u->active)
		u->again |= now;
	else if ((now && !u->large) || clock_monotonic_ns() >= u->next)
		enqueue(u);
}

void diskuse_want(struct object *container, bool now)
{
	want(container->disk, now);
}

void diskuse_images_changed(void)
{
	d.rows_summed = false;
	want(&d.images, true);
}

struct disk_usage diskuse_images(void)
{
	struct disk_usage sum = { .at = clock_realtime_ns() };

	if (!d.rows_summed) {
		layer_set_free(image_layers_counted(&d.row_bytes, &d.row_inodes));
		d.rows_summed = true;
	}
	want(&d.images, false);
	sum.bytes = d.row_bytes + d.images.bytes;
	sum.inodes = d.row_inodes + d.images.inodes;
	return sum;
}

struct disk_usage diskuse_containers(void)
{
	struct disk_usage sum = { .at = clock_realtime_ns() };
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_CONTAINER], &pos))) {
		diskuse_want(o, false);
		if (!o->disk->at)
			continue;
		sum.at = MIN(sum.at, o->disk->at);
		sum.bytes += o->disk->bytes;
		sum.inodes += o->disk->inodes;
	}
	return sum;
}

static bool on_one_disk(void)
{
	_cleanup_free_ char *images = path_images(world.conf);
	_cleanup_free_ char *containers = xasprintf("%s/containers", world.conf->root);
	struct stat a, b;

	if (stat(images, &a) < 0)
		return true;
	/* A directory that crispd has yet to make is on the file system of the root. */
	if (stat(containers, &b) < 0 && stat(world.conf->root, &b) < 0)
		return true;
	return a.st_dev == b.st_dev;
}

bool diskuse_is_one_disk(void)
{
	return d.one_disk;
}

void diskuse_start(void)
{
	struct object *o;
	size_t pos = 0;

	d.one_disk = on_one_disk();

	list_init(&d.small);
	list_init(&d.large);
	list_init(&d.images.node);
	d.ready = true;
	diskuse_images_changed();
	while ((o = map_next(world.objects[KIND_CONTAINER], &pos)))
		diskuse_want(o, true);
}

void diskuse_stop(void)
{
	if (!d.ready)
		return;
	d.ready = false;
	loop_timer_stop(world.loop, &d.timer);
	walk_free(take_ptr(d.quick));
	while (d.n_slow)
		walk_free(d.slow[--d.n_slow]);
}
