/*
 * hostports.h - host ports of pods whose CNI plugins do not open them: one nftables table with the
 * rules of all pods, replaced as a whole in one transaction.
 *
 * Functions that call nft block and belong on a worker; the caller serializes them.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/cni.h"

/* One rule: packets to a local address and port go to the pod's address of the same family. */
struct hostport {
	uint8_t protocol; /* IPPROTO_TCP, ... */
	bool v6;
	uint16_t host_port, pod_port;
	char host_ip[INET6_ADDRSTRLEN]; /* "": each local address of the family */
};

struct hostport_pod {
	char *id;
	int64_t rank; /* a pod of a lower rank keeps a port that another one has, too */
	char ip[2][INET6_ADDRSTRLEN]; /* IPv4, IPv6; "": none */
	unsigned prefix[2]; /* length of the network's prefix */
	struct hostport *ports;
	size_t n_ports;
};

/* "tcp", "udp", "sctp" */
const char *hostport_protocol(uint8_t protocol);

#define HOSTPORT_POD_NULL ((struct hostport_pod){ .id = NULL })
void hostport_pod_done(struct hostport_pod *p);

/* Fill p from the pod's result of CNI ADD and its mappings.  An unspecified host_ip gives a rule
 * for each family that it covers and the pod has.  ERR_INVALID: the pod has no address of the
 * family of a mapping's host_ip. */
int hostport_pod_init(struct hostport_pod *p, const char *id, const char *cni_result,
		      const struct cni_port_mapping *mappings, size_t n, struct err *e);

/* Sort pods[] by rank and drop the ports that an earlier pod has, and repetitions in a pod.
 * ERR_UNAVAILABLE: the pod `of` (NULL: none) lost one; the text names port and holder. */
int hostports_settle(struct hostport_pod *pods, size_t n, const char *of, struct err *e);

/* Name of the table of the daemon with this root directory, malloc'ed. */
char *hostports_table(const char *root);

/* Text for nft that replaces the table; no pods: removes it. */
void hostports_text(const char *table, const struct hostport_pod *pods, size_t n, struct buf *to);

/* Run nft with hostports_text.  hold_fd: descriptor 3 of nft; -1: none.  1: e is set
 * (ERR_PRECONDITION: there is no nft, or the kernel refuses the rules) and nothing has changed. */
int hostports_replace(const char *table, const struct hostport_pod *pods, size_t n, int hold_fd,
		      struct err *e);

/* Hash of the kernel's rules in the table; 0: there is no table. */
int hostports_hash(const char *table, uint64_t *ret, struct err *e);
