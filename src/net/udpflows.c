/*
 * udpflows.c - lists connection entries (libnetfilter_conntrack) and deletes those of the ports.
 */
#include "net/udpflows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/util.h"

struct flows {
	struct nfct_handle *list, *drop;
	bool wanted[65536];
	int failed; /* errno of a deletion */
};

static void close_handle(struct nfct_handle *h)
{
	if (h)
		nfct_close(h);
}

static void flows_donep(struct flows **f)
{
	close_handle((*f)->list);
	close_handle((*f)->drop);
	free(*f);
}

static int drop_entry(enum nf_conntrack_msg_type type, struct nf_conntrack *ct, void *data)
{
	struct flows *f = data;

	(void)type;
	if (nfct_get_attr_u8(ct, ATTR_ORIG_L4PROTO) != IPPROTO_UDP ||
	    !f->wanted[ntohs(nfct_get_attr_u16(ct, ATTR_ORIG_PORT_DST))])
		return NFCT_CB_CONTINUE;
	/* ENOENT: it has just expired. */
	if (nfct_query(f->drop, NFCT_Q_DESTROY, ct) < 0 && errno != ENOENT)
		f->failed = errno;
	return NFCT_CB_CONTINUE;
}

int udpflows_drop(const uint16_t *ports, size_t n, struct err *e)
{
	static const uint32_t families[] = { AF_INET, AF_INET6 };
	_cleanup_(flows_donep) struct flows *f = NULL;

	f = xcalloc(1, sizeof(*f));
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		f->wanted[ports[i]] = true;
	f->list = nfct_open(CONNTRACK, 0);
	f->drop = nfct_open(CONNTRACK, 0);
	if (!f->list || !f->drop || nfct_callback_register(f->list, NFCT_T_ALL, drop_entry, f) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open the connection tracking");
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		if (nfct_query(f->list, NFCT_Q_DUMP, &families[i]) < 0)
			return err_errno(e, ERR_INTERNAL, errno, "list UDP connections");
	if (f->failed)
		return err_errno(e, ERR_INTERNAL, f->failed, "drop a UDP connection");
	return 0;
}
