/*
 * network.h - from a pod's config to a CNI request, and back.  Blocking: for workers.
 */
#pragma once

#include "conf/conf.h"
#include "core/payloads.h"
#include "gen/api.pb-c.h"
#include "gen/state.pb-c.h"

/* Attach the pod's network namespace.  again: an ADD may have been done before, so DEL first. */
int sandbox_net_up(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		   bool again, struct payload_network **ret, struct err *e);
/* Detach; may be repeated, also when the namespace is gone.  again: one may have been under way
 * when another daemon was killed. */
int sandbox_net_down(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		     bool again, struct err *e);
