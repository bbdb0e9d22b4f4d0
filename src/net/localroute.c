/*
 * localroute.c - asks the kernel for the interface of a route (rtnetlink), sets its sysctl.
 */
#include "net/localroute.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

#define ANSWER_MAX 4096
#define ANSWER_S 5

struct route_request {
	struct nlmsghdr head;
	struct rtmsg route;
	struct rtattr attr;
	struct in_addr to;
};

/* The reply's outgoing interface; 0: it has none. */
static unsigned interface_of(const struct nlmsghdr *head, size_t size)
{
	const struct rtattr *attr;
	int left;
	unsigned index = 0;

	if (!NLMSG_OK(head, size) || head->nlmsg_type != RTM_NEWROUTE ||
	    head->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtmsg)))
		return 0;
	left = (int)RTM_PAYLOAD(head);
	for (attr = RTM_RTA(NLMSG_DATA(head)); RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		if (attr->rta_type == RTA_OIF && RTA_PAYLOAD(attr) == sizeof(index))
			memcpy(&index, RTA_DATA(attr), sizeof(index));
	return index;
}

static int find_interface(const char *ip, char ret[IF_NAMESIZE], struct err *e)
{
	const struct timeval limit = { .tv_sec = ANSWER_S };
	struct route_request q = {
		.head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = RTM_GETROUTE,
			  .nlmsg_flags = NLM_F_REQUEST },
		.route = { .rtm_family = AF_INET, .rtm_dst_len = 32 },
		.attr = { .rta_len = RTA_LENGTH(sizeof(q.to)), .rta_type = RTA_DST },
	};
	_Alignas(struct nlmsghdr) char answer[ANSWER_MAX];
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;
	unsigned index;

	if (inet_pton(AF_INET, ip, &q.to) != 1)
		return err_set(e, ERR_INVALID, "\"%s\" is no IPv4 address", ip);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
	    send(fd, &q, sizeof(q), 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "ask for the route to %s", ip);
	n = recv(fd, answer, sizeof(answer), 0);
	index = n > 0 ? interface_of((const struct nlmsghdr *)answer, (size_t)n) : 0;
	if (!index || !if_indextoname(index, ret))
		return err_set(e, ERR_UNAVAILABLE, "the node has no route to %s", ip);
	return 0;
}

int localroute_allow(const char *ip, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	char name[IF_NAMESIZE];
	int r = find_interface(ip, name, e);

	if (r < 0)
		return r;
	path = xasprintf("/proc/sys/net/ipv4/conf/%s/route_localnet", name);
	return fs_write_existing(path, "1", e);
}
