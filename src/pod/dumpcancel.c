/*
 * dumpcancel.c - a list of the jobs that write checkpoints, each with an eventfd.
 */
#include "pod/dumpcancel.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/fs.h"

static struct list jobs = { &jobs, &jobs };

int dumpcancel_open(struct dump_cancel *c, const char *id, struct err *e)
{
	list_init(&c->node);
	c->id = id;
	c->fd = eventfd(0, EFD_CLOEXEC);
	if (c->fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "eventfd");
	list_append(&jobs, &c->node);
	return 0;
}

void dumpcancel_close(struct dump_cancel *c)
{
	list_remove(&c->node);
	close_fdp(&c->fd);
}

void dumpcancel_all(const char *id)
{
	list_for_each(node, &jobs) {
		const struct dump_cancel *c = list_entry(node, struct dump_cancel, node);

		if (!id || strcmp(c->id, id) == 0)
			eventfd_write(c->fd, 1);
	}
}
