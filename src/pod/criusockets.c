/*
 * criusockets.c - reads files.img.  A socket of IPv6 that speaks IPv4 is one of IPv4 on the wire.
 */
#include "pod/criusockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "base/util.h"
#include "pod/criuimg.h"

#define FILES "files.img"
#define FLOWS_MAX 16384

struct flow_list {
	struct tcp_flow *list;
	size_t n;
};

static bool is_connected(const Crisp__Criu__InetSocket *s)
{
	return s->type == SOCK_STREAM && s->proto == IPPROTO_TCP && s->dst_port &&
	       s->state != TCP_LISTEN && s->state != TCP_CLOSE;
}

/* words are the address as it is in memory.  false: it is none of the family. */
static bool address_of(uint32_t family, const uint32_t *words, size_t n, bool *ret_v6,
		       char ret[INET6_ADDRSTRLEN])
{
	struct in6_addr v6;

	if (family == AF_INET && n >= 1) {
		*ret_v6 = false;
		return inet_ntop(AF_INET, words, ret, INET6_ADDRSTRLEN);
	}
	if (family != AF_INET6 || n < 4)
		return false;
	memcpy(&v6, words, sizeof(v6));
	*ret_v6 = !IN6_IS_ADDR_V4MAPPED(&v6);
	return *ret_v6 ? inet_ntop(AF_INET6, &v6, ret, INET6_ADDRSTRLEN)
		       : inet_ntop(AF_INET, &v6.s6_addr[12], ret, INET6_ADDRSTRLEN);
}

static int add_flow(const ProtobufCMessage *message, void *arg, struct err *e)
{
	const Crisp__Criu__File *file = (const Crisp__Criu__File *)message;
	const Crisp__Criu__InetSocket *s = file->isk;
	struct flow_list *f = arg;
	struct tcp_flow flow;
	bool remote_v6;

	if (!s || !is_connected(s))
		return 0;
	if (f->n == FLOWS_MAX)
		return err_set(e, ERR_EXHAUSTED, "more than %d connections", FLOWS_MAX);
	flow = (struct tcp_flow){ .local_port = (uint16_t)s->src_port,
				  .remote_port = (uint16_t)s->dst_port };
	if (!address_of(s->family, s->src_addr, s->n_src_addr, &flow.v6, flow.local) ||
	    !address_of(s->family, s->dst_addr, s->n_dst_addr, &remote_v6, flow.remote) ||
	    remote_v6 != flow.v6)
		return err_set(e, ERR_INVALID, "a connection has no addresses");
	f->list = xrealloc(f->list, (f->n + 1) * sizeof(flow));
	f->list[f->n++] = flow;
	return 0;
}

static int by_flow(const void *a, const void *b)
{
	const struct tcp_flow *x = a, *y = b;
	int r = strcmp(x->local, y->local);

	if (r == 0)
		r = strcmp(x->remote, y->remote);
	if (r == 0)
		r = x->local_port - y->local_port;
	return r ? r : x->remote_port - y->remote_port;
}

/* Processes that share a socket give it once; two entries of one flow nft would refuse. */
static void drop_twins(struct flow_list *f)
{
	size_t n = 0;

	if (f->n)
		qsort(f->list, f->n, sizeof(*f->list), by_flow);
	for (size_t i = 0; i < f->n; i++)
		if (n == 0 || by_flow(&f->list[n - 1], &f->list[i]) != 0)
			f->list[n++] = f->list[i];
	f->n = n;
}

int criusockets_connected(const char *dir, struct tcp_flow **ret, size_t *ret_n, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/" FILES, dir);
	struct flow_list f = { .n = 0 };
	int r = fs_exists(path) ? criuimg_each_of_file(dir, FILES, CRIUIMG_FILES, add_flow, &f, e)
				: 0;

	if (r < 0) {
		free(f.list);
		return r;
	}
	drop_twins(&f);
	*ret = f.list;
	*ret_n = f.n;
	return 0;
}
