/*
 * streaming.c - Exec, Attach and PortForward: they prepare a session and answer its URL.
 */
#include <stdlib.h>

#include "api/handlers.h"
#include "gen/cri_rpc.h"
#include "pod/stream.h"

/* A call that succeeded was answered where its URL was made. */
static void done_url(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	(void)obj;
	if (e)
		rpc_fail(rpc, e);
}

static int take_exec(struct caller *c, const void *req, struct err *e)
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

static int take_attach(struct caller *c, const void *req, struct err *e)
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

static int take_port_forward(struct caller *c, const void *req, struct err *e)
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

int rpc_exec(struct rpc_call *call, const Runtime__V1__ExecRequest *req, struct err *e)
{
	(void)e;
	return api_submit(call, req, take_exec, done_url);
}

int rpc_attach(struct rpc_call *call, const Runtime__V1__AttachRequest *req, struct err *e)
{
	(void)e;
	return api_submit(call, req, take_attach, done_url);
}

int rpc_port_forward(struct rpc_call *call, const Runtime__V1__PortForwardRequest *req,
		     struct err *e)
{
	(void)e;
	return api_submit(call, req, take_port_forward, done_url);
}
