/*
 * test_hostports.c - rules of host ports: from mappings and addresses, conflicts between pods, and
 * the text for nft.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"
#include "net/hostports.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define DUAL "{\"ips\":[{\"address\":\"10.88.0.5/16\"},{\"address\":\"fd00::5/64\"}]}"
#define V4_ONLY "{\"ips\":[{\"address\":\"10.88.0.6/16\"}]}"

static struct hostport_pod pod(const char *id, const char *result, int64_t rank,
			       struct cni_port_mapping m)
{
	struct hostport_pod p;
	struct err e = ERR_NULL;

	if (hostport_pod_init(&p, id, result, &m, 1, &e) < 0)
		fail_msg("%s", e.text);
	p.rank = rank;
	return p;
}

static struct cni_port_mapping map(const char *protocol, uint16_t port, const char *host_ip)
{
	return (struct cni_port_mapping){ port, 80, protocol, host_ip };
}

static void expect_rules(const char *result, const char *host_ip, const char *want)
{
	struct hostport_pod p = pod(ID_A, result, 0, map("tcp", 8080, host_ip));
	_cleanup_buf_ struct buf got = BUF_NULL;

	for (size_t i = 0; i < p.n_ports; i++)
		buf_printf(&got, "%s%s%s", i ? " " : "", p.ports[i].v6 ? "6" : "4",
			   p.ports[i].host_ip);
	assert_string_equal(got.data ? got.data : "", want);
	hostport_pod_done(&p);
}

static void test_families(void **state)
{
	(void)state;
	expect_rules(DUAL, NULL, "4 6");
	expect_rules(DUAL, "", "4 6");
	expect_rules(DUAL, "0.0.0.0", "4");
	expect_rules(DUAL, "::", "6");
	expect_rules(DUAL, "192.0.2.1", "4192.0.2.1");
	expect_rules(DUAL, "2001:DB8:0::1", "62001:db8::1");
	expect_rules(DUAL, "::ffff:192.0.2.1", "4192.0.2.1");
	expect_rules(V4_ONLY, "", "4");
}

static void expect_refused(const char *result, const char *host_ip, const char *want)
{
	struct cni_port_mapping m = map("tcp", 8080, host_ip);
	struct hostport_pod p;
	struct err e = ERR_NULL;

	assert_int_equal(hostport_pod_init(&p, ID_A, result, &m, 1, &e), -ERR_INVALID);
	if (!strstr(e.text, want))
		fail_msg("%s", e.text);
	hostport_pod_done(&p);
}

static void test_refused(void **state)
{
	(void)state;
	expect_refused(V4_ONLY, "::", "host_ip :: of host port 8080: the pod has no IPv6 address");
	expect_refused("{}", "", "the pod has no address");
	expect_refused(DUAL, "here", "\"here\" is no IP address");
	expect_refused("{\"ips\":[{\"address\":\"10.88.0.5/16 }\"}]}", "", "is not an address");
}

/* want "": no conflict; else the conflict of pod B, and A keeps its ports. */
static void expect_conflict(struct cni_port_mapping a, struct cni_port_mapping b, const char *want)
{
	struct hostport_pod pods[] = { pod(ID_B, DUAL, 2, b), pod(ID_A, DUAL, 1, a) };
	size_t all = pods[1].n_ports;
	struct err e = ERR_NULL;
	int r = hostports_settle(pods, 2, ID_B, &e);

	assert_string_equal(pods[0].id, ID_A);
	assert_int_equal(pods[0].n_ports, all);
	assert_int_equal(r, *want ? -ERR_UNAVAILABLE : 0);
	assert_string_equal(e.text, want);
	for (int i = 0; i < 2; i++)
		hostport_pod_done(&pods[i]);
}

static void test_conflicts(void **state)
{
	(void)state;
	expect_conflict(map("tcp", 80, ""), map("tcp", 80, ""),
			"host port tcp 80: pod aaaaaaaaaaaaa has it");
	expect_conflict(map("udp", 80, "192.0.2.1"), map("udp", 80, ""),
			"host port udp 80: pod aaaaaaaaaaaaa has it");
	expect_conflict(map("sctp", 80, ""), map("sctp", 80, "::1"),
			"host port sctp ::1 80: pod aaaaaaaaaaaaa has it");
	expect_conflict(map("tcp", 80, "0.0.0.0"), map("tcp", 80, "::"), "");
	expect_conflict(map("tcp", 80, "192.0.2.1"), map("tcp", 80, "192.0.2.2"), "");
	expect_conflict(map("tcp", 80, ""), map("udp", 80, ""), "");
	expect_conflict(map("tcp", 80, ""), map("tcp", 81, ""), "");
}

