/*
 * podports.h - host ports of pods in networks whose plugins do not open them.
 *
 * The rules follow from the rows in the store: those of pods that have addresses of this boot and
 * are up, or are about to be.  Each change writes the rules of all pods anew.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "conf/conf.h"
#include "gen/api.pb-c.h"
#include "gen/state.pb-c.h"

/* Does crispd open host ports of this pod in the network of this CNI configuration? */
bool podports_wanted(const struct conf *conf, const Runtime__V1__PodSandboxConfig *c,
		     const char *cni_conf);

/* Open the ports of pod id, whose row has the state for that.  ERR_UNAVAILABLE: another pod or a
 * process of the node has one of them.  ERR_PRECONDITION: node without nftables.  Workers only. */
int podports_open(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		  struct err *e);
/* Close them: the row's state is one of a pod without ports.  Idempotent.  Workers only. */
int podports_close(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		   struct err *e);

/* Write the rules anew, then look every PODPORTS_CHECK_NS whether another program has changed them.
 * Call after the rows are loaded. */
#define PODPORTS_CHECK_NS (30 * NSEC_PER_SEC)
void podports_start(void);
