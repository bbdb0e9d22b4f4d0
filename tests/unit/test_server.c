/*
 * test_server.c - the gRPC server on a real socket with a table of its own: an answer at once, a
 * parked call, a large answer, a large request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin.pb-c.h"
#include "api.pb-c.h"
#include "api/client.h"
#include "api/grpc_env.h"
#include "api/rpc.h"
#include "api/server.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"

#define SVC "/runtime.v1.RuntimeService/"
#define PARKED_MAX 512
#define MIB (1024 * 1024)

/* Calls that a handler has taken and not answered. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct rpc_call *calls[PARKED_MAX];
	size_t n;
	int64_t deadline; /* of the last one */
} parked = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, { NULL }, 0, 0 };

static atomic_uint hook_calls, hook_failures;
static atomic_long hook_pid;

static int handle_version(struct rpc_call *call, const ProtobufCMessage *req, struct err *e)
{
	const Runtime__V1__VersionRequest *r = (const void *)req;
	Runtime__V1__VersionResponse resp = RUNTIME__V1__VERSION_RESPONSE__INIT;

	if (strcmp(r->version, "fail") == 0)
		return err_set(e, ERR_NOT_FOUND, "no version \"\xff\" here");
	resp.version = arena_strdup(rpc_call_arena(call), r->version);
	resp.runtime_name = (char *)"bad\xff name";
	rpc_reply(call, &resp.base);
	return 0;
}

static int handle_park(struct rpc_call *call, const ProtobufCMessage *req, struct err *e)
{
	(void)req;
	(void)e;
	pthread_mutex_lock(&parked.lock);
	parked.deadline = rpc_call_deadline(call);
	parked.calls[parked.n++] = call;
	pthread_cond_broadcast(&parked.changed);
	pthread_mutex_unlock(&parked.lock);
	return 0;
}

static int handle_bytes(struct rpc_call *call, const ProtobufCMessage *req, struct err *e)
{
	const Runtime__V1__ExecSyncRequest *r = (const void *)req;
	Runtime__V1__ExecSyncResponse resp = RUNTIME__V1__EXEC_SYNC_RESPONSE__INIT;
	_cleanup_free_ uint8_t *data = xcalloc(1, (size_t)r->timeout + 1);

	(void)e;
	resp.stdout = (ProtobufCBinaryData){ .len = (size_t)r->timeout, .data = data };
	rpc_reply(call, &resp.base);
	return 0;
}

static int handle_length(struct rpc_call *call, const ProtobufCMessage *req, struct err *e)
{
	const Crisp__V1__LoadImageRequest *r = (const void *)req;
	Crisp__V1__LoadImageResponse resp = CRISP__V1__LOAD_IMAGE_RESPONSE__INIT;
	uint8_t packed[64];

	(void)e;
	resp.image_id = arena_printf(rpc_call_arena(call), "%zu", strlen(r->path));
	rpc_reply_bytes(call, packed, crisp__v1__load_image_response__pack(&resp, packed));
	return 0;
}

static bool validate_version(const ProtobufCMessage *req, char *msg, size_t size)
{
	if (strcmp(((const Runtime__V1__VersionRequest *)(const void *)req)->version, "invalid"))
		return true;
	snprintf(msg, size, "version: must not be that");
	return false;
}

static const struct rpc_method methods[] = {
	{ SVC "Version", "Version", &runtime__v1__version_request__descriptor,
	  &runtime__v1__version_response__descriptor, false, RPC_KIND_READ, NULL, NULL, NULL,
	  validate_version, handle_version },
	{ SVC "StopContainer", "StopContainer", &runtime__v1__stop_container_request__descriptor,
	  &runtime__v1__stop_container_response__descriptor, false, RPC_KIND_EVENT, NULL, NULL,
	  NULL, NULL, handle_park },
	{ SVC "ExecSync", "ExecSync", &runtime__v1__exec_sync_request__descriptor,
	  &runtime__v1__exec_sync_response__descriptor, false, RPC_KIND_DIRECT, NULL, NULL, NULL,
	  NULL, handle_bytes },
	{ SVC "Attach", "Attach", &runtime__v1__attach_request__descriptor,
	  &runtime__v1__attach_response__descriptor, false, RPC_KIND_UNIMPLEMENTED, NULL, NULL,
	  NULL, NULL, NULL },
	{ SVC "Exec", "Exec", &runtime__v1__exec_request__descriptor,
	  &runtime__v1__exec_response__descriptor, false, RPC_KIND_UNIMPLEMENTED, NULL, NULL,
	  "there is no shell", NULL, NULL },
	{ "/crisp.v1.Admin/LoadImage", "LoadImage", &crisp__v1__load_image_request__descriptor,
	  &crisp__v1__load_image_response__descriptor, false, RPC_KIND_DIRECT, NULL, NULL, NULL,
	  NULL, handle_length },
};

