/*
 * streaming.c - Exec, Attach and PortForward: prepare a session and return its URL.
 */
#include <stdlib.h>

#include "api/handlers.h"
#include "core/calls.h"
#include "gen/cri_rpc.h"
#include "pod/stream.h"

int rpc_take_exec(struct caller *c, const Runtime__V1__ExecRequest *req, struct err *e)
{
	Runtime__V1__ExecResponse resp = RUNTIME__V1__EXEC_RESPONSE__INIT;
	_cleanup_free_ char *url = NULL;
	int r = stream_session_exec(req, &url, e);

	if (r < 0)
		return r;
	resp.url = url;
	rpc_reply(c->rpc, &resp.base);
	caller_finish(c, NULL, NULL);
	return 0;
}

int rpc_take_attach(struct caller *c, const Runtime__V1__AttachRequest *req, struct err *e)
{
	Runtime__V1__AttachResponse resp = RUNTIME__V1__ATTACH_RESPONSE__INIT;
	_cleanup_free_ char *url = NULL;
	int r = stream_session_attach(req, &url, e);

	if (r < 0)
		return r;
	resp.url = url;
	rpc_reply(c->rpc, &resp.base);
	caller_finish(c, NULL, NULL);
	return 0;
}

int rpc_take_port_forward(struct caller *c, const Runtime__V1__PortForwardRequest *req,
			  struct err *e)
{
	Runtime__V1__PortForwardResponse resp = RUNTIME__V1__PORT_FORWARD_RESPONSE__INIT;
	_cleanup_free_ char *url = NULL;
	int r = stream_session_port_forward(req, &url, e);

	if (r < 0)
		return r;
	resp.url = url;
	rpc_reply(c->rpc, &resp.base);
	caller_finish(c, NULL, NULL);
	return 0;
}
