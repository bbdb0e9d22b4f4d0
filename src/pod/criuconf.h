/*
 * criuconf.h - the file with CRIU's options for one dump.  Workers only.
 */
#pragma once

#include "base/err.h"
#include "gen/state.pb-c.h"

/* Declare the container's stdio as external: its FIFOs are files of the host, which CRIU refuses
 * otherwise.  Then come the administrator's options, /etc/criu/RUNTIME.conf.  The processes must
 * stand still. */
int criuconf_write(const char *id, const Crisp__State__Container *row, struct err *e);