static void on_call(const struct server_call_info *info, void *arg)
{
	(void)arg;
	atomic_fetch_add(&hook_calls, 1);
	if (info->code != ERR_OK)
		atomic_fetch_add(&hook_failures, 1);
	atomic_store(&hook_pid, info->peer_pid);
}

struct fixture {
	char dir[64], path[96];
	struct server *server;
	struct rpc_client *client;
};

static struct server_options options(const struct fixture *f)
{
	return (struct server_options){
		.path = f->path,
		.methods = methods,
		.n_methods = ARRAY_LEN(methods),
		.on_call = on_call,
	};
}

static void start(struct fixture *f, const struct server_options *o)
{
	struct err e = ERR_NULL;

	if (server_start(o, &f->server, &e) != 0)
		fail_msg("%s", e.text);
	if (rpc_client_open(f->path, 20000, &f->client, &e) != 0)
		fail_msg("%s", e.text);
}

static int setup_dir(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/crisp-server-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/s.sock", f->dir);
	parked.n = 0;
	*state = f;
	return 0;
}

static int setup(void **state)
{
	struct server_options o;

	if (setup_dir(state) < 0)
		return -1;
	o = options(*state);
	start(*state, &o);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e;

	rpc_client_close(f->client);
	server_stop(f->server);
	fs_remove_tree(f->dir, &e);
	free(f);
	return 0;
}

/* Take n parked calls; each arrives or the test hangs until its client's 20 s are over. */
static void parked_take(struct rpc_call **ret, size_t n)
{
	pthread_mutex_lock(&parked.lock);
	while (parked.n < n)
		pthread_cond_wait(&parked.changed, &parked.lock);
	memcpy(ret, parked.calls, n * sizeof(*ret));
	parked.n = 0;
	pthread_mutex_unlock(&parked.lock);
}

static void parked_answer(struct rpc_call *call)
{
	Runtime__V1__StopContainerResponse resp = RUNTIME__V1__STOP_CONTAINER_RESPONSE__INIT;

	rpc_reply(call, &resp.base);
}

static int call_version(struct rpc_client *c, const char *version, char **ret, struct err *e)
{
	Runtime__V1__VersionRequest req = RUNTIME__V1__VERSION_REQUEST__INIT;
	Runtime__V1__VersionResponse *resp;
	ProtobufCMessage *m;
	int r;

	req.version = (char *)(uintptr_t)version;
	r = rpc_client_call(c, SVC "Version", &req.base, &runtime__v1__version_response__descriptor,
			    &m, e);
	if (r < 0)
		return r;
	resp = (Runtime__V1__VersionResponse *)m;
	assert_string_equal(resp->runtime_name, "bad? name");
	*ret = xstrdup(resp->version);
	protobuf_c_message_free_unpacked(m, NULL);
	return 0;
}

static int call_stop(struct rpc_client *c, struct err *e)
{
	Runtime__V1__StopContainerRequest req = RUNTIME__V1__STOP_CONTAINER_REQUEST__INIT;
	ProtobufCMessage *m;
	int r = rpc_client_call(c, SVC "StopContainer", &req.base,
				&runtime__v1__stop_container_response__descriptor, &m, e);

	if (r == 0)
		protobuf_c_message_free_unpacked(m, NULL);
	return r;
}

/* A StopContainer on a thread of its own. */
struct stopper {
	pthread_t thread;
	struct rpc_client *client;
	int r;
	struct err e;
};

static void *stopper_main(void *arg)
{
	struct stopper *s = arg;

	s->r = call_stop(s->client, &s->e);
	return NULL;
}

static void stopper_start(struct stopper *s, struct rpc_client *c)
{
	s->client = c;
	assert_int_equal(pthread_create(&s->thread, NULL, stopper_main, s), 0);
}

