/*
 * hostports.c - rules of host ports: made from mappings, checked for conflicts, written for nft.
 */
#include "net/hostports.h"

#include <arpa/inet.h>
#include <string.h>
#include <xxhash.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "net/cni_result.h"
#include "net/nft.h"
#include "os/spawn.h"

#define LOOPBACK_PREFIX 8U
#define V4 0
#define V6 1

void hostport_pod_done(struct hostport_pod *p)
{
	free(p->id);
	free(p->ports);
	*p = HOSTPORT_POD_NULL;
}

/* --- from mappings --- */

static uint8_t protocol_of(const char *name)
{
	if (strcmp(name, "udp") == 0)
		return IPPROTO_UDP;
	return strcmp(name, "sctp") == 0 ? IPPROTO_SCTP : IPPROTO_TCP;
}

const char *hostport_protocol(uint8_t protocol)
{
	if (protocol == IPPROTO_UDP)
		return "udp";
	return protocol == IPPROTO_SCTP ? "sctp" : "tcp";
}

/* Read the first address of each family. */
static int read_addresses(struct hostport_pod *p, const char *cni_result, struct err *e)
{
	_cleanup_(cni_result_done) struct cni_result result = CNI_RESULT_NULL;
	int r = cni_result_parse(cni_result, &result, e);

	for (size_t i = 0; r == 0 && i < result.n_ips; i++) {
		const struct cni_ip *ip = &result.ips[i];
		int family = strchr(ip->address, ':') ? V6 : V4;

		if (*p->ip[family] || strlen(ip->address) >= sizeof(p->ip[family]))
			continue;
		memcpy(p->ip[family], ip->address, strlen(ip->address) + 1);
		p->prefix[family] = (unsigned)ip->prefix;
	}
	return r;
}

/* Canonical text of an address, "" if unspecified.  *ret_v6: its family. */
static int read_host_ip(const char *text, char ret[INET6_ADDRSTRLEN], bool *ret_v6, struct err *e)
{
	struct in6_addr a6;
	struct in_addr a4;

	*ret = '\0';
	*ret_v6 = inet_pton(AF_INET6, text, &a6) == 1;
	if (*ret_v6 && IN6_IS_ADDR_V4MAPPED(&a6)) {
		*ret_v6 = false;
		memcpy(&a4, &a6.s6_addr[12], sizeof(a4));
	} else if (!*ret_v6 && inet_pton(AF_INET, text, &a4) != 1) {
		return err_set(e, ERR_INVALID, "host_ip: \"%.64s\" is no IP address", text);
	}
	if (*ret_v6 ? !IN6_IS_ADDR_UNSPECIFIED(&a6) : a4.s_addr != INADDR_ANY)
		inet_ntop(*ret_v6 ? AF_INET6 : AF_INET, *ret_v6 ? (const void *)&a6 : &a4, ret,
			  INET6_ADDRSTRLEN);
	return 0;
}

static void add_rule(struct hostport_pod *p, const struct cni_port_mapping *m, bool v6,
		     const char *host_ip)
{
	struct hostport *port = &p->ports[p->n_ports++];

	*port = (struct hostport){
		.protocol = protocol_of(m->protocol),
		.v6 = v6,
		.host_port = m->host_port,
		.pod_port = m->container_port,
	};
	memcpy(port->host_ip, host_ip, strlen(host_ip) + 1);
}

static int add_mapping(struct hostport_pod *p, const struct cni_port_mapping *m, struct err *e)
{
	char host_ip[INET6_ADDRSTRLEN];
	bool v6;
	int r;

	if (!m->host_ip || !*m->host_ip) {
		for (int family = V4; family <= V6; family++)
			if (*p->ip[family])
				add_rule(p, m, family == V6, "");
		return 0;
	}
	r = read_host_ip(m->host_ip, host_ip, &v6, e);
	if (r == 0 && !*p->ip[v6])
		return err_set(e, ERR_INVALID,
			       "config.port_mappings: host_ip %s of host port %u: the pod has no "
			       "%s address",
			       m->host_ip, m->host_port, v6 ? "IPv6" : "IPv4");
	if (r == 0)
		add_rule(p, m, v6, host_ip);
	return r;
}

