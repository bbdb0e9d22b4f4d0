/*
 * client.c - the gRPC client: connects the socket itself and passes the descriptor to the library.
 * A missing server is then an errno at once instead of a retry loop.  Each call has its own
 * completion queue, which isolates threads.
 */
#include "api/client.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "api/wire.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

struct rpc_client {
	grpc_channel *channel;
	int64_t timeout_ms;
};

/* The results of one call. */
struct client_call {
	grpc_completion_queue *cq;
	grpc_call *call;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *answer;
	grpc_status_code status;
	grpc_slice details;
};

static int connect_unix(const char *path, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(e, ERR_INVALID, "socket path %.200s is longer than %zu bytes", path,
			       sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, ERR_UNAVAILABLE, errno, "socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_errno(e, ERR_UNAVAILABLE, errno, "connect to %s (does crispd run?)",
				 path);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set %s non-blocking", path);
	return take_fd(fd);
}

static grpc_channel *channel_make(int fd)
{
	grpc_arg args[] = {
		{
			.type = GRPC_ARG_INTEGER,
			.key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
			.value.integer = LIMIT_MESSAGE + LIMIT_MESSAGE_SLACK,
		},
		{
			.type = GRPC_ARG_STRING,
			.key = (char *)GRPC_ARG_DEFAULT_AUTHORITY,
			.value.string = (char *)"localhost",
		},
	};
	grpc_channel_args all = { .num_args = ARRAY_LEN(args), .args = args };
	grpc_channel_credentials *creds = grpc_insecure_credentials_create();
	grpc_channel *channel = grpc_channel_create_from_fd("crisp", fd, creds, &all);

	grpc_channel_credentials_release(creds);
	return channel;
}

int rpc_client_open(const char *path, int64_t timeout_ms, struct rpc_client **ret, struct err *e)
{
	struct rpc_client *c;
	int fd;

	if (str_starts(path, "unix://"))
		path += strlen("unix://");
	fd = connect_unix(path, e);
	if (fd < 0)
		return fd;
	grpc_init();
	c = xcalloc(1, sizeof(*c));
	c->timeout_ms = timeout_ms;
	c->channel = channel_make(fd);
	*ret = c;
	return 0;
}

void rpc_client_set_timeout(struct rpc_client *c, int64_t timeout_ms)
{
	c->timeout_ms = timeout_ms;
}

void rpc_client_close(struct rpc_client *c)
{
	if (!c)
		return;
	grpc_channel_destroy(c->channel);
	grpc_shutdown();
	free(c);
}

static grpc_byte_buffer *message_pack(const ProtobufCMessage *m)
{
	grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));
	grpc_byte_buffer *b;

	protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(slice));
	b = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return b;
}

static void client_call_open(struct client_call *x, struct rpc_client *c, const char *method)
{
	gpr_timespec deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
	grpc_slice name = grpc_slice_from_copied_string(method);

	if (c->timeout_ms > 0)
		deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
					gpr_time_from_millis(c->timeout_ms, GPR_TIMESPAN));
	x->cq = grpc_completion_queue_create_for_pluck(NULL);
	x->call = grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, x->cq, name,
					   NULL, deadline, NULL);
	grpc_slice_unref(name);
	grpc_metadata_array_init(&x->initial);
	grpc_metadata_array_init(&x->trailing);
	x->details = grpc_empty_slice();
}

static void client_call_done(struct client_call *x)
{
	if (x->answer)
		grpc_byte_buffer_destroy(x->answer);
	grpc_slice_unref(x->details);
	grpc_metadata_array_destroy(&x->initial);
	grpc_metadata_array_destroy(&x->trailing);
	grpc_call_unref(x->call);
	grpc_completion_queue_shutdown(x->cq);
	grpc_completion_queue_destroy(x->cq);
}

/* Run the whole call as one batch: request, response, status. */
static void client_call_run(struct client_call *x, grpc_byte_buffer *request)
{
	grpc_op ops[6] = { 0 };

	ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
	ops[1].op = GRPC_OP_SEND_MESSAGE;
	ops[1].data.send_message.send_message = request;
	ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[3].data.recv_initial_metadata.recv_initial_metadata = &x->initial;
	ops[4].op = GRPC_OP_RECV_MESSAGE;
	ops[4].data.recv_message.recv_message = &x->answer;
	ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
	ops[5].data.recv_status_on_client.trailing_metadata = &x->trailing;
	ops[5].data.recv_status_on_client.status = &x->status;
	ops[5].data.recv_status_on_client.status_details = &x->details;
	if (grpc_call_start_batch(x->call, ops, ARRAY_LEN(ops), x, NULL) == GRPC_CALL_OK)
		grpc_completion_queue_pluck(x->cq, x, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
}

static int answer_unpack(grpc_byte_buffer *b, const char *method,
			 const ProtobufCMessageDescriptor *d, ProtobufCMessage **ret, struct err *e)
{
	grpc_byte_buffer_reader reader;
	grpc_slice all;
	int r;

	if (!b || !grpc_byte_buffer_reader_init(&reader, b))
		return err_set(e, ERR_INTERNAL, "%s: the server sent no answer", method);
	all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	r = wire_check(d, GRPC_SLICE_START_PTR(all), GRPC_SLICE_LENGTH(all), e);
	if (r < 0) {
		r = err_wrap(e, "%s: bad answer", method);
	} else {
		*ret = protobuf_c_message_unpack(d, NULL, GRPC_SLICE_LENGTH(all),
						 GRPC_SLICE_START_PTR(all));
		if (!*ret)
			r = err_set(e, ERR_INTERNAL, "%s: the answer cannot be decoded", method);
	}
	grpc_slice_unref(all);
	return r;
}

int rpc_client_call(struct rpc_client *c, const char *method, const ProtobufCMessage *req,
		    const ProtobufCMessageDescriptor *resp, ProtobufCMessage **ret, struct err *e)
{
	grpc_byte_buffer *request = message_pack(req);
	struct client_call x = { .status = GRPC_STATUS_UNKNOWN };
	int r;

	client_call_open(&x, c, method);
	client_call_run(&x, request);
	grpc_byte_buffer_destroy(request);
	if (x.status == GRPC_STATUS_OK)
		r = answer_unpack(x.answer, method, resp, ret, e);
	else
		r = err_set(e, (enum err_code)x.status, "%.*s", (int)GRPC_SLICE_LENGTH(x.details),
			    (const char *)GRPC_SLICE_START_PTR(x.details));
	client_call_done(&x);
	return r;
}
