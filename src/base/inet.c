/*
 * inet.c - parse IP addresses, listen, and name a listening socket.
 */
#include "base/inet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

#define BACKLOG 4096 /* a burst queues here, not in the clients' connect() */

union inet_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int parse(const char *text, uint16_t port, union inet_address *ret, socklen_t *ret_size,
		 struct err *e)
{
	*ret = (union inet_address){ .v6.sin6_family = AF_INET6 };
	*ret_size = sizeof(ret->v6);
	if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_port = htons(port);
		return 0;
	}
	*ret = (union inet_address){ .v4.sin_family = AF_INET };
	*ret_size = sizeof(ret->v4);
	ret->v4.sin_port = htons(port);
	if (inet_pton(AF_INET, text, &ret->v4.sin_addr) != 1)
		return err_set(e, ERR_INVALID, "\"%s\" is not an IP address", text);
	return 0;
}

bool inet_is_address(const char *text)
{
	struct err ignored = ERR_NULL;
	union inet_address a;
	socklen_t size;

	return parse(text, 0, &a, &size, &ignored) == 0;
}

int inet_resolve(const char *host, char **ret, struct err *e)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char text[NI_MAXHOST];
	int r = 0;

	if (!*host || inet_is_address(host)) {
		*ret = xstrdup(host);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct addrinfo hints = { .ai_family = families[i],
						.ai_socktype = SOCK_STREAM };
		struct addrinfo *found = NULL;

		r = getaddrinfo(host, NULL, &hints, &found);
		if (r == 0)
			r = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL,
					0, NI_NUMERICHOST);
		if (found)
			freeaddrinfo(found);
		if (r == 0) {
			*ret = xstrdup(text);
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "\"%s\" is no IP address and no name of one: %s", host,
		       gai_strerror(r));
}

static int listen_at(const char *address, uint16_t port, int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = -1;
	union inet_address a;
	socklen_t size;
	int one = 1, r = parse(address, port, &a, &size, e);

	if (r < 0)
		return r;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a.any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int));
	if (bind(fd, &a.any, size) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(e, ERR_UNAVAILABLE, errno, "listen at %s port %u", address, port);
	*ret_fd = take_fd(fd);
	return 0;
}

int inet_listen(const char *address, uint16_t port, int *ret_fd, struct err *e)
{
	struct err ignored = ERR_NULL;

	if (*address)
		return listen_at(address, port, ret_fd, e);
	/* One socket for both families, unless the kernel has no IPv6. */
	if (listen_at("::", port, ret_fd, &ignored) == 0)
		return 0;
	return listen_at("0.0.0.0", port, ret_fd, e);
}

char *inet_name(int fd)
{
	union inet_address a = { .any.sa_family = AF_UNSPEC };
	char text[INET6_ADDRSTRLEN] = "";
	socklen_t size = sizeof(a);

	getsockname(fd, &a.any, &size);
	if (a.any.sa_family == AF_INET) {
		if (a.v4.sin_addr.s_addr == htonl(INADDR_ANY))
			a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		inet_ntop(AF_INET, &a.v4.sin_addr, text, sizeof(text));
		return xasprintf("%s:%u", text, ntohs(a.v4.sin_port));
	}
	if (IN6_IS_ADDR_UNSPECIFIED(&a.v6.sin6_addr))
		a.v6.sin6_addr = in6addr_loopback;
	inet_ntop(AF_INET6, &a.v6.sin6_addr, text, sizeof(text));
	return xasprintf("[%s]:%u", text, ntohs(a.v6.sin6_port));
}