int hostport_pod_init(struct hostport_pod *p, const char *id, const char *cni_result,
		      const struct cni_port_mapping *mappings, size_t n, struct err *e)
{
	int r;

	*p = (struct hostport_pod){ .id = xstrdup(id) };
	r = read_addresses(p, cni_result, e);
	if (r == 0 && !*p->ip[V4] && !*p->ip[V6])
		r = err_set(e, ERR_INVALID, "the pod has no address for its host ports");
	if (r == 0)
		p->ports = xcalloc(2 * n, sizeof(*p->ports));
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_mapping(p, &mappings[i], e);
	return r;
}

/* --- conflicts --- */

#define N_PORTS 65536
#define N_KINDS 6 /* three protocols of two families */

/* A port that a pod has, linked to the next one with the same number. */
struct claim {
	const struct hostport *port;
	size_t pod;
	uint32_t next; /* index + 1 */
};

struct claims {
	uint32_t *heads; /* N_KINDS * N_PORTS: index + 1 of the first claim */
	struct claim *list;
	uint32_t n;
};

static size_t slot_of(const struct hostport *h)
{
	size_t kind = h->protocol == IPPROTO_TCP ? 0 : h->protocol == IPPROTO_UDP ? 1 : 2;

	return (2 * kind + h->v6) * N_PORTS + h->host_port;
}

/* The claim that excludes this one.  In one pod an address and "each address" may differ. */
static const struct claim *find_rival(const struct claims *c, const struct hostport *h, size_t pod)
{
	for (uint32_t i = c->heads[slot_of(h)]; i; i = c->list[i - 1].next) {
		const struct claim *other = &c->list[i - 1];
		bool equal = strcmp(other->port->host_ip, h->host_ip) == 0;
		bool any = !*other->port->host_ip || !*h->host_ip;

		if (equal || (any && other->pod != pod))
			return other;
	}
	return NULL;
}

static void claim(struct claims *c, const struct hostport *h, size_t pod)
{
	uint32_t *head = &c->heads[slot_of(h)];

	c->list[c->n++] = (struct claim){ h, pod, *head };
	*head = c->n;
}

static int fail_rival(const struct hostport *h, const char *holder, struct err *e)
{
	return err_set(e, ERR_UNAVAILABLE, "host port %s %s%s%u: pod %.13s has it",
		       hostport_protocol(h->protocol), h->host_ip, *h->host_ip ? " " : "",
		       h->host_port, holder);
}

/* Claim the ports of pods[i]; keep those that no pod has.  The result is the first rival's pod + 1,
 * 0: none; *ret_lost: the port. */
static size_t claim_all(struct claims *c, struct hostport_pod *p, size_t i,
			struct hostport *ret_lost)
{
	size_t kept = 0, first = 0;

	for (size_t k = 0; k < p->n_ports; k++) {
		const struct claim *rival = find_rival(c, &p->ports[k], i);

		if (!rival) {
			p->ports[kept] = p->ports[k];
			claim(c, &p->ports[kept++], i);
		} else if (rival->pod != i && !first) {
			first = rival->pod + 1;
			*ret_lost = p->ports[k];
		}
	}
	p->n_ports = kept;
	return first;
}

static int by_rank(const void *a, const void *b)
{
	const struct hostport_pod *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->id, y->id);
}

