/*
 * fuzz_journal.c - entries for journald of any container name and output: the fields are crisp's,
 * the message is the record's content.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/util.h"
#include "shim/journal.h"
#include "shim/logline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Fields of an entry: each line is one, and none of them can come from the name or the content. */
static unsigned count_fields(const struct buf *entry)
{
	static const char *const known[] = { "CONTAINER_ID=",
					     "CONTAINER_ID_FULL=",
					     "CONTAINER_NAME=",
					     "SYSLOG_IDENTIFIER=",
					     "PRIORITY=",
					     "MESSAGE=",
					     "CONTAINER_PARTIAL_MESSAGE=true" };
	const char *p = entry->data, *end = p + entry->len;
	unsigned n = 0;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		bool found = false;

		assert(nl);
		for (size_t i = 0; i < ARRAY_LEN(known) && !found; i++)
			found = (size_t)(nl - p) >= strlen(known[i]) &&
				memcmp(p, known[i], strlen(known[i])) == 0;
		assert(found);
		n++;
		p = nl + 1;
	}
	return n;
}

static void check_entry(const struct journal *j, const char *record, size_t size)
{
	_cleanup_buf_ struct buf entry = BUF_NULL;
	struct iovec parts[JOURNAL_PARTS];

	if (!journal_entry(j, record, size, parts)) {
		assert(size < LOGLINE_PREFIX);
		return;
	}
	for (size_t i = 0; i < JOURNAL_PARTS; i++)
		buf_add(&entry, parts[i].iov_base, parts[i].iov_len);
	assert(count_fields(&entry) == (record[LOGLINE_PREFIX - 2] == 'P' ? 7 : 6));
	assert(parts[2].iov_len == size - LOGLINE_PREFIX);
}

/* The first line is the container's name, each other one a record. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_buf_ struct buf name = BUF_NULL;
	const char *p = (const char *)data, *end = p + size;
	const char *nl = size ? memchr(p, '\n', size) : NULL;
	static struct journal j;

	if (!nl)
		return 0;
	buf_add(&name, p, (size_t)(nl - p));
	buf_add(&name, "", 1);
	journal_describe(&j, "0123456789abcdef", name.data);
	assert(j.len < sizeof(j.fields));
	for (p = nl + 1; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			break;
		check_entry(&j, p, (size_t)(nl - p));
	}
	return 0;
}
