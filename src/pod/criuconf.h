/*
 * criuconf.h - the file with CRIU's options for one dump or restore.  Workers only.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "gen/state.pb-c.h"

/* Declare the container's stdio as external: its FIFOs are files of the host, which CRIU refuses
 * otherwise.  Their keys go to dir, for the restore.  Then come the administrator's options,
 * /etc/criu/RUNTIME.conf.  The processes must stand still. */
int criuconf_write(const char *id, const Crisp__State__Container *row, const char *dir,
		   struct err *e);

/* Connect the FIFOs of the dump with the stdio of CRIU.  keys: the content of DUMPFILES_STDIO;
 * NULL: none.  ERR_INVALID, ERR_PRECONDITION: keys that CRIU does not take. */
int criuconf_write_restore(const char *id, const Crisp__State__Container *row, const json_t *keys,
			   struct err *e);
