/*
 * network.h - CNI ADD and DEL for a pod, from its config.  Blocking, so workers only.
 */
#pragma once

#include "conf/conf.h"
#include "core/payloads.h"
#include "gen/api.pb-c.h"
#include "gen/state.pb-c.h"
#include "net/cni.h"

#define POD_IFNAME "eth0" /* of each pod's attachment */

/* CNI ADD for the pod's netns.  again: an earlier ADD may have been done, so DEL first. */
int sandbox_net_up(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		   bool again, struct payload_network **ret, struct err *e);
/* ns that the last successful sandbox_net_up took: its CNI ADD, and all of it.  0: none was
 * made.  Any thread. */
struct network_times {
	int64_t add_ns, all_ns;
};
struct network_times sandbox_net_times(void);
/* Read the pod's limits of bandwidth from its annotations.  ERR_INVALID names one that is no
 * quantity. */
int sandbox_net_check(const Runtime__V1__PodSandboxConfig *c, struct cni_bandwidth *ret,
		      struct err *e);
/* The pod's mappings with a host port, malloc'ed; their texts are those of c. */
struct cni_port_mapping *sandbox_ports(const Runtime__V1__PodSandboxConfig *c, size_t *ret_n);
/* CNI DEL.  Idempotent, also without the netns.  again: wait for plugins of a killed daemon, up to
 * their timeout, then kill them. */
int sandbox_net_down(const struct conf *conf, const char *id, const Crisp__State__Sandbox *row,
		     bool again, struct err *e);
