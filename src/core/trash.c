/*
 * trash.c - empties the trash: one job at a time removes one entry.  An entry that fails waits for
 * its next try while the job takes the others.
 */
#include "core/trash.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/rmtree.h"
#include "core/objects.h"
#include "core/paths.h"
#include "os/mount.h"

#define STUCK_MAX 256 /* failed entries on record; at the limit, wait for the next retry */
#define COUNT_NS (5 * NSEC_PER_SEC)
#define RETRY_MAX_NS (600 * NSEC_PER_SEC)

static struct {
	struct trash_stuck stuck[STUCK_MAX];
	size_t n_stuck;
	_Atomic uint64_t entries; /* counted by the job */
	int64_t counted_at; /* CLOCK_MONOTONIC; 0: never */
	struct loop_timer timer;
	struct loop_job job;
	bool working, kicked;
	/* Of the job.  skip: entries to leave out, copied for the worker. */
	char *dirs[2];
	char **skip;
	size_t n_skip;
	bool count;
	char *_Atomic entry; /* path under removal; NULL: none */
	int64_t begun_ns;
	struct rmtree_watch watch;
	int result; /* of rmtree */
	struct err err;
} t;

/* --- on the worker --- */

static bool is_skipped(const char *path)
{
	for (size_t i = 0; i < t.n_skip; i++)
		if (strcmp(t.skip[i], path) == 0)
			return true;
	return false;
}

/* Keep the first entry that is not skipped.  1: found, and no count is wanted; ends fs_each. */
static int look_at(const char *path, const char *name, void *arg, struct err *e)
{
	char **found = arg;

	(void)name;
	(void)e;
	t.entries += t.count;
	if (!*found && !is_skipped(path))
		*found = xstrdup(path);
	return *found && !t.count;
}

static char *find_entry(struct err *e)
{
	char *found = NULL;
	int r = 0;

	if (t.count)
		t.entries = 0;
	for (size_t i = 0; i < ARRAY_LEN(t.dirs) && r == 0; i++)
		r = fs_each(t.dirs[i], look_at, &found, e);
	if (r < 0)
		log_err(LOG_LEVEL_WARN, "list the trash", e);
	return found;
}

static bool is_stopping(void *arg)
{
	(void)arg;
	return loop_is_stopping(world.loop);
}

static void trash_work(struct loop_job *job)
{
	struct err ignored = ERR_NULL;
	char *entry = find_entry(&ignored);

	(void)job;
	t.begun_ns = clock_realtime_ns();
	t.entry = entry;
	if (!entry)
		return;
	t.result = rmtree(entry, &t.watch, &t.err);
	/* A mount inside the trash belongs to no container any more: unmount it. */
	if (t.result == -(int)ERR_PRECONDITION && mount_remove_below(entry, &ignored) == 0) {
		t.err = ERR_NULL;
		t.result = rmtree(entry, &t.watch, &t.err);
	}
}

/* --- on the loop --- */

static struct trash_stuck *stuck_find(const char *path)
{
	for (size_t i = 0; i < t.n_stuck; i++)
		if (strcmp(t.stuck[i].path, path) == 0)
			return &t.stuck[i];
	return NULL;
}

static void stuck_del(struct trash_stuck *s)
{
	free(s->path);
	free(s->why);
	*s = t.stuck[--t.n_stuck];
}

static void note_stuck(const char *path, const struct err *e)
{
	struct trash_stuck *s = stuck_find(path);
	int64_t now = clock_realtime_ns(), pause = NSEC_PER_SEC;

	log_err(LOG_LEVEL_WARN, "remove trash, tried again", e);
	if (!s && t.n_stuck == STUCK_MAX)
		return;
	if (!s) {
		s = &t.stuck[t.n_stuck++];
		*s = (struct trash_stuck){ .path = xstrdup(path), .since_ns = now };
	}
	free(s->why);
	s->why = xstrdup(e->text);
	for (uint32_t i = 0; i < s->tries && pause < RETRY_MAX_NS; i++)
		pause *= 2;
	s->tries++;
	s->retry_ns = now + MIN(pause, RETRY_MAX_NS);
}

static void take_next(void);

static void retry(struct loop_timer *timer)
{
	(void)timer;
	take_next();
}

static void wait_for_retry(void)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < t.n_stuck; i++)
		first = MIN(first, t.stuck[i].retry_ns);
	if (t.n_stuck)
		loop_timer_set(world.loop, &t.timer,
			       clock_monotonic_ns() + MAX(first - clock_realtime_ns(), INT64_C(0)),
			       retry);
}

static void end_job(void)
{
	for (size_t i = 0; i < t.n_skip; i++)
		free(t.skip[i]);
	free(take_ptr(t.skip));
	t.n_skip = 0;
	for (size_t i = 0; i < ARRAY_LEN(t.dirs); i++)
		free(take_ptr(t.dirs[i]));
	t.working = false;
}

