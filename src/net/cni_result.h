/*
 * cni_result.h - the result of a plugin chain's ADD (SPEC section 5, "Success").
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct cni_ip {
	char *address; /* "10.88.0.5", without the prefix length */
	int prefix;
	char *gateway; /* NULL: none */
	int interface; /* index in interfaces, -1: not given */
};

struct cni_interface {
	char *name, *mac; /* mac: NULL: not given */
	char *sandbox; /* NULL: on the host */
};

struct cni_result {
	struct cni_ip *ips; /* addresses of the pod's interface; the first is the pod's IP */
	size_t n_ips;
	struct cni_interface *interfaces;
	size_t n_interfaces;
	char *mac; /* of the pod's interface, NULL: not given */
};

#define CNI_RESULT_NULL ((struct cni_result){ .ips = NULL })
void cni_result_done(struct cni_result *r);

/* Parse the output of ADD, or the stored copy of it: a JSON object without duplicate keys, with
 * valid addresses and existing indexes.  ERR_INVALID names the field. */
int cni_result_parse(const char *json, struct cni_result *ret, struct err *e);
