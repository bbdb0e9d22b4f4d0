/*
 * client.h - a plain gRPC client on a unix socket, for the crisp command and the tests.
 *
 * The generated typed client (gen/cri_client.h) stands on rpc_client_call.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "base/err.h"

struct rpc_client;

/* Connect to path ("unix://" before it is fine).  timeout_ms: what each call may take, 0: for
 * ever.  ERR_UNAVAILABLE when nobody listens.  Call grpc_env_init (grpc_env.h) before. */
int rpc_client_open(const char *path, int64_t timeout_ms, struct rpc_client **ret, struct err *e);

/* For the calls that follow; not while a call is under way on another thread. */
void rpc_client_set_timeout(struct rpc_client *c, int64_t timeout_ms);

/* Call method ("/runtime.v1.RuntimeService/Version") and wait for the end.  A status other than
 * OK becomes the error, code and text.  *ret is malloc'ed: free it with
 * protobuf_c_message_free_unpacked(m, NULL).  Not for methods that stream.  Several threads may
 * call at the same time. */
int rpc_client_call(struct rpc_client *c, const char *method, const ProtobufCMessage *req,
		    const ProtobufCMessageDescriptor *resp, ProtobufCMessage **ret, struct err *e);

/* No call may be under way.  NULL is fine. */
void rpc_client_close(struct rpc_client *c);

static inline void rpc_client_closep(struct rpc_client **c)
{
	rpc_client_close(*c);
}