static void stopper_join(struct stopper *s)
{
	assert_int_equal(pthread_join(s->thread, NULL), 0);
}

/* Until the condition holds; bounded so that a failure is one. */
#define wait_until(cond) \
	do { \
		int64_t end_ = clock_monotonic_ns() + 20 * NSEC_PER_SEC; \
		while (!(cond) && clock_monotonic_ns() < end_) \
			poll(NULL, 0, 5); \
		assert_true(cond); \
	} while (0)

static void test_answer(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *version = NULL;
	struct stat st;
	struct err e;

	atomic_store(&hook_calls, 0);
	assert_int_equal(call_version(f->client, "v1", &version, &e), 0);
	assert_string_equal(version, "v1");
	assert_int_equal(atomic_load(&hook_calls), 1);
	assert_int_equal(atomic_load(&hook_pid), getpid());
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	wait_until(server_get_counts(f->server).in_flight == 0);
}

static void test_status(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *version = NULL;
	struct err e;

	assert_int_equal(call_version(f->client, "fail", &version, &e), -ERR_NOT_FOUND);
	assert_string_equal(e.text, "no version \"?\" here");
	assert_int_equal(call_version(f->client, "invalid", &version, &e), -ERR_INVALID);
	assert_string_equal(e.text, "Version: version: must not be that");
}

static void test_unknown(void **state)
{
	struct fixture *f = *state;
	Runtime__V1__VersionRequest req = RUNTIME__V1__VERSION_REQUEST__INIT;
	const ProtobufCMessageDescriptor *d = &runtime__v1__version_response__descriptor;
	ProtobufCMessage *m;
	struct err e;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			rpc_client_call(f->client, "/no.Such/Method", &req.base, d, &m, &e),
			-ERR_UNIMPLEMENTED);
		assert_string_equal(e.text, "unknown method /no.Such/Method");
	}
	assert_int_equal(rpc_client_call(f->client, SVC "Attach", &req.base, d, &m, &e),
			 -ERR_UNIMPLEMENTED);
	assert_string_equal(e.text, "Attach is not implemented");
	assert_int_equal(rpc_client_call(f->client, SVC "Exec", &req.base, d, &m, &e),
			 -ERR_UNIMPLEMENTED);
	assert_string_equal(e.text, "Exec is refused: there is no shell");
}

/* Bytes that are no VersionRequest, sent as if they were one. */
static int call_raw(struct rpc_client *c, const void *data, size_t size, struct err *e)
{
	ProtobufCMessageUnknownField field = {
		.tag = 1,
		.wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
		.len = size,
		.data = (uint8_t *)(uintptr_t)data,
	};
	Crisp__V1__LoadImageResponse req = CRISP__V1__LOAD_IMAGE_RESPONSE__INIT;
	ProtobufCMessage *m;
	int r;

	req.base.n_unknown_fields = 1;
	req.base.unknown_fields = &field;
	r = rpc_client_call(c, SVC "Version", &req.base, &runtime__v1__version_response__descriptor,
			    &m, e);
	if (r == 0)
		protobuf_c_message_free_unpacked(m, NULL);
	return r;
}

static void test_bad_bytes(void **state)
{
	struct fixture *f = *state;
	struct err e;

	assert_int_equal(call_raw(f->client, "\2ok", 3, &e), 0);
	assert_int_equal(call_raw(f->client, "\3a\0b", 4, &e), -ERR_INVALID);
	assert_string_equal(e.text, "Version: the request cannot be decoded: version: a NUL byte "
				    "inside a string");
	assert_int_equal(call_raw(f->client, "\1\xff", 2, &e), -ERR_INVALID);
	assert_int_equal(call_raw(f->client, "\x7f", 1, &e), -ERR_INVALID);
}

static int call_bytes(struct rpc_client *c, size_t size, struct err *e)
{
	Runtime__V1__ExecSyncRequest req = RUNTIME__V1__EXEC_SYNC_REQUEST__INIT;
	Runtime__V1__ExecSyncResponse *resp;
	ProtobufCMessage *m;
	int r;

	req.timeout = (int64_t)size;
	r = rpc_client_call(c, SVC "ExecSync", &req.base,
			    &runtime__v1__exec_sync_response__descriptor, &m, e);
	if (r < 0)
		return r;
	resp = (Runtime__V1__ExecSyncResponse *)m;
	assert_int_equal(resp->stdout.len, size);
	protobuf_c_message_free_unpacked(m, NULL);
	return 0;
}

