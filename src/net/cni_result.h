/*
 * cni_result.h - what a plugin chain's ADD made (SPEC section 5, "Success").
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct cni_ip {
	char *address; /* "10.88.0.5", without the prefix length */
	int prefix;
	char *gateway; /* NULL: none */
	int interface; /* index in interfaces, -1: not said */
};

struct cni_interface {
	char *name, *mac; /* mac: NULL when not said */
	char *sandbox; /* NULL: on the host */
};

struct cni_result {
	struct cni_ip *ips; /* those of the pod's interface, the first one is the pod's IP */
	size_t n_ips;
	struct cni_interface *interfaces;
	size_t n_interfaces;
	char *mac; /* of the pod's interface, NULL: not said */
};

#define CNI_RESULT_NULL ((struct cni_result){ .ips = NULL })
void cni_result_done(struct cni_result *r);

/* What ADD printed, or what was stored of it: a JSON object without duplicate keys, addresses
 * that are addresses, indexes that exist.  ERR_INVALID names the field. */
int cni_result_parse(const char *json, struct cni_result *ret, struct err *e);
