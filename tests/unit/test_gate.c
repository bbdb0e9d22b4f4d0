/*
 * test_gate.c - bounds on connections, on the words of a command and on open descriptors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/gate.h"
#include "base/nofile.h"
#include "base/util.h"
#include "base/words.h"

#define MANY 16

static void enter(struct gate *g, struct gate_entry *n, uint64_t peer)
{
	gate_enter(g, n, (struct gate_peer){ .key = peer });
}

/* The index of what has to go, -1: nothing. */
static int excess(struct gate *g, struct gate_entry *all)
{
	struct gate_entry *n = gate_excess(g);

	if (!n)
		return -1;
	gate_leave(n);
	return (int)(n - all);
}

static void test_oldest_goes(void **state)
{
	struct gate_entry n[MANY];
	struct gate g;

	(void)state;
	gate_init(&g, 4, 4, 2);
	for (int i = 0; i < 4; i++) {
		enter(&g, &n[i], 1);
		assert_int_equal(excess(&g, n), -1);
	}
	/* One has shown a token: it stays, whatever comes. */
	assert_true(gate_settle(&n[0]));
	assert_true(gate_settle(&n[0]));
	gate_touch(&n[1]);
	enter(&g, &n[4], 1);
	assert_int_equal(excess(&g, n), -1);
	enter(&g, &n[5], 1);
	assert_int_equal(excess(&g, n), 2);
	assert_int_equal(excess(&g, n), -1);
	enter(&g, &n[6], 1);
	assert_int_equal(excess(&g, n), 3);
	enter(&g, &n[7], 1);
	assert_int_equal(excess(&g, n), 1);
	assert_true(gate_settle(&n[7]));
	assert_false(gate_settle(&n[6]));
	assert_int_equal(g.refused, 1);
	assert_int_equal(g.evicted, 3);
	gate_leave(&n[0]);
	assert_true(gate_settle(&n[6]));
	gate_leave(&n[6]);
	gate_leave(&n[6]);
	gate_leave(&n[7]);
	assert_int_equal(g.n_settled, 0);
	assert_int_equal(g.n_waiting, 2);
}

static void test_peers(void **state)
{
	struct gate_entry n[MANY];
	struct gate g;

	(void)state;
	gate_init(&g, 6, 4, 8);
	enter(&g, &n[0], 1); /* waits the longest, and is alone */
	for (int i = 1; i <= 4; i++)
		enter(&g, &n[i], 2);
	assert_int_equal(excess(&g, n), -1);
	/* A peer with too many makes room itself. */
	enter(&g, &n[5], 2);
	assert_int_equal(excess(&g, n), 1);
	/* With too many in all, the peer with the most does. */
	enter(&g, &n[6], 3);
	assert_int_equal(excess(&g, n), -1);
	enter(&g, &n[7], 3);
	assert_int_equal(excess(&g, n), 2);
	assert_int_equal(excess(&g, n), -1);
	assert_ptr_equal(gate_victim(&g), &n[3]);
	/* All alike: the oldest. */
	gate_leave(&n[3]);
	gate_leave(&n[4]);
	gate_leave(&n[6]);
	assert_ptr_equal(gate_victim(&g), &n[0]);
	gate_leave(&n[0]);
	gate_leave(&n[5]);
	gate_leave(&n[7]);
	assert_null(gate_victim(&g));
	assert_null(gate_excess(&g));
}

static void test_peer_of(void **state)
{
	struct gate_peer a;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	a = gate_peer_of(fds[0]);
	assert_int_equal(a.key, getuid());
	close(fds[0]);
	close(fds[1]);
}

static void test_words(void **state)
{
	_cleanup_free_ char *longest = xmalloc(WORDS_ONE_MAX + 1);
	char *few[] = { "sh", longest };
	struct err e = ERR_NULL;
	size_t total = 0;
	int r = 0;

	(void)state;
	memset(longest, 'x', WORDS_ONE_MAX);
	longest[WORDS_ONE_MAX] = '\0';
	assert_int_equal(words_check("cmd", few, 2, &total, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "cmd[1]"));
	assert_int_equal(words_check_variable("envs", "A", WORDS_ONE_MAX, &total, &e),
			 -ERR_INVALID);
	longest[WORDS_ONE_MAX - 1] = '\0';
	total = 0;
	assert_int_equal(words_check("cmd", few, 2, &total, &e), 0);
	for (int i = 0; i < 16 && r == 0; i++)
		r = words_check("args", &longest, 1, &total, &e);
	assert_int_equal(r, -ERR_INVALID);
	assert_true(total > WORDS_ALL_MAX);
}

static void test_files(void **state)
{
	struct rlimit before, l;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &before);
	if (before.rlim_max < 512)
		skip();
	l = (struct rlimit){ .rlim_cur = 256, .rlim_max = before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &l);
	assert_int_equal(nofile_budget(100, 2), 100);
	assert_int_equal(nofile_budget(100, 8), 32);
	assert_int_equal(nofile_budget(100, 256), 8);
	assert_int_equal(nofile_original(), 0);
	nofile_raise();
	assert_int_equal(nofile_original(), 256);
	getrlimit(RLIMIT_NOFILE, &l);
	assert_true(l.rlim_cur > 256);
	nofile_lower(nofile_original());
	getrlimit(RLIMIT_NOFILE, &l);
	assert_int_equal(l.rlim_cur, 256);
	setrlimit(RLIMIT_NOFILE, &before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oldest_goes), cmocka_unit_test(test_peers),
		cmocka_unit_test(test_peer_of),	    cmocka_unit_test(test_words),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
