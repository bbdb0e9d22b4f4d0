/*
 * test_netdev.c - counters of network interfaces: the kernel's text, malformed text, and a
 * namespace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "os/netdev.h"
#include "os/ns.h"

#define HEAD \
	"Inter-|   Receive                                                |  Transmit\n" \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets " \
	"errs drop fifo colls carrier compressed\n"

static void test_text(void **state)
{
	_cleanup_free_ struct netdev *devs = NULL;
	size_t n;

	(void)state;
	netdev_parse(HEAD "    lo:     900       9    0    0    0     0          0         0 "
			  "    900       9    0    0    0     0       0          0\n"
			  "  eth0: 18446744073709551615 11 2 3 4 5 6 7 80 81 82 83 84 85 86 87\n"
			  "abcdefghijklmno:1 1 1 1 1 1 1 1 5 1 6 1 1 1 1 1\n",
		     &devs, &n);
	assert_int_equal(n, 2);
	assert_string_equal(devs[0].name, "eth0");
	assert_true(devs[0].rx_bytes == UINT64_MAX && devs[0].rx_errors == 2);
	assert_true(devs[0].tx_bytes == 80 && devs[0].tx_errors == 82);
	assert_true(devs[0].rx_packets == 11 && devs[0].rx_dropped == 3);
	assert_true(devs[0].tx_packets == 81 && devs[0].tx_dropped == 83);
	assert_string_equal(devs[1].name, "abcdefghijklmno");
	assert_true(devs[1].tx_bytes == 5 && devs[1].tx_errors == 6);
}

static void test_other_text(void **state)
{
	static const char *const texts[] = {
		"",
		"\n\n",
		HEAD,
		"eth0",
		"eth0:",
		"eth0: 1 2 3",
		": 1 2 3 4 5 6 7 8 9 10 11 12",
		"eth0: 1 2 3 4 5 6 7 8 9 10 x 12",
		"eth0: 1 2 -3 4 5 6 7 8 9 10 11 12",
		"eth0: 1 2 3 4 5 6 7 8 9 10 11",
		"abcdefghijklmnop: 1 2 3 4 5 6 7 8 9 10 11 12",
		"eth0: 1 2 3 4 5 6 7 8 9 10 11 18446744073709551616",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct netdev *devs;
		size_t n;

		netdev_parse(texts[i], &devs, &n);
		if (n || devs)
			fail_msg("\"%s\" became an interface", texts[i]);
	}
}

static void test_many(void **state)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	_cleanup_free_ struct netdev *devs = NULL;
	size_t n;

	(void)state;
	for (int i = 0; i < 2 * NETDEV_MAX; i++)
		buf_printf(&text, "d%d: 1 2 3 4 5 6 7 8 9 10 11 12\n", i);
	netdev_parse(text.data, &devs, &n);
	assert_int_equal(n, NETDEV_MAX);
	assert_string_equal(devs[n - 1].name, "d255");
}

static void test_namespace(void **state)
{
	char top[] = "/tmp/crisp-netdev-XXXXXX";
	_cleanup_free_ char *dir = NULL, *net = NULL;
	struct netdev *devs;
	struct err e = ERR_NULL;
	size_t n;
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(top));
	dir = xasprintf("%s/ns", top);
	net = xasprintf("%s/net", dir);
	assert_int_equal(netdev_read(net, &devs, &n, &e), 1);
	assert_int_equal(ns_pin(dir, NS_KIND_NET, NULL, NULL, &e), 0);
	/* Of its own: the node's interfaces are not there, and the loopback is left out. */
	assert_int_equal(netdev_read(net, &devs, &n, &e), 0);
	assert_int_equal(n, 0);
	/* A file that stays open is that namespace's, whoever reads it and however often. */
	assert_int_equal(netdev_open(net, &fd, &e), 0);
	assert_int_equal(ns_unpin(dir, &e), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(netdev_read_fd(fd, &devs, &n, &e), 0);
		assert_int_equal(n, 0);
	}
	close(fd);
	assert_int_equal(netdev_open(net, &fd, &e), 1);
	assert_int_equal(fs_remove_tree(top, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_other_text),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
