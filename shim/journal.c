/*
 * journal.c - entries for journald over one datagram socket, in batches.
 */
#include "shim/journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "shim/logline.h"
#include "shim/spawner.h"

#define BATCH 32 /* entries per sendmmsg */
#define ABSENT_NS NSEC_PER_SEC /* interval between attempts while journald is not running */
#define SEND_BUFFER (1024 * 1024)

static struct sockaddr_un journald = { .sun_family = AF_UNIX,
				       .sun_path = "/run/systemd/journal/socket" };
static int journal_fd = -1;
static int64_t absent_until;

#define TEXT(s) ((struct iovec){ (char *)(uintptr_t)(s), sizeof(s) - 1 })

void journal_describe(struct journal *j, const char *id, const char *name)
{
	char clean[JOURNAL_NAME_MAX + 1];
	size_t n = 0;

	for (; name[n] && n < JOURNAL_NAME_MAX; n++)
		clean[n] = (unsigned char)name[n] < ' ' || name[n] == 0x7f ? '_' : name[n];
	clean[n] = '\0';
	j->len = (size_t)snprintf(j->fields, sizeof(j->fields),
				  "CONTAINER_ID=%.12s\nCONTAINER_ID_FULL=%.128s\n"
				  "CONTAINER_NAME=%s\nSYSLOG_IDENTIFIER=%.128s\n",
				  id, id, clean, clean);
}

void journal_open(struct journal *j, const char *id, const char *name)
{
	journal_describe(j, id, name);
	j->lost = 0;
	if (journal_fd < 0) {
		journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (journal_fd >= 0)
			spawner_widen(journal_fd, SEND_BUFFER);
		else
			log_warn("no output is copied to journald", "error=\"%s\"",
				 strerror(errno));
	}
	j->on = journal_fd >= 0;
}

bool journal_entry(const struct journal *j, const char *record, size_t size,
		   struct iovec parts[JOURNAL_PARTS])
{
	bool partial, is_err;

	if (size < LOGLINE_PREFIX)
		return false;
	is_err = memcmp(record + LOGLINE_STAMP + 1, "stderr", 6) == 0;
	partial = record[LOGLINE_PREFIX - 2] == 'P';
	parts[0] = (struct iovec){ (char *)(uintptr_t)j->fields, j->len };
	parts[1] = is_err ? TEXT("PRIORITY=3\nMESSAGE=") : TEXT("PRIORITY=6\nMESSAGE=");
	parts[2] = (struct iovec){ (char *)(uintptr_t)(record + LOGLINE_PREFIX),
				   size - LOGLINE_PREFIX };
	parts[3] = partial ? TEXT("\nCONTAINER_PARTIAL_MESSAGE=true\n") : TEXT("\n");
	return true;
}

/* Returns the number of entries that journald has accepted. */
static unsigned send_entries(struct iovec (*entries)[JOURNAL_PARTS], unsigned n)
{
	static struct mmsghdr msgs[BATCH];
	int sent;

	for (unsigned i = 0; i < n; i++)
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &journald,
						   .msg_namelen = sizeof(journald),
						   .msg_iov = entries[i],
						   .msg_iovlen = JOURNAL_PARTS };
	sent = sendmmsg(journal_fd, msgs, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && (errno == ENOENT || errno == ECONNREFUSED))
		absent_until = clock_monotonic_ns() + ABSENT_NS;
	return sent < 0 ? 0 : (unsigned)sent;
}

/* false: journald accepts nothing now. */
static bool tell_lost(struct journal *j)
{
	struct iovec entry[1][JOURNAL_PARTS];
	char text[64];

	if (!j->lost)
		return true;
	snprintf(text, sizeof(text), "[crisp: %llu messages lost]", (unsigned long long)j->lost);
	entry[0][0] = (struct iovec){ j->fields, j->len };
	entry[0][1] = TEXT("PRIORITY=4\nMESSAGE=");
	entry[0][2] = (struct iovec){ text, strlen(text) };
	entry[0][3] = TEXT("\n");
	if (send_entries(entry, 1) == 0)
		return false;
	j->lost = 0;
	return true;
}

void journal_write(struct journal *j, const char *records, size_t size)
{
	static struct iovec entries[BATCH][JOURNAL_PARTS];
	bool takes = absent_until == 0 || clock_monotonic_ns() >= absent_until;

	takes = takes && tell_lost(j);
	while (size) {
		unsigned n = 0, sent;

		while (n < BATCH && size) {
			const char *nl = memchr(records, '\n', size);
			size_t len = nl ? (size_t)(nl - records) : size;

			n += journal_entry(j, records, len, entries[n]);
			len += nl ? 1 : 0;
			records += len;
			size -= len;
		}
		sent = takes ? send_entries(entries, n) : 0;
		takes = takes && sent == n;
		j->lost += n - sent;
	}
}
