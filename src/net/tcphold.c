/*
 * tcphold.c - one nftables table for each holder, with its flows in two sets.
 */
#include "net/tcphold.h"

#include "net/nft.h"
#include "os/ns.h"

struct hold {
	const struct buf *text;
};

static void put_set(const char *name, const char *type, bool v6, const struct tcp_flow *flows,
		    size_t n, struct buf *to)
{
	const char *mark = "";

	buf_printf(to, "\tset %s {\n\t\ttype %s . inet_service . %s . inet_service\n", name, type,
		   type);
	for (size_t i = 0; i < n; i++) {
		const struct tcp_flow *f = &flows[i];

		if (f->v6 != v6)
			continue;
		buf_printf(to, "%s%s . %u . %s . %u", *mark ? mark : "\t\telements = { ", f->remote,
			   f->remote_port, f->local, f->local_port);
		mark = ", ";
	}
	buf_puts(to, *mark ? " }\n\t}\n" : "\t}\n");
}

void tcphold_text(const char *table, const struct tcp_flow *flows, size_t n, struct buf *to)
{
	buf_printf(to, "table inet %s\ndelete table inet %s\n", table, table);
	if (!n)
		return;
	buf_printf(to, "table inet %s {\n", table);
	put_set("v4", "ipv4_addr", false, flows, n, to);
	put_set("v6", "ipv6_addr", true, flows, n, to);
	buf_puts(to, "\tchain in {\n"
		     "\t\ttype filter hook input priority -300; policy accept;\n"
		     "\t\tip saddr . tcp sport . ip daddr . tcp dport @v4 drop\n"
		     "\t\tip6 saddr . tcp sport . ip6 daddr . tcp dport @v6 drop\n"
		     "\t}\n}\n");
}

/* --- in the namespace --- */

static int replace_inside(void *arg, struct err *e)
{
	const struct hold *h = arg;
	struct spawn_result res = SPAWN_RESULT_NULL;
	int r = nft_run((const char *const[]){ "-f", "-", NULL }, h->text->data, h->text->len, -1,
			&res, e);

	if (r == 0 && res.status != 0)
		r = err_set(e, ERR_PRECONDITION, "nft: exit status %d: %.120s", res.status,
			    res.err.len ? res.err.data : "");
	spawn_result_done(&res);
	return r > 0 ? -(int)e->code : r;
}

int tcphold_set(const char *netns, const char *table, const struct tcp_flow *flows, size_t n,
		struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct hold h = { &text };

	tcphold_text(table, flows, n, &text);
	return ns_run_inside(netns, replace_inside, &h, e) < 0
		       ? err_wrap(e, "hold the connections of a checkpoint")
		       : 0;
}

int tcphold_clear(const char *netns, const char *table, struct err *e)
{
	return ns_is_pinned(netns) ? tcphold_set(netns, table, NULL, 0, e) : 0;
}
