/*
 * test_arrivals.c - the first bytes of a connection decide who serves it: gRPC or HTTP/1.1;
 * garbage, large requests and silent clients are bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api.pb-c.h"
#include "api/arrivals.h"
#include "api/client.h"
#include "api/grpc_env.h"
#include "api/httpd.h"
#include "api/server.h"
#include "base/fs.h"
#include "base/util.h"

struct fixture {
	char dir[64], path[96];
	struct server *server;
};

static void answer_http(const struct http_head *head, struct httpd_answer *ret)
{
	httpd_say(ret, "200 OK", "path %.*s", (int)head->path.n, head->path.p);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct server_options o = { .path = f->path, .http = answer_http };
	struct err e = ERR_NULL;

	snprintf(f->dir, sizeof(f->dir), "/tmp/crisp-arrivals-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/new/dir/sock", f->dir);
	if (server_start(&o, &f->server, &e) != 0)
		fail_msg("%s", e.text);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_NULL;

	server_stop(f->server);
	assert_int_equal(fs_remove_tree(f->dir, &e), 0);
	free(f);
	return 0;
}

static int raw_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		close_fdp(&fd);
	return fd;
}

/* The server has no method, and a call to one gets that answer. */
static bool is_grpc_served(const struct fixture *f)
{
	const Runtime__V1__VersionRequest req = RUNTIME__V1__VERSION_REQUEST__INIT;
	ProtobufCMessage *resp = NULL;
	struct rpc_client *client = NULL;
	struct err e = ERR_NULL;
	int r = rpc_client_open(f->path, 10000, &client, &e);

	if (r == 0)
		r = rpc_client_call(client, "/runtime.v1.RuntimeService/Version", &req.base,
				    &runtime__v1__version_response__descriptor, &resp, &e);
	rpc_client_close(client);
	return r == -ERR_UNIMPLEMENTED;
}

/* All that the server sends until it closes. */
static void read_all(int fd, char *to, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n < size - 1 && (r = read(fd, to + n, size - 1 - n)) > 0)
		n += (size_t)r;
	to[n] = '\0';
}

static void ask(const struct fixture *f, const char *request, size_t size, const char *want)
{
	_cleanup_close_ int fd = raw_connect(f->path);
	char got[1024];

	assert_true(fd >= 0);
	if (send(fd, request, size, MSG_NOSIGNAL) < 0)
		assert_true(errno == EPIPE || errno == ECONNRESET);
	read_all(fd, got, sizeof(got));
	if (!strstr(got, want))
		fail_msg("wanted %s, got %s", want, got);
}

static void test_http(void **state)
{
	static const char good[] = "GET /a/b?c HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char post[] = "POST / HTTP/1.1\r\nHost: x\r\n\r\n";
	_cleanup_free_ char *large = xmalloc(100000);
	struct fixture *f = *state;

	memset(large, 'a', 100000);
	ask(f, good, sizeof(good) - 1, "HTTP/1.1 200 OK\r\n");
	ask(f, good, sizeof(good) - 1, "\r\n\r\npath /a/b\n");
	ask(f, post, sizeof(post) - 1, "path /\n");
	ask(f, "PRIVATE / HTTP/1.1\n", 19, "HTTP/1.1 400 ");
	ask(f, "\x16\x03\x01\n", 4, "HTTP/1.1 400 ");
	ask(f, large, 100000, "HTTP/1.1 431 ");
	assert_true(is_grpc_served(f));
}

/* The first bytes of gRPC may arrive one at a time. */
static void test_slow_preface(void **state)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	struct fixture *f = *state;
	_cleanup_close_ int fd = raw_connect(f->path);
	unsigned char head[9];

	for (size_t i = 0; i < sizeof(preface) - 1; i++) {
		assert_int_equal(write(fd, preface + i, 1), 1);
		if (i < 5)
			poll(NULL, 0, 20);
	}
	assert_int_equal(recv(fd, head, sizeof(head), MSG_WAITALL), sizeof(head));
	assert_int_equal(head[3], 4); /* SETTINGS */
}

/* More silent clients than there is room for: the oldest are closed, others are served. */
static void test_silent_clients(void **state)
{
	struct fixture *f = *state;
	int fds[400];
	char byte;

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = raw_connect(f->path);
		assert_true(fds[i] >= 0);
	}
	assert_true(is_grpc_served(f));
	assert_int_equal(read(fds[0], &byte, 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *begin;
		enum arrival_kind kind;
	} cases[] = {
		{ "", ARRIVAL_KIND_UNKNOWN },	     { "P", ARRIVAL_KIND_UNKNOWN },
		{ "PRI", ARRIVAL_KIND_UNKNOWN },     { "PRI ", ARRIVAL_KIND_GRPC },
		{ "PRI * HTTP", ARRIVAL_KIND_GRPC }, { "PO", ARRIVAL_KIND_HTTP },
		{ "GET ", ARRIVAL_KIND_HTTP },	     { "\x16\x03", ARRIVAL_KIND_HTTP },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(arrival_kind_of(cases[i].begin, strlen(cases[i].begin)),
				 cases[i].kind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test_setup_teardown(test_http, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_preface, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_clients, setup, teardown),
	};

	grpc_env_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
