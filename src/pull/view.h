/*
 * view.h - the fetcher's view of the node's files, and the libraries it loads before confinement.
 */
#pragma once

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "pull/admit.h"
#include "pull/confine.h"

/* Resolver files, system certificates, the request's certs.d with symlink targets, lookaside
 * directories, the layout. Each is optional. resolv.conf is pinned: a replacement applies from the
 * next pull. */
void view_of_fetcher(const Crisp__Pull__Request *q, const struct admit *trust,
		     struct confine_view *ret);

/* Load the modules that nsswitch.conf lists for hosts. The resolver reports missing ones. */
void view_load_resolver(void);