/* Twice the same port, and an address beside all addresses. */
static void test_one_pod(void **state)
{
	const struct cni_port_mapping m[] = {
		{ 80, 1, "tcp", "" },
		{ 80, 2, "tcp", "" },
		{ 80, 3, "tcp", "192.0.2.1" },
	};
	struct hostport_pod p;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(hostport_pod_init(&p, ID_A, V4_ONLY, m, 3, &e), 0);
	assert_int_equal(hostports_settle(&p, 1, ID_A, &e), 0);
	assert_int_equal(p.n_ports, 2);
	assert_int_equal(p.ports[0].pod_port, 1);
	assert_int_equal(p.ports[1].pod_port, 3);
	hostport_pod_done(&p);
}

static void expect_line(const struct buf *text, const char *line)
{
	_cleanup_free_ char *whole = xasprintf("\n%s\n", line);

	if (!strstr(text->data, whole))
		fail_msg("no line \"%s\" in %s", line, text->data);
}

static void test_text(void **state)
{
	struct hostport_pod pods[] = { pod(ID_A, DUAL, 1, map("tcp", 8080, "")),
				       pod(ID_B, V4_ONLY, 2, map("udp", 53, "192.0.2.1")) };
	_cleanup_buf_ struct buf text = BUF_NULL;

	(void)state;
	hostports_text("t", pods, 2, &text);
	assert_ptr_equal(strstr(text.data, "add table inet t\ndelete table inet t\ntable inet t {"),
			 text.data);
	expect_line(&text, "add element inet t ports4 { tcp . 8080 comment \"aaaaaaaaaaaaa\" : "
			   "10.88.0.5 . 80 }");
	expect_line(&text, "add element inet t ports6 { tcp . 8080 comment \"aaaaaaaaaaaaa\" : "
			   "fd00::5 . 80 }");
	expect_line(&text, "add element inet t at4 { 192.0.2.1 . udp . 53 comment "
			   "\"bbbbbbbbbbbbb\" : 10.88.0.6 . 80 }");
	expect_line(&text, "add element inet t near4 { 10.88.0.0/16 . 10.88.0.5 }");
	expect_line(&text, "add element inet t near4 { 127.0.0.0/8 . 10.88.0.5 }");
	expect_line(&text, "add element inet t near6 { fd00::/64 . fd00::5 }");
	for (int i = 0; i < 2; i++)
		hostport_pod_done(&pods[i]);
}

/* Networks that contain 127.0.0.0/8, and two pods with one address: intervals do not overlap. */
static void test_no_overlap(void **state)
{
	static const char *const wide = "{\"ips\":[{\"address\":\"10.1.2.3/0\"}]}";
	struct hostport_pod pods[] = { pod(ID_A, wide, 1, map("tcp", 1, "")),
				       pod(ID_B, wide, 2, map("tcp", 2, "")) };
	_cleanup_buf_ struct buf text = BUF_NULL;
	const char *first;

	(void)state;
	hostports_text("t", pods, 2, &text);
	first = strstr(text.data, "inet t near4 { ");
	assert_int_equal(strncmp(first, "inet t near4 { 0.0.0.0/0 . 10.1.2.3 }\n", 38), 0);
	assert_null(strstr(first + 1, "inet t near4 { "));
	for (int i = 0; i < 2; i++)
		hostport_pod_done(&pods[i]);
}

static void test_removal(void **state)
{
	_cleanup_buf_ struct buf text = BUF_NULL;

	(void)state;
	hostports_text("t", NULL, 0, &text);
	assert_string_equal(text.data, "add table inet t\ndelete table inet t\n");
}

static void test_table_name(void **state)
{
	_cleanup_free_ char *a = hostports_table("/var/lib/crisp"), *b = hostports_table("/tmp/x");

	(void)state;
	assert_string_not_equal(a, b);
	assert_int_equal(strspn(a, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_families),  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_conflicts), cmocka_unit_test(test_one_pod),
		cmocka_unit_test(test_text),	  cmocka_unit_test(test_no_overlap),
		cmocka_unit_test(test_removal),	  cmocka_unit_test(test_table_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
