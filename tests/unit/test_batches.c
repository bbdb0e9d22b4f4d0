/*
 * test_batches.c - StreamContainers of 100,000 containers on a real socket and store: each once, in
 * messages of a bounded size; a client that cancels or never reads costs one message; a drain ends
 * streams without end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "api/grpc_env.h"
#include "api/rpc.h"
#include "api/server.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/util.h"
#include "core/listing.h"
#include "gen/cri_rpc.h"
#include "all_kinds.h"
#include "scratch.h"

#define MANY 100000
#define STREAM_CONTAINERS (&cri_methods[CRI_RPC_STREAM_CONTAINERS])
#define MIB ((size_t)1024 * 1024)

static struct scratch scratch;
static char *socket_path;
static struct server *server;
/* Of the last call that was answered. */
static struct {
	atomic_uint n;
	atomic_int code;
	atomic_size_t bytes;
} answered;

/* --- a stream without end --- */

/* `due` messages of `size` bytes, then waits. */
static struct ticker {
	struct rpc_feed feed;
	struct rpc_call *call;
	atomic_uint due, asked, done;
	size_t size;
} ticker;

static int tick(struct rpc_feed *f, struct rpc_packet **ret, struct err *e)
{
	struct ticker *t = container_of(f, struct ticker, feed);

	(void)e;
	atomic_fetch_add(&t->asked, 1);
	if (atomic_load(&t->due) == 0)
		return RPC_FEED_WAIT;
	atomic_fetch_sub(&t->due, 1);
	*ret = rpc_packet_new(t->size);
	memset((*ret)->data, 1, t->size);
	return RPC_FEED_MESSAGE;
}

static void tick_done(struct rpc_feed *f)
{
	atomic_fetch_add(&container_of(f, struct ticker, feed)->done, 1);
}

static int handle_events(struct rpc_call *call, const ProtobufCMessage *req, struct err *e)
{
	(void)req;
	(void)e;
	ticker.feed = (struct rpc_feed){ .next = tick, .done = tick_done, .endless = true };
	ticker.call = rpc_call_ref(call);
	atomic_store(&ticker.asked, 0);
	atomic_store(&ticker.done, 0);
	rpc_feed_start(call, &ticker.feed);
	return 0;
}

/* --- fixture --- */

static void on_call(const struct server_call_info *info, void *arg)
{
	(void)arg;
	atomic_store(&answered.code, (int)info->code);
	atomic_store(&answered.bytes, info->response_bytes);
	atomic_fetch_add(&answered.n, 1);
}

static struct rpc_method methods[2];

static int setup(void **state)
{
	struct err e;
	const struct server_options o = { .path = socket_path,
					  .methods = methods,
					  .n_methods = ARRAY_LEN(methods),
					  .on_call = on_call };

	(void)state;
	atomic_store(&answered.n, 0);
	return server_start(&o, &server, &e);
}

static int teardown(void **state)
{
	(void)state;
	server_stop(take_ptr(server));
	return 0;
}

static void store_many(void)
{
	const struct sm_state *running = &ctr_machine.states[CTR_STATE_RUNNING];
	Crisp__State__Container row = CRISP__STATE__CONTAINER__INIT;
	Runtime__V1__Container item = RUNTIME__V1__CONTAINER__INIT;
	char id[ID_LEN + 1], image[160];
	struct store_txn t;
	struct err e = ERR_NULL;

	memset(image, 'i', sizeof(image) - 1);
	image[sizeof(image) - 1] = '\0';
	row.pid = 1; /* else it is hidden */
	store_begin(world.store, &t);
	for (unsigned i = 0; i < MANY; i++) {
		/* Ids are spread over the whole range and not in the order of storing. */
		snprintf(id, sizeof(id), "%08x%056x", i * 2654435761U, i);
		item.id = id;
		item.image_ref = image;
		listing_put(KIND_CONTAINER, id, running, &row, "", &item.base, &t);
	}
	if (store_commit(&t, &e) < 0)
		fail_msg("%s", e.text);
}

static int setup_all(void **state)
{
	struct store_options o = { .no_sync = true };
	_cleanup_free_ char *durable = NULL, *boot = NULL;
	struct err e;

	(void)state;
	world.kinds = all_kinds;
	grpc_env_init();
	scratch_make(&scratch);
	socket_path = scratch_file(&scratch, "s.sock");
	o.durable_dir = durable = scratch_file(&scratch, "durable");
	o.boot_dir = boot = scratch_file(&scratch, "boot");
	if (store_open(&o, &world.store, &e) < 0)
		return -1;
	store_many();
	methods[0] = *STREAM_CONTAINERS;
	methods[1] = cri_methods[CRI_RPC_GET_CONTAINER_EVENTS];
	methods[1].kind = RPC_KIND_DIRECT;
	methods[1].handle = handle_events;
	return 0;
}

static int teardown_all(void **state)
{
	(void)state;
	store_close(take_ptr(world.store));
	scratch_drop(&scratch);
	free(socket_path);
	return 0;
}

