/*
 * view.h - which files of the node the fetcher sees, and what it loads before it is confined.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/admit.h"
#include "pull/confine.h"

/* The resolver's files, the system's certificates, those of the request's certs.d with what
 * links in there lead to, directories of lookaside signatures, the layout.  Each is optional.
 * resolv.conf is pinned: a file that replaces it during the pull is seen by the next one. */
void view_of_fetcher(const Crisp__Pull__Request *q, const struct admit *trust,
		     struct confine_view *ret);

/* The modules that nsswitch.conf names for hosts; one that is missing is the resolver's to
 * report. */
void view_load_resolver(void);