int hostports_settle(struct hostport_pod *pods, size_t n, const char *of, struct err *e)
{
	_cleanup_free_ uint32_t *heads = xcalloc(N_KINDS * N_PORTS, sizeof(*heads));
	_cleanup_free_ struct claim *list = NULL;
	struct claims c = { .heads = heads };
	size_t total = 0;
	int r = 0;

	if (!n)
		return 0;
	qsort(pods, n, sizeof(*pods), by_rank);
	for (size_t i = 0; i < n; i++)
		total += pods[i].n_ports;
	c.list = list = xcalloc(total + 1, sizeof(*list));
	for (size_t i = 0; i < n; i++) {
		struct hostport lost;
		size_t rival = claim_all(&c, &pods[i], i, &lost);

		if (rival && of && strcmp(pods[i].id, of) == 0)
			r = fail_rival(&lost, pods[rival - 1].id, e);
	}
	return r;
}

/* --- text for nft --- */

char *hostports_table(const char *root)
{
	return xasprintf("crisp-hostports-%016llx",
			 (unsigned long long)XXH3_64bits(root, strlen(root)));
}

/* guard: route_localnet (localroute.h) would let neighbours reach 127.0.0.0/8.  ::1 has no such
 * setting: the kernel drops answers to it. */
static const char skeleton[] =
	"table inet %s {\n"
	"map ports4 { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	"map ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }\n"
	"map at4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	"map at6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }\n"
	"set near4 { type ipv4_addr . ipv4_addr; flags interval; }\n"
	"set near6 { type ipv6_addr . ipv6_addr; flags interval; }\n"
	"chain ports {\n"
	"ip6 daddr ::1 return\n"
	"dnat ip to ip daddr . meta l4proto . th dport map @at4\n"
	"dnat ip6 to ip6 daddr . meta l4proto . th dport map @at6\n"
	"dnat ip to meta l4proto . th dport map @ports4\n"
	"dnat ip6 to meta l4proto . th dport map @ports6\n"
	"}\n"
	"chain prerouting {\n"
	"type nat hook prerouting priority dstnat;\n"
	"fib daddr type local goto ports\n"
	"}\n"
	"chain output {\n"
	"type nat hook output priority -100;\n"
	"fib daddr type local goto ports\n"
	"}\n"
	"chain postrouting {\n"
	"type nat hook postrouting priority srcnat;\n"
	"ct status & (dnat | snat) == dnat ip saddr . ip daddr @near4 masquerade\n"
	"ct status & (dnat | snat) == dnat ip6 saddr . ip6 daddr @near6 masquerade\n"
	"}\n"
	"chain guard {\n"
	"type filter hook prerouting priority raw;\n"
	"iifname != \"lo\" ip daddr 127.0.0.0/8 drop\n"
	"iifname != \"lo\" ip saddr 127.0.0.0/8 drop\n"
	"}\n"
	"}\n";

/* The network that an address is in. */
static void network_of(const char *ip, unsigned prefix, char ret[INET6_ADDRSTRLEN])
{
	int family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	unsigned char bytes[16] = { 0 };

	inet_pton(family, ip, bytes);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		unsigned kept = prefix <= 8 * i ? 0 : MIN(prefix - 8 * i, 8U);

		bytes[i] &= (unsigned char)(0xff00 >> kept);
	}
	inet_ntop(family, bytes, ret, INET6_ADDRSTRLEN);
}

static void put_source(const char *table, const struct hostport_pod *p, int family,
		       const char *network, unsigned prefix, struct buf *to)
{
	buf_printf(to, "add element inet %s near%c { %s/%u . %s }\n", table,
		   family == V6 ? '6' : '4', network, prefix, p->ip[family]);
}

/* Sources that the pod would answer without the node between, or not at all: its own network, and
 * 127.0.0.0/8.  nft refuses intervals that overlap. */