/* --- a client --- */

struct reader {
	grpc_channel *channel;
	grpc_completion_queue *cq;
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice details;
	bool opened;
};

static int connect_raw(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Wait for one batch. */
static bool reader_wait(struct reader *r)
{
	return grpc_completion_queue_pluck(r->cq, r, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL)
		.success;
}

static void reader_open(struct reader *r, const char *path)
{
	grpc_channel_credentials *creds = grpc_insecure_credentials_create();
	grpc_slice host = grpc_slice_from_static_string("localhost"), empty = grpc_empty_slice();
	grpc_byte_buffer *request = grpc_raw_byte_buffer_create(&empty, 1);
	grpc_op ops[3] = { { .op = GRPC_OP_SEND_INITIAL_METADATA },
			   { .op = GRPC_OP_SEND_MESSAGE },
			   { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT } };

	*r = (struct reader){ .cq = grpc_completion_queue_create_for_pluck(NULL) };
	r->channel = grpc_channel_create_from_fd("test", connect_raw(), creds, NULL);
	grpc_channel_credentials_release(creds);
	r->call = grpc_channel_create_call(r->channel, NULL, GRPC_PROPAGATE_DEFAULTS, r->cq,
					   grpc_slice_from_static_string(path), &host,
					   gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	grpc_metadata_array_init(&r->initial);
	grpc_metadata_array_init(&r->trailing);
	ops[1].data.send_message.send_message = request;
	assert_int_equal(grpc_call_start_batch(r->call, ops, 3, r, NULL), GRPC_CALL_OK);
	assert_true(reader_wait(r));
	grpc_byte_buffer_destroy(request);
}

/* The next message; NULL: the stream has ended. */
static grpc_byte_buffer *reader_next(struct reader *r)
{
	grpc_byte_buffer *message = NULL;
	grpc_op ops[2] = { { .op = GRPC_OP_RECV_MESSAGE },
			   { .op = GRPC_OP_RECV_INITIAL_METADATA } };

	ops[0].data.recv_message.recv_message = &message;
	ops[1].data.recv_initial_metadata.recv_initial_metadata = &r->initial;
	assert_int_equal(grpc_call_start_batch(r->call, ops, r->opened ? 1 : 2, r, NULL),
			 GRPC_CALL_OK);
	r->opened = true;
	reader_wait(r);
	return message;
}

static grpc_status_code reader_status(struct reader *r)
{
	grpc_op op = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT };

	op.data.recv_status_on_client.trailing_metadata = &r->trailing;
	op.data.recv_status_on_client.status = &r->status;
	op.data.recv_status_on_client.status_details = &r->details;
	assert_int_equal(grpc_call_start_batch(r->call, &op, 1, r, NULL), GRPC_CALL_OK);
	assert_true(reader_wait(r));
	grpc_slice_unref(r->details);
	return r->status;
}

/* Cancels the call if it has not ended. */
static void reader_close(struct reader *r)
{
	grpc_call_cancel(r->call, NULL);
	grpc_call_unref(r->call);
	grpc_metadata_array_destroy(&r->initial);
	grpc_metadata_array_destroy(&r->trailing);
	grpc_completion_queue_shutdown(r->cq);
	grpc_completion_queue_destroy(r->cq);
	grpc_channel_destroy(r->channel);
}

/* Until the condition holds; bounded so that a failure is one. */
#define wait_until(cond) \
	do { \
		int64_t end_ = clock_monotonic_ns() + 20 * NSEC_PER_SEC; \
		while (!(cond) && clock_monotonic_ns() < end_) \
			poll(NULL, 0, 5); \
		assert_true(cond); \
	} while (0)

/* --- tests --- */

/* Count the containers of a message; *last: the greatest id so far, each one greater than it. */
static size_t count(grpc_byte_buffer *message, char *last)
{
	grpc_byte_buffer_reader reader;
	Runtime__V1__StreamContainersResponse *resp;
	grpc_slice all;
	size_t n;

	assert_true(grpc_byte_buffer_reader_init(&reader, message));
	all = grpc_byte_buffer_reader_readall(&reader);
	assert_true(GRPC_SLICE_LENGTH(all) < (size_t)LIMIT_BATCH + 1024);
	resp = runtime__v1__stream_containers_response__unpack(NULL, GRPC_SLICE_LENGTH(all),
							       GRPC_SLICE_START_PTR(all));
	assert_non_null(resp);
	n = resp->n_containers;
	for (size_t i = 0; i < n; i++) {
		assert_true(strcmp(resp->containers[i]->id, last) > 0);
		snprintf(last, ID_LEN + 1, "%s", resp->containers[i]->id);
	}
	runtime__v1__stream_containers_response__free_unpacked(resp, NULL);
	grpc_slice_unref(all);
	grpc_byte_buffer_reader_destroy(&reader);
	grpc_byte_buffer_destroy(message);
	return n;
}

static void test_all(void **state)
{
	char last[ID_LEN + 1] = "";
	grpc_byte_buffer *message;
	size_t n = 0;
	struct reader r;

	(void)state;
	reader_open(&r, STREAM_CONTAINERS->path);
	while ((message = reader_next(&r)))
		n += count(message, last);
	assert_int_equal(n, MANY);
	assert_int_equal(reader_status(&r), GRPC_STATUS_OK);
	wait_until(atomic_load(&answered.n) == 1);
	assert_int_equal(atomic_load(&answered.code), ERR_OK);
	assert_true(atomic_load(&answered.bytes) > 16 * MIB);
	reader_close(&r);
}

static void test_cancel_in_the_middle(void **state)
{
	char last[ID_LEN + 1] = "";
	struct reader r;

	(void)state;
	reader_open(&r, STREAM_CONTAINERS->path);
	for (int i = 0; i < 10; i++)
		assert_true(count(reader_next(&r), last) > 0);
	reader_close(&r);
	wait_until(atomic_load(&answered.n) == 1);
	assert_int_equal(atomic_load(&answered.code), ERR_CANCELLED);
	/* What was read, and what flow control had let through. */
	assert_true(atomic_load(&answered.bytes) < 8 * MIB);
	wait_until(server_get_counts(server).in_flight == 0);
}

static size_t sent_so_far(void)
{
	poll(NULL, 0, 300);
	return atomic_load(&answered.bytes);
}

static void test_never_read(void **state)
{
	struct reader r[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		reader_open(&r[i], STREAM_CONTAINERS->path);
	wait_until(server_get_counts(server).in_flight == ARRAY_LEN(r));
	sent_so_far();
	assert_int_equal(atomic_load(&answered.n), 0);
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		reader_close(&r[i]);
		wait_until(atomic_load(&answered.n) == i + 1);
		assert_int_equal(atomic_load(&answered.code), ERR_CANCELLED);
		assert_true(atomic_load(&answered.bytes) < 8 * MIB);
	}
	wait_until(server_get_counts(server).in_flight == 0);
}

static void test_wake(void **state)
{
	grpc_byte_buffer *message;
	struct reader r;

	(void)state;
	ticker.size = 10;
	atomic_store(&ticker.due, 1);
	reader_open(&r, methods[1].path);
	for (int i = 0; i < 3; i++) {
		message = reader_next(&r);
		assert_non_null(message);
		grpc_byte_buffer_destroy(message);
		/* It waits without being asked again, and is no call in flight. */
		wait_until(server_get_counts(server).in_flight == 0);
		atomic_store(&ticker.due, 1);
		rpc_feed_wake(ticker.call);
	}
	reader_close(&r);
	wait_until(atomic_load(&ticker.done) == 1);
	assert_true(atomic_load(&ticker.asked) <= 8);
	rpc_feed_wake(ticker.call); /* nothing left to wake */
	rpc_call_unref(ticker.call);
	assert_int_equal(atomic_load(&answered.code), ERR_CANCELLED);
}

/* The client does not read, so a message is on its way when the stream is failed. */
static void test_fail_unread(void **state)
{
	struct err e = ERR_NULL;
	unsigned asked;
	struct reader r;

	(void)state;
	ticker.size = 8 * MIB;
	atomic_store(&ticker.due, 1000);
	reader_open(&r, methods[1].path);
	wait_until(atomic_load(&ticker.due) < 1000);
	poll(NULL, 0, 300);
	asked = atomic_load(&ticker.asked);
	assert_true(asked <= 3);
	err_set(&e, ERR_EXHAUSTED, "too slow");
	rpc_feed_fail(ticker.call, &e);
	wait_until(atomic_load(&ticker.done) == 1);
	rpc_feed_fail(ticker.call, &e);
	rpc_call_unref(ticker.call);
	assert_int_equal(atomic_load(&answered.n), 1);
	for (grpc_byte_buffer *m; (m = reader_next(&r));)
		grpc_byte_buffer_destroy(m);
	assert_int_equal(reader_status(&r), GRPC_STATUS_RESOURCE_EXHAUSTED);
	assert_int_equal(atomic_load(&ticker.asked), asked);
	reader_close(&r);
}

static void test_drain(void **state)
{
	int64_t start = clock_monotonic_ns();
	struct reader r;

	(void)state;
	atomic_store(&ticker.due, 0);
	atomic_store(&ticker.asked, 0); /* of the test before */
	reader_open(&r, methods[1].path);
	wait_until(atomic_load(&ticker.asked) > 0);
	assert_int_equal(server_drain(server, 30000), 0);
	assert_true(clock_monotonic_ns() - start < 20 * NSEC_PER_SEC);
	assert_int_equal(atomic_load(&ticker.done), 1);
	assert_null(reader_next(&r));
	assert_int_equal(reader_status(&r), GRPC_STATUS_UNAVAILABLE);
	rpc_call_unref(ticker.call);
	reader_close(&r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all),	 TEST(test_cancel_in_the_middle), TEST(test_never_read),
		TEST(test_wake), TEST(test_fail_unread),	  TEST(test_drain),
	};

	return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
