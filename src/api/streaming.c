/*
 * streaming.c - Exec, Attach and PortForward: each prepares a session and answers its URL.
 */
#include "api/handlers.h"
#include "gen/cri_rpc.h"
#include "pod/stream.h"

int rpc_new_exec(const Runtime__V1__ExecRequest *req, struct object **ret, struct err *e)
{
	return stream_for_exec(req, ret, e);
}

int rpc_new_attach(const Runtime__V1__AttachRequest *req, struct object **ret, struct err *e)
{
	return stream_for_attach(req, ret, e);
}

int rpc_new_port_forward(const Runtime__V1__PortForwardRequest *req, struct object **ret,
			 struct err *e)
{
	return stream_for_port_forward(req, ret, e);
}

/* url: the field of resp for it. */
static void answer(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e,
		   const ProtobufCMessage *resp, char **url)
{
	if (e) {
		rpc_fail(rpc, e);
		return;
	}
	*url = (char *)(uintptr_t)stream_url(obj);
	rpc_reply(rpc, resp);
}

void rpc_answer_exec(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	Runtime__V1__ExecResponse resp = RUNTIME__V1__EXEC_RESPONSE__INIT;

	answer(rpc, obj, e, &resp.base, &resp.url);
}

void rpc_answer_attach(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	Runtime__V1__AttachResponse resp = RUNTIME__V1__ATTACH_RESPONSE__INIT;

	answer(rpc, obj, e, &resp.base, &resp.url);
}

void rpc_answer_port_forward(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	Runtime__V1__PortForwardResponse resp = RUNTIME__V1__PORT_FORWARD_RESPONSE__INIT;

	answer(rpc, obj, e, &resp.base, &resp.url);
}