static void put_near(const char *table, const struct hostport_pod *p, int family, struct buf *to)
{
	const unsigned prefix = p->prefix[family];
	char network[INET6_ADDRSTRLEN], loopback[INET6_ADDRSTRLEN];

	network_of(p->ip[family], prefix, network);
	if (family == V6) {
		put_source(table, p, family, network, prefix, to);
		return;
	}
	network_of("127.0.0.0", MIN(prefix, LOOPBACK_PREFIX), loopback);
	network_of(p->ip[V4], MIN(prefix, LOOPBACK_PREFIX), network);
	if (strcmp(network, loopback) != 0)
		put_source(table, p, V4, "127.0.0.0", LOOPBACK_PREFIX, to);
	network_of(p->ip[V4], prefix, network);
	put_source(table, p, V4, network, prefix, to);
}

/* A second pod with the same address would make nft refuse the rules of all pods. */
static bool is_repeated(const struct hostport_pod *pods, size_t i, int family)
{
	for (size_t k = 0; k < i; k++)
		if (pods[k].n_ports && strcmp(pods[k].ip[family], pods[i].ip[family]) == 0)
			return true;
	return false;
}

static void put_port(const char *table, const struct hostport_pod *p, const struct hostport *h,
		     struct buf *to)
{
	buf_printf(to, "add element inet %s %s%c { %s%s%s . %u comment \"%.13s\" : %s . %u }\n",
		   table, *h->host_ip ? "at" : "ports", h->v6 ? '6' : '4', h->host_ip,
		   *h->host_ip ? " . " : "", hostport_protocol(h->protocol), h->host_port, p->id,
		   p->ip[h->v6], h->pod_port);
}

static void put_pod(const char *table, const struct hostport_pod *pods, size_t i, struct buf *to)
{
	const struct hostport_pod *p = &pods[i];

	for (size_t k = 0; k < p->n_ports; k++)
		put_port(table, p, &p->ports[k], to);
	for (int family = V4; family <= V6; family++)
		if (p->n_ports && *p->ip[family] && !is_repeated(pods, i, family))
			put_near(table, p, family, to);
}

void hostports_text(const char *table, const struct hostport_pod *pods, size_t n, struct buf *to)
{
	buf_printf(to, "add table inet %s\ndelete table inet %s\n", table, table);
	if (!n)
		return;
	buf_printf(to, skeleton, table);
	for (size_t i = 0; i < n; i++)
		put_pod(table, pods, i, to);
}

/* --- nft --- */

static void result_donep(struct spawn_result *res)
{
	spawn_result_done(res);
}

/* As nft_run; the error says what else opens host ports. */
static int run_nft(const char *const *args, const char *text, size_t size, int hold_fd,
		   struct spawn_result *ret, struct err *e)
{
	int r = nft_run(args, text, size, hold_fd, ret, e);

	if (r > 0)
		err_set(e, ERR_PRECONDITION,
			"no nft in PATH: install nftables, or a CNI plugin with the capability "
			"portMappings");
	return r;
}

int hostports_replace(const char *table, const struct hostport_pod *pods, size_t n, int hold_fd,
		      struct err *e)
{
	_cleanup_(result_donep) struct spawn_result res = SPAWN_RESULT_NULL;
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r;

	hostports_text(table, pods, n, &text);
	r = run_nft((const char *const[]){ "-f", "-", NULL }, text.data, text.len, hold_fd, &res,
		    e);
	if (r != 0 || res.status == 0)
		return r;
	err_set(e, ERR_PRECONDITION,
		"nft: exit status %d: %.120s; the kernel needs nf_tables with NAT", res.status,
		res.err.len ? res.err.data : "");
	return 1;
}

int hostports_hash(const char *table, uint64_t *ret, struct err *e)
{
	_cleanup_(result_donep) struct spawn_result res = SPAWN_RESULT_NULL;
	int r = run_nft((const char *const[]){ "list", "table", "inet", table, NULL }, NULL, 0, -1,
			&res, e);

	*ret = r == 0 && res.status == 0 ? XXH3_64bits(res.out.data, res.out.len) : 0;
	return r > 0 ? -(int)e->code : r;
}
