/*
 * devspecs.c - hold the newest catalog of CDI devices, and log its errors once.
 */
#include "pod/devspecs.h"

#include <stddef.h>

#include "base/log.h"
#include "base/util.h"
#include "cdi/catalog.h"
#include "core/objects.h"

static struct cdi_catalog *known;

static void log_unusable(const struct err *e, void *arg)
{
	(void)arg;
	log_err(LOG_LEVEL_WARN, "CDI specification not usable", e);
}

struct cdi_catalog *devspecs_known(void)
{
	return known ? cdi_catalog_ref(known) : NULL;
}

void devspecs_update(struct cdi_catalog *now)
{
	if (!now || now == known)
		return;
	cdi_catalog_errors(now, known, log_unusable, NULL);
	cdi_catalog_unref(known);
	known = cdi_catalog_ref(now);
}

void devspecs_begin(void)
{
	struct cdi_catalog *now;

	if (!world.conf->enable_cdi)
		return;
	now = cdi_catalog_read(world.conf->cdi_spec_dirs, NULL);
	devspecs_update(now);
	cdi_catalog_unref(now);
}

void devspecs_end(void)
{
	cdi_catalog_unref(take_ptr(known));
}
