/*
 * devspecs.c - hold the newest catalog of CDI devices, and log its errors once.
 *
 * A change of a directory has the catalog read again on a worker, a moment later, so that mistakes
 * are in the log before a container asks.  CreateContainer does not wait for that: it reads itself.
 */
#include "pod/devspecs.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "cdi/catalog.h"
#include "core/objects.h"
#include "net/dirwatch.h"

/* A driver writes several files, each more than once. */
#define PAUSE_NS NSEC_PER_SEC

static struct {
	struct cdi_catalog *known; /* NULL: CDI is switched off */
	struct loop_io io; /* readable after a change; not watched while a change is awaited */
	struct loop_timer timer;
	struct loop_job job;
	/* Of the job. */
	struct cdi_catalog *old, *now;
	int fd;
} specs = { .io.fd = -1, .fd = -1 };

static void log_unusable(const struct err *e, void *arg)
{
	(void)arg;
	log_err(LOG_LEVEL_WARN, "CDI specification not usable", e);
}

struct cdi_catalog *devspecs_known(void)
{
	return specs.known ? cdi_catalog_ref(specs.known) : NULL;
}

void devspecs_update(struct cdi_catalog *now)
{
	if (!now || now == specs.known)
		return;
	cdi_catalog_errors(now, specs.known, log_unusable, NULL);
	cdi_catalog_unref(specs.known);
	specs.known = cdi_catalog_ref(now);
}

/* --- changes -------------------------------------------------------------------------------- */

/* The watch begins before the reading, so that no change is between them. */
static struct cdi_catalog *watch_and_read(struct cdi_catalog *old, int *ret_fd)
{
	char *const *dirs = world.conf->cdi_spec_dirs;

	*ret_fd = dirs && *dirs ? dirwatch_open(*dirs, (const char *const *)dirs + 1) : -1;
	return cdi_catalog_read(dirs, old);
}

static void end_watch(void)
{
	loop_io_del(&specs.io);
	close_fdp(&specs.io.fd);
}

static void on_change(struct loop_io *io, uint32_t events);

/* Takes fd; -1: nothing can be watched, and CreateContainer alone finds changes. */
static void begin_watch(int fd)
{
	struct err e = ERR_NULL;

	specs.io.fd = fd;
	if (fd >= 0 && loop_io_add(world.loop, &specs.io, fd, EPOLLIN, on_change, &e) < 0) {
		log_err(LOG_LEVEL_WARN, "CDI specifications are not watched", &e);
		close_fdp(&specs.io.fd);
	}
}

static void work_read(struct loop_job *job)
{
	(void)job;
	specs.now = watch_and_read(specs.old, &specs.fd);
}

static void done_read(struct loop_job *job)
{
	(void)job;
	devspecs_update(specs.now);
	cdi_catalog_unref(take_ptr(specs.now));
	cdi_catalog_unref(take_ptr(specs.old));
	begin_watch(take_fd(specs.fd));
}

static void on_pause_over(struct loop_timer *t)
{
	struct err e = ERR_NULL;

	specs.old = devspecs_known();
	specs.job = (struct loop_job){ .work = work_read, .done = done_read };
	if (loop_work(world.loop, LANE_SLOW, &specs.job, &e) == 0)
		return;
	cdi_catalog_unref(take_ptr(specs.old));
	loop_timer_set(world.loop, t, clock_monotonic_ns() + PAUSE_NS, on_pause_over);
}

static void on_change(struct loop_io *io, uint32_t events)
{
	(void)io;
	(void)events;
	end_watch();
	loop_timer_set(world.loop, &specs.timer, clock_monotonic_ns() + PAUSE_NS, on_pause_over);
}

/* --- begin and end -------------------------------------------------------------------------- */

void devspecs_begin(void)
{
	struct cdi_catalog *now;
	int fd;

	if (!world.conf->enable_cdi)
		return;
	now = watch_and_read(NULL, &fd);
	devspecs_update(now);
	cdi_catalog_unref(now);
	begin_watch(fd);
}

void devspecs_end(void)
{
	loop_timer_stop(world.loop, &specs.timer);
	end_watch();
	close_fdp(&specs.fd);
	/* Of a job that was dropped. */
	cdi_catalog_unref(take_ptr(specs.now));
	cdi_catalog_unref(take_ptr(specs.old));
	cdi_catalog_unref(take_ptr(specs.known));
}