static int call_length(struct rpc_client *c, size_t size, struct err *e)
{
	Crisp__V1__LoadImageRequest req = CRISP__V1__LOAD_IMAGE_REQUEST__INIT;
	_cleanup_free_ char *path = xmalloc(size + 1);
	_cleanup_free_ char *want = xasprintf("%zu", size);
	ProtobufCMessage *m;
	int r;

	memset(path, 'a', size);
	path[size] = '\0';
	req.path = path;
	r = rpc_client_call(c, "/crisp.v1.Admin/LoadImage", &req.base,
			    &crisp__v1__load_image_response__descriptor, &m, e);
	if (r < 0)
		return r;
	assert_string_equal(((Crisp__V1__LoadImageResponse *)m)->image_id, want);
	protobuf_c_message_free_unpacked(m, NULL);
	return 0;
}

static void test_large(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *version = NULL;
	struct err e = ERR_NULL;

	if (call_length(f->client, 16 * MIB, &e) != 0)
		fail_msg("request: %s", e.text);
	if (call_bytes(f->client, 16 * MIB - 16, &e) != 0)
		fail_msg("answer: %s", e.text);
	assert_int_equal(call_length(f->client, 17 * MIB, &e), -ERR_EXHAUSTED);
	assert_int_equal(call_bytes(f->client, 16 * MIB + 1, &e), -ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "ExecSync: the answer has 16777"));
	assert_int_equal(call_version(f->client, "still here", &version, &e), 0);
}

static void test_deadline(void **state)
{
	struct fixture *f = *state;
	int64_t before = clock_realtime_ns();
	struct rpc_call *call;
	struct err e;

	rpc_client_set_timeout(f->client, 300);
	assert_int_equal(call_stop(f->client, &e), -ERR_DEADLINE);
	parked_take(&call, 1);
	assert_true(parked.deadline > before);
	assert_true(parked.deadline < before + 60 * NSEC_PER_SEC);
	wait_until(rpc_call_cancelled(call));
	assert_int_equal(server_get_counts(f->server).in_flight, 1);
	parked_answer(call); /* nobody listens: no harm */
	wait_until(server_get_counts(f->server).in_flight == 0);
}

static int raw_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* A client without deadline that starts StopContainer and cancels it. */
static void cancel_one(const char *path, struct rpc_call **ret)
{
	grpc_channel_credentials *creds = grpc_insecure_credentials_create();
	int fd = raw_connect(path);
	grpc_channel *channel;
	grpc_completion_queue *cq = grpc_completion_queue_create_for_pluck(NULL);
	grpc_slice name = grpc_slice_from_static_string(SVC "StopContainer");
	grpc_slice host = grpc_slice_from_static_string("localhost"), empty = grpc_empty_slice();
	grpc_byte_buffer *request = grpc_raw_byte_buffer_create(&empty, 1);
	grpc_op ops[3] = { { .op = GRPC_OP_SEND_INITIAL_METADATA },
			   { .op = GRPC_OP_SEND_MESSAGE },
			   { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT } };
	grpc_call *call;

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	channel = grpc_channel_create_from_fd("test", fd, creds, NULL);
	grpc_channel_credentials_release(creds);
	call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, cq, name, &host,
					gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	ops[1].data.send_message.send_message = request;
	assert_int_equal(grpc_call_start_batch(call, ops, 3, cq, NULL), GRPC_CALL_OK);
	grpc_completion_queue_pluck(cq, cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	parked_take(ret, 1);
	assert_int_equal(parked.deadline, INT64_MAX);
	assert_false(rpc_call_cancelled(*ret));
	grpc_call_cancel(call, NULL);
	grpc_byte_buffer_destroy(request);
	grpc_call_unref(call);
	grpc_completion_queue_shutdown(cq);
	grpc_completion_queue_destroy(cq);
	grpc_channel_destroy(channel);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *call;

	cancel_one(f->path, &call);
	wait_until(rpc_call_cancelled(call));
	rpc_fail(call, &(struct err){ .code = ERR_ABORTED, .text = "late" });
	wait_until(server_get_counts(f->server).in_flight == 0);
}

static void count_call(const struct server_call_info *info, void *arg)
{
	assert_string_equal(info->name, "StopContainer");
	assert_string_equal(info->path, SVC "StopContainer");
	assert_true(info->age_ns >= 0);
	assert_int_equal(info->peer_pid, getpid());
	++*(unsigned *)arg;
}

static void test_visible(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *calls[2];
	struct stopper s[2];
	unsigned n = 0;

	stopper_start(&s[0], f->client);
	stopper_start(&s[1], f->client);
	parked_take(calls, 2);
	server_calls(f->server, count_call, &n);
	assert_int_equal(n, 2);
	for (int i = 0; i < 2; i++)
		parked_answer(calls[i]);
	for (int i = 0; i < 2; i++) {
		stopper_join(&s[i]);
		assert_int_equal(s[i].r, 0);
	}
	n = 0;
	server_calls(f->server, count_call, &n);
	assert_int_equal(n, 0);
}

static void test_garbage(void **state)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct fixture *f = *state;
	_cleanup_free_ char *version = NULL;
	struct err e;

	for (int i = 0; i < 20; i++) {
		_cleanup_close_ int fd = raw_connect(f->path);
		char junk[512];

		assert_true(fd >= 0);
		for (size_t j = 0; j < sizeof(junk); j++)
			junk[j] = (char)(j * 131 + (size_t)i * 17);
		if (i % 2)
			assert_true(write(fd, preface, sizeof(preface) - 1) > 0);
		/* The server may have closed it by now. */
		if (send(fd, junk, sizeof(junk), MSG_NOSIGNAL) < 0)
			assert_true(errno == EPIPE || errno == ECONNRESET);
		if (i % 3) /* and until it does, unless we leave first */
			while (read(fd, junk, sizeof(junk)) > 0)
				;
	}
	assert_int_equal(call_version(f->client, "still here", &version, &e), 0);
}