static void trash_done(struct loop_job *job)
{
	char *entry = t.entry;
	bool more = entry || t.kicked;
	struct trash_stuck *s = entry ? stuck_find(entry) : NULL;

	(void)job;
	t.entry = NULL;
	end_job();
	if (entry && t.result == 0) {
		t.entries -= t.entries ? 1 : 0;
		if (s)
			stuck_del(s);
	} else if (entry && t.result < 0) {
		note_stuck(entry, &t.err);
		t.err = ERR_NULL;
	}
	free(entry);
	if (loop_is_stopping(world.loop))
		return;
	if (more && t.n_stuck < STUCK_MAX)
		take_next();
	else
		wait_for_retry();
}

static void copy_skip(void)
{
	int64_t now = clock_realtime_ns();

	t.skip = xcalloc(t.n_stuck + 1, sizeof(char *));
	for (size_t i = 0; i < t.n_stuck; i++)
		if (t.stuck[i].retry_ns > now)
			t.skip[t.n_skip++] = xstrdup(t.stuck[i].path);
}

static void take_next(void)
{
	int64_t now = clock_monotonic_ns();
	struct err e = ERR_NULL;

	t.kicked = t.working;
	if (t.working || loop_is_stopping(world.loop))
		return;
	copy_skip();
	t.dirs[0] = path_container_trash(world.conf);
	t.dirs[1] = path_image_trash(world.conf);
	t.count = !t.counted_at || now - t.counted_at >= COUNT_NS;
	if (t.count)
		t.counted_at = now;
	t.watch.stop = is_stopping;
	t.job.work = trash_work;
	t.job.done = trash_done;
	t.working = true;
	if (loop_work(world.loop, LANE_TRASH, &t.job, &e) == 0)
		return;
	end_job();
	loop_timer_set(world.loop, &t.timer, now + NSEC_PER_SEC, retry);
}

void trash_kick(void)
{
	if (!t.working)
		t.counted_at = 0;
	take_next();
}

struct trash_status trash_status(void)
{
	return (struct trash_status){
		.entries = t.entries,
		.removed = __atomic_load_n(&t.watch.removed, __ATOMIC_RELAXED),
		.entry = t.entry,
		.begun_ns = t.begun_ns,
		.stuck = t.stuck,
		.n_stuck = t.n_stuck,
	};
}

/* --- new entries --- */

struct closing {
	struct loop_job job;
	int fd;
};

static void closing_work(struct loop_job *job)
{
	close_fdp(&container_of(job, struct closing, job)->fd);
}

static void closing_done(struct loop_job *job)
{
	free(container_of(job, struct closing, job));
}

void trash_close(int fd)
{
	struct closing *c = xcalloc(1, sizeof(*c));
	struct err ignored = ERR_NULL;

	*c = (struct closing){ .job = { .work = closing_work, .done = closing_done }, .fd = fd };
	/* --repair has no loop. */
	if (world.loop && loop_work(world.loop, LANE_TRASH, &c->job, &ignored) == 0)
		return;
	close_fdp(&c->fd);
	free(c);
}

int trash_put_container(const char *id, struct err *e)
{
	_cleanup_free_ char *dir = path_container_dir(world.conf, id);
	_cleanup_free_ char *trash = path_container_trash(world.conf);

	return rmtree_defer(dir, trash, e);
}

static bool is_quarantined(const char *id)
{
	list_for_each(node, &world.quarantine)
		if (strcmp(list_entry(node, struct quarantined, node)->id, id) == 0)
			return true;
	return false;
}

/* Skip a container with a bundle: it may have a process. */
static int sweep_container(const char *path, const char *id, void *arg, struct err *e)
{
	_cleanup_free_ char *run = id_is_valid(id) ? path_container_run(world.conf, id) : NULL;

	(void)path;
	(void)arg;
	if (!run || world_find(KIND_CONTAINER, id) || is_quarantined(id) || fs_exists(run))
		return 0;
	log_info("move a container directory without a row to the trash", "ctr=%.13s", id);
	return MIN(trash_put_container(id, e), 0);
}

void trash_start(void)
{
	_cleanup_free_ char *containers = xasprintf("%s/containers", world.conf->root);
	_cleanup_free_ char *trash = path_container_trash(world.conf);
	struct err e = ERR_NULL;

	/* Create the trash while there is room: a removal on a full disk needs it. */
	if (fs_mkdir_all(trash, 0700, &e) < 0 || fs_each(containers, sweep_container, NULL, &e) < 0)
		log_err(LOG_LEVEL_WARN, "look for container directories without a row", &e);
	trash_kick();
}

void trash_stop(void)
{
	loop_timer_stop(world.loop, &t.timer);
	while (t.n_stuck)
		stuck_del(&t.stuck[0]);
	free(t.entry);
	t.entry = NULL;
	end_job();
}
