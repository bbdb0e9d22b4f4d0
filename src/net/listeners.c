/*
 * listeners.c - asks sock_diag(7) for listening TCP and SCTP sockets and unconnected UDP sockets.
 */
#include "net/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

#define ANSWER_MAX 32768
#define ANSWER_S 5

struct list_request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 req;
};

/* Does a socket of IPv6 take no packets of IPv4? */
static bool is_v6_only(const struct nlmsghdr *head)
{
	const struct inet_diag_msg *msg = NLMSG_DATA(head);
	int left = (int)(head->nlmsg_len - NLMSG_LENGTH(sizeof(*msg)));
	const struct nlattr *attr = (const struct nlattr *)(msg + 1);

	while (left >= (int)NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= left) {
		int size = NLA_ALIGN(attr->nla_len);

		if (attr->nla_type == INET_DIAG_SKV6ONLY && attr->nla_len > NLA_HDRLEN)
			return *((const uint8_t *)attr + NLA_HDRLEN);
		left -= size;
		attr = (const struct nlattr *)((const char *)attr + size);
	}
	return false;
}

/* Does the socket take the packets that the rule would redirect? */
static bool takes(const struct nlmsghdr *head, const struct hostport *h)
{
	static const char unspecified[16];
	const struct inet_diag_msg *msg = NLMSG_DATA(head);
	bool v6 = msg->idiag_family == AF_INET6;
	char ip[INET6_ADDRSTRLEN];

	if (ntohs(msg->id.idiag_sport) != h->host_port)
		return false;
	if (memcmp(msg->id.idiag_src, unspecified, v6 ? 16 : 4) == 0)
		return v6 == h->v6 || (v6 && !is_v6_only(head));
	return v6 == h->v6 && inet_ntop(msg->idiag_family, msg->id.idiag_src, ip, sizeof(ip)) &&
	       strcmp(ip, h->host_ip) == 0;
}

/* 1: the socket takes one of the ports, e is set. */
static int check_socket(const struct nlmsghdr *head, uint8_t protocol, const struct hostport *ports,
			size_t n, struct err *e)
{
	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (ports[i].protocol != protocol || !takes(head, &ports[i]))
			continue;
		err_set(e, ERR_UNAVAILABLE,
			"host port %s %u: a process of the node listens there; ss -lnp shows it",
			hostport_protocol(protocol), ports[i].host_port);
		return 1;
	}
	return 0;
}

/* All sockets of one answer.  0: there are more.  1: the last one.  <0: e is set. */
static int read_answer(const void *answer, size_t size, uint8_t protocol,
		       const struct hostport *ports, size_t n, struct err *e)
{
	const struct nlmsghdr *head = answer;

	for (; NLMSG_OK(head, size); head = NLMSG_NEXT(head, size)) {
		if (head->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return 1; /* done, or the kernel has no list of this protocol */
		if (check_socket(head, protocol, ports, n, e) > 0)
			return -(int)e->code;
	}
	return 0;
}

static int check(uint8_t family, uint8_t protocol, const struct hostport *ports, size_t n,
		 struct err *e)
{
	const struct timeval limit = { .tv_sec = ANSWER_S };
	const struct list_request q = {
		.head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = family,
			 .sdiag_protocol = protocol,
			 .idiag_states = 1U << (protocol == IPPROTO_UDP ? TCP_CLOSE : TCP_LISTEN) },
	};
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	_cleanup_free_ char *answer = NULL;
	int r = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    send(fd, &q, sizeof(q), 0) < 0)
		return 0;
	answer = xmalloc(ANSWER_MAX);
	while (r == 0) {
		ssize_t size = recv(fd, answer, ANSWER_MAX, 0);

		if (size <= 0)
			return 0;
		r = read_answer(answer, (size_t)size, protocol, ports, n, e);
	}
	return MIN(r, 0);
}

int listeners_check(const struct hostport *ports, size_t n, struct err *e)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(protocols); i++) {
		r = check(AF_INET, protocols[i], ports, n, e);
		if (r == 0)
			r = check(AF_INET6, protocols[i], ports, n, e);
	}
	return r;
}