#define MANY 200

static void *many_main(void *arg)
{
	struct stopper *s = arg;

	s->r = 0;
	for (int i = 0; i < 5 && s->r == 0; i++) {
		_cleanup_free_ char *want = xasprintf("%p-%d", arg, i);
		_cleanup_free_ char *version = NULL;

		s->r = call_version(s->client, want, &version, &s->e);
		if (s->r == 0 && strcmp(version, want) != 0)
			s->r = -1;
	}
	return NULL;
}

static void test_many(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *calls[MANY];
	struct stopper *s = xcalloc(2 * MANY, sizeof(*s));

	rpc_client_set_timeout(f->client, 0);
	for (int i = 0; i < MANY; i++)
		stopper_start(&s[i], f->client);
	parked_take(calls, MANY);
	assert_int_equal(server_get_counts(f->server).in_flight, MANY);
	/* 200 more that are answered while those wait. */
	for (int i = MANY; i < 2 * MANY; i++) {
		s[i].client = f->client;
		assert_int_equal(pthread_create(&s[i].thread, NULL, many_main, &s[i]), 0);
	}
	for (int i = MANY; i < 2 * MANY; i++)
		stopper_join(&s[i]);
	for (int i = 0; i < MANY; i++)
		parked_answer(calls[i]);
	for (int i = 0; i < MANY; i++)
		stopper_join(&s[i]);
	for (int i = 0; i < 2 * MANY; i++)
		assert_int_equal(s[i].r, 0);
	wait_until(server_get_counts(f->server).in_flight == 0);
	free(s);
}

static void test_limit(void **state)
{
	struct fixture *f = *state;
	struct server_options o = options(f);
	struct rpc_client *other = NULL;
	struct rpc_call *calls[2];
	struct stopper s[2];
	struct err e;

	o.max_calls = 2;
	start(f, &o);
	/* Beyond its own streams a connection waits; another one is refused. */
	assert_int_equal(rpc_client_open(f->path, 20000, &other, &e), 0);
	stopper_start(&s[0], f->client);
	stopper_start(&s[1], f->client);
	parked_take(calls, 2);
	assert_int_equal(call_stop(other, &e), -ERR_EXHAUSTED);
	assert_string_equal(e.text, "2 calls are in flight already: try again later");
	assert_int_equal(server_get_counts(f->server).refused, 1);
	for (int i = 0; i < 2; i++)
		parked_answer(calls[i]);
	for (int i = 0; i < 2; i++)
		stopper_join(&s[i]);
	rpc_client_close(other);
}

