/*
 * client.h - a plain gRPC client on a unix socket, for the crisp command and the tests.
 * The generated typed client (gen/cri_client.h) is built on rpc_client_call.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "base/err.h"

struct rpc_client;

/* Connect to path, with or without the prefix "unix://".  timeout_ms: limit of each call; 0: none.
 * ERR_UNAVAILABLE: no server listens.  Call grpc_env_init (grpc_env.h) before. */
int rpc_client_open(const char *path, int64_t timeout_ms, struct rpc_client **ret, struct err *e);

/* Set the limit of the calls that follow; no call may be under way on another thread. */
void rpc_client_set_timeout(struct rpc_client *c, int64_t timeout_ms);

/* Call the unary method ("/runtime.v1.RuntimeService/Version") and wait for its end.  A status
 * other than OK becomes the error, code and text.  Free *ret with
 * protobuf_c_message_free_unpacked(m, NULL).  Several threads may call at the same time. */
int rpc_client_call(struct rpc_client *c, const char *method, const ProtobufCMessage *req,
		    const ProtobufCMessageDescriptor *resp, ProtobufCMessage **ret, struct err *e);

/* Close the connection; no call may be under way.  c may be NULL. */
void rpc_client_close(struct rpc_client *c);

static inline void rpc_client_closep(struct rpc_client **c)
{
	rpc_client_close(*c);
}
