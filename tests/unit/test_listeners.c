/*
 * test_listeners.c - sockets of this process at a host port: found by protocol, family and address.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/listeners.h"

/* A bound socket, listening if TCP; *port: 0 picks one. */
static int bound(int family, int type, const char *ip, bool v6_only, uint16_t *port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(*port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(*port) };
	struct sockaddr *a = family == AF_INET6 ? (void *)&a6 : (void *)&a4;
	socklen_t size = family == AF_INET6 ? sizeof(a6) : sizeof(a4);
	int fd = socket(family, type | SOCK_CLOEXEC, 0), only = v6_only;

	inet_pton(family, ip, family == AF_INET6 ? (void *)&a6.sin6_addr : (void *)&a4.sin_addr);
	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
	assert_int_equal(bind(fd, a, size), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, a, &size), 0);
	*port = ntohs(family == AF_INET6 ? a6.sin6_port : a4.sin_port);
	return fd;
}

static bool taken(uint8_t protocol, bool v6, uint16_t port, const char *host_ip)
{
	struct hostport h = { .protocol = protocol, .v6 = v6, .host_port = port };
	struct err e = ERR_NULL;
	int r;

	memcpy(h.host_ip, host_ip, strlen(host_ip) + 1);
	r = listeners_check(&h, 1, &e);
	if (r < 0)
		assert_non_null(strstr(e.text, "a process of the node listens there"));
	assert_true(r == 0 || r == -ERR_UNAVAILABLE);
	return r < 0;
}

static void test_tcp_any(void **state)
{
	uint16_t port = 0;
	int fd = bound(AF_INET, SOCK_STREAM, "0.0.0.0", false, &port);

	(void)state;
	assert_true(taken(IPPROTO_TCP, false, port, ""));
	assert_true(taken(IPPROTO_TCP, false, port, "192.0.2.1"));
	assert_false(taken(IPPROTO_TCP, true, port, ""));
	assert_false(taken(IPPROTO_UDP, false, port, ""));
	close(fd);
	assert_false(taken(IPPROTO_TCP, false, port, ""));
}

static void test_one_address(void **state)
{
	uint16_t port = 0;
	int fd = bound(AF_INET, SOCK_STREAM, "127.0.0.1", false, &port);

	(void)state;
	assert_true(taken(IPPROTO_TCP, false, port, "127.0.0.1"));
	assert_false(taken(IPPROTO_TCP, false, port, "192.0.2.1"));
	assert_false(taken(IPPROTO_TCP, false, port, ""));
	close(fd);
}

static void test_both_families(void **state)
{
	uint16_t port = 0;
	int fd = bound(AF_INET6, SOCK_DGRAM, "::", false, &port);

	(void)state;
	assert_true(taken(IPPROTO_UDP, true, port, ""));
	assert_true(taken(IPPROTO_UDP, false, port, ""));
	assert_false(taken(IPPROTO_TCP, false, port, ""));
	close(fd);
	port = 0;
	fd = bound(AF_INET6, SOCK_STREAM, "::", true, &port);
	assert_true(taken(IPPROTO_TCP, true, port, ""));
	assert_false(taken(IPPROTO_TCP, false, port, ""));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_any),
		cmocka_unit_test(test_one_address),
		cmocka_unit_test(test_both_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