static void *drain_main(void *arg)
{
	struct fixture *f = arg;

	return (void *)(intptr_t)server_drain(f->server, 20000);
}

static void test_drain(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *call;
	pthread_t drainer;
	struct stopper s;
	void *r;

	stopper_start(&s, f->client);
	parked_take(&call, 1);
	assert_int_equal(pthread_create(&drainer, NULL, drain_main, f), 0);
	wait_until(access(f->path, F_OK) < 0);
	assert_int_equal(raw_connect(f->path), -1);
	parked_answer(call);
	stopper_join(&s);
	assert_int_equal(s.r, 0);
	assert_int_equal(pthread_join(drainer, &r), 0);
	assert_ptr_equal(r, NULL);
}

static void test_drain_cancels(void **state)
{
	struct fixture *f = *state;
	struct rpc_call *calls[2];
	struct stopper s[2];

	for (int i = 0; i < 2; i++)
		stopper_start(&s[i], f->client);
	parked_take(calls, 2);
	assert_int_equal(server_drain(f->server, 50), 1);
	for (int i = 0; i < 2; i++) {
		stopper_join(&s[i]);
		assert_int_equal(s[i].r, -ERR_UNAVAILABLE);
	}
	wait_until(rpc_call_cancelled(calls[0]));
	parked_answer(calls[0]); /* after the drain, before the stop */
	server_stop(f->server);
	f->server = NULL;
	assert_true(rpc_call_cancelled(calls[1]));
	parked_answer(calls[1]); /* after everything */
}

static void test_stale_replaced(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct server_options o = options(f);
	_cleanup_free_ char *version = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err e;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd); /* the file stays, nobody listens */
	start(f, &o);
	assert_int_equal(call_version(f->client, "v1", &version, &e), 0);
}

static void test_live_respected(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct server_options o = options(f);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_close_ int again = -1;
	struct server *s = NULL;
	struct err e;

	/* Somebody else's server, without our lock. */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(server_start(&o, &s, &e), -ERR_EXISTS);
	again = raw_connect(f->path);
	assert_true(again >= 0);
}

static void test_second_refused(void **state)
{
	struct fixture *f = *state;
	struct server_options o = options(f);
	_cleanup_free_ char *version = NULL;
	struct server *s = NULL;
	struct err e;

	assert_int_equal(server_start(&o, &s, &e), -ERR_EXISTS);
	assert_non_null(strstr(e.text, "is served by another process"));
	assert_int_equal(call_version(f->client, "v1", &version, &e), 0);
}

static void test_foreign_socket_stays(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(close(open(f->path, O_CREAT | O_CLOEXEC | O_WRONLY, 0600)), 0);
	server_stop(f->server);
	f->server = NULL;
	assert_int_equal(stat(f->path, &st), 0);
}

static void test_bad_paths(void **state)
{
	struct fixture *f = *state;
	struct server_options o = options(f);
	struct server *s = NULL;
	char path[256];
	struct err e;

	o.path = "relative.sock";
	assert_int_equal(server_start(&o, &s, &e), -ERR_INVALID);
	snprintf(path, sizeof(path), "%s/%0120d", f->dir, 1);
	o.path = path;
	assert_int_equal(server_start(&o, &s, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "no client can connect to more than 107"));
	assert_int_equal(close(open(f->path, O_CREAT | O_CLOEXEC | O_WRONLY, 0600)), 0);
	o.path = f->path;
	assert_int_equal(server_start(&o, &s, &e), -ERR_PRECONDITION);
	assert_int_equal(access(f->path, F_OK), 0);
	assert_int_equal(rpc_client_open(f->path, 0, &f->client, &e), -ERR_UNAVAILABLE);
	assert_null(s);
}

static void test_mode(void **state)
{
	struct fixture *f = *state;
	struct server_options o = options(f);
	mode_t old = umask(0177);
	struct stat st;

	o.mode = 0666;
	start(f, &o);
	umask(old);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_visible, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup_dir, teardown),
		cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain_cancels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_replaced, setup_dir, teardown),
		cmocka_unit_test_setup_teardown(test_live_respected, setup_dir, teardown),
		cmocka_unit_test_setup_teardown(test_second_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_socket_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_paths, setup_dir, teardown),
		cmocka_unit_test_setup_teardown(test_mode, setup_dir, teardown),
	};

	grpc_env_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
