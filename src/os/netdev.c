/*
 * netdev.c - read the counters of interfaces from /proc, in a thread inside the namespace: one file
 * has all of them, without any set-up.
 */
#include "os/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "os/ns.h"

#define NET_DEV_BYTES (1024 * 1024)
#define READ_BYTES 4096

/* The used columns after the name. */
enum net_column {
	NET_COLUMN_RX_BYTES,
	NET_COLUMN_RX_PACKETS,
	NET_COLUMN_RX_ERRORS,
	NET_COLUMN_RX_DROPPED,
	NET_COLUMN_TX_BYTES = 8,
	NET_COLUMN_TX_PACKETS,
	NET_COLUMN_TX_ERRORS,
	NET_COLUMN_TX_DROPPED,
	NET_COLUMN_COUNT,
};

/* Parse " eth0: 1 2 3 ..."; false: another format.  Changes the line. */
static bool parse_line(char *line, struct netdev *ret)
{
	char *name = line + strspn(line, " "), *rest = strchr(name, ':'), *word;
	uint64_t columns[NET_COLUMN_COUNT];
	size_t n = 0;

	if (!rest || rest == name || rest - name >= IFNAMSIZ)
		return false;
	*rest++ = '\0';
	while (n < NET_COLUMN_COUNT && (word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		if (str_to_u64(word, UINT64_MAX, &columns[n++]) < 0)
			return false;
	}
	if (n < NET_COLUMN_COUNT || strcmp(name, "lo") == 0)
		return false;
	memcpy(ret->name, name, strlen(name) + 1);
	ret->rx_bytes = columns[NET_COLUMN_RX_BYTES];
	ret->rx_packets = columns[NET_COLUMN_RX_PACKETS];
	ret->rx_errors = columns[NET_COLUMN_RX_ERRORS];
	ret->rx_dropped = columns[NET_COLUMN_RX_DROPPED];
	ret->tx_bytes = columns[NET_COLUMN_TX_BYTES];
	ret->tx_packets = columns[NET_COLUMN_TX_PACKETS];
	ret->tx_errors = columns[NET_COLUMN_TX_ERRORS];
	ret->tx_dropped = columns[NET_COLUMN_TX_DROPPED];
	return true;
}

void netdev_parse(const char *text, struct netdev **ret, size_t *ret_n)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *line;
	struct netdev *list = NULL;
	size_t n = 0;

	while (n < NETDEV_MAX && (line = strsep(&rest, "\n"))) {
		struct netdev dev;

		if (!parse_line(line, &dev))
			continue;
		list = xrealloc(list, (n + 1) * sizeof(*list));
		list[n++] = dev;
	}
	*ret = list;
	*ret_n = n;
}

static int open_inside(void *arg, struct err *e)
{
	int *fd = arg;

	*fd = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_errno(e, ERR_INTERNAL, errno, "open /proc/thread-self/net/dev") : 0;
}

int netdev_open(const char *path, int *ret_fd, struct err *e)
{
	if (!ns_is_pinned(path))
		return 1;
	if (ns_run_inside(path, open_inside, ret_fd, e) < 0)
		return err_wrap(e, "network counters");
	return 0;
}

int netdev_read_fd(int fd, struct netdev **ret, size_t *ret_n, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	ssize_t n;

	*ret = NULL;
	*ret_n = 0;
	do {
		n = pread(fd, buf_reserve(&text, READ_BYTES), READ_BYTES, (off_t)text.len);
		if (n < 0)
			return err_errno(e, ERR_INTERNAL, errno, "read network counters");
		buf_commit(&text, (size_t)n);
	} while (n && text.len < NET_DEV_BYTES);
	netdev_parse(text.data ? text.data : "", ret, ret_n);
	return 0;
}

int netdev_read(const char *path, struct netdev **ret, size_t *ret_n, struct err *e)
{
	_cleanup_close_ int fd = -1;
	int r = netdev_open(path, &fd, e);

	*ret = NULL;
	*ret_n = 0;
	return r ? r : netdev_read_fd(fd, ret, ret_n, e);
}
