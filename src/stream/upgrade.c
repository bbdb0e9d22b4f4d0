/*
 * upgrade.c - negotiation of protocol and version, the 101 reply, and the session's start.
 */
#include "stream/upgrade.h"

#include "stream/portforward.h"
#include "stream/remotecommand.h"

/* Supported protocols: names for the negotiation, and the form of each. */
static const char *const exec_protocols[] = {
	"v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io",
	"v2.channel.k8s.io", "channel.k8s.io",	  NULL,
};
static const struct remotecommand_form exec_forms[] = {
	{ .version = 5 }, { .version = 4 }, { .version = 3 }, { .version = 2 }, { .version = 1 },
};
static const char *const forward_protocols[] = { "portforward.k8s.io", NULL };

static const char *const exec_subprotocols[] = {
	"v5.channel.k8s.io", "v4.channel.k8s.io",     "v4.base64.channel.k8s.io",
	"channel.k8s.io",    "base64.channel.k8s.io", NULL,
};
static const struct remotecommand_form exec_subforms[] = {
	{ .version = 5, .websocket = true },
	{ .version = 4, .websocket = true },
	{ .version = 4, .websocket = true, .base64 = true },
	{ .version = 1, .websocket = true },
	{ .version = 1, .websocket = true, .base64 = true },
};
static const char *const forward_subprotocols[] = {
	"SPDY/3.1+portforward.k8s.io",
	"v4.channel.k8s.io",
	"v4.base64.channel.k8s.io",
	NULL,
};
#define FORWARD_TUNNEL 0
#define FORWARD_BASE64 2

static bool is_forward(const struct conn *c)
{
	return c->ask.kind == STREAM_KIND_PORT_FORWARD;
}

/* --- SPDY --- */

static void use_spdy(struct conn *c, const struct session_ops *ops, void *session)
{
	conn_set_session(c, ops, session);
	c->spdy = spdy_new(ops->spdy, session);
}

static void upgrade_spdy(struct conn *c, const struct http_head *h)
{
	const char *const *have = is_forward(c) ? forward_protocols : exec_protocols;
	int i = http_choose(&h->protocols, have);

	if (!h->protocols.n) {
		_cleanup_free_ char *body =
			xasprintf("unable to upgrade: header X-Stream-Protocol-Version %s",
				  h->protocols.present ? "names no protocol" : "is missing");

		conn_answer(c, "400 Bad Request", "", body);
	} else if (i < 0) {
		_cleanup_buf_ struct buf list = BUF_NULL;

		for (int k = 0; have[k]; k++)
			buf_printf(&list, "X-Accepted-Stream-Protocol-Versions: %s\r\n", have[k]);
		conn_answer(c, "403 Forbidden", list.data,
			    "unable to upgrade: unable to negotiate protocol");
	} else if (!h->connection_upgrade || !h->spdy) {
		conn_answer(c, "400 Bad Request", "",
			    "unable to upgrade: missing upgrade headers in request");
	} else {
		buf_printf(&c->out,
			   "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
			   "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: %s\r\n\r\n",
			   have[i]);
		if (is_forward(c))
			use_spdy(c, &portforward_ops, portforward_new(c));
		else
			use_spdy(c, &remotecommand_ops, remotecommand_new(c, &exec_forms[i]));
	}
}

/* --- WebSocket --- */

static void tunnel_data(void *arg, const void *data, size_t size, bool first, bool last)
{
	struct conn *c = arg;
	struct err e = ERR_NULL;

	(void)first;
	(void)last;
	if (c->ws.text || spdy_feed(c->spdy, data, size, conn_out(c), &e) < 0)
		conn_kill(c);
}

static void tunnel_closed(void *arg)
{
	conn_kill(arg);
}

static const struct ws_ops tunnel_ops = { tunnel_data, tunnel_closed };

/* i: index of the subprotocol; -1: the client has named none. */
static void start_websocket(struct conn *c, int i)
{
	static const struct remotecommand_form oldest = { .version = 1, .websocket = true };

	if (is_forward(c) && i == FORWARD_TUNNEL) {
		use_spdy(c, &portforward_ops, portforward_new(c));
		c->tunnel = true;
		c->ws = (struct ws){ .ops = &tunnel_ops, .arg = c };
	} else if (is_forward(c)) {
		conn_set_session(c, &portforward_ops,
				 portforward_new_channels(c, i == FORWARD_BASE64));
		c->ws = (struct ws){ .ops = portforward_ops.ws, .arg = c->session };
	} else {
		conn_set_session(c, &remotecommand_ops,
				 remotecommand_new(c, i < 0 ? &oldest : &exec_subforms[i]));
		c->ws = (struct ws){ .ops = remotecommand_ops.ws, .arg = c->session };
		conn_begin(c);
	}
}

static void accept_websocket(struct conn *c, const struct http_head *h, int i)
{
	const char *const *have = is_forward(c) ? forward_subprotocols : exec_subprotocols;
	char accept[WS_ACCEPT_LEN + 1];

	ws_accept(h->ws_key.p, h->ws_key.n, accept);
	buf_printf(&c->out,
		   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
		   accept);
	if (i >= 0)
		buf_printf(&c->out, "Sec-WebSocket-Protocol: %s\r\n", have[i]);
	buf_puts(&c->out, "\r\n");
	start_websocket(c, i);
}

static void upgrade_websocket(struct conn *c, const struct http_head *h)
{
	const char *const *have = is_forward(c) ? forward_subprotocols : exec_subprotocols;
	int i = http_choose(&h->subprotocols, have);

	if (h->method != HTTP_METHOD_GET)
		conn_answer(c, "405 Method Not Allowed", "Allow: GET\r\n", "bad method");
	else if (!h->ws_version_13)
		conn_answer(c, "400 Bad Request", "Sec-WebSocket-Version: 13\r\n",
			    "missing or bad WebSocket Version");
	else if (!h->ws_key.n)
		conn_answer(c, "400 Bad Request", "", "mismatch challenge/response");
	else if (i < 0 && h->subprotocols.n)
		conn_answer(c, "403 Forbidden", "", "");
	else if (is_forward(c) && i != FORWARD_TUNNEL && !c->ask.n_ports)
		conn_answer(c, "400 Bad Request", "",
			    "unable to upgrade: the PortForward call named no port");
	else
		accept_websocket(c, h, i);
}

void upgrade(struct conn *c, const struct http_head *h)
{
	if (h->websocket && h->connection_upgrade)
		upgrade_websocket(c, h);
	else
		upgrade_spdy(c, h);
}
