/*
 * journal.h - copy a container's output to journald, in the native protocol of its socket: one
 * datagram per entry, fields as conmon names them (CONTAINER_ID, CONTAINER_ID_FULL, CONTAINER_NAME,
 * PRIORITY, CONTAINER_PARTIAL_MESSAGE for a record that continues).
 *
 * The container and its log never wait for journald.  Entries that journald does not accept are
 * dropped and counted; the next accepted entry is preceded by one with the count.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define JOURNAL_FIELDS_MAX 2048
#define JOURNAL_NAME_MAX 1024 /* bytes of the container's name in an entry */
#define JOURNAL_PARTS 4

struct journal {
	bool on;
	uint64_t lost; /* dropped entries, not reported yet */
	size_t len; /* of fields */
	char fields[JOURNAL_FIELDS_MAX];
};

/* Set the fields and send copies from now on. */
void journal_open(struct journal *j, const char *id, const char *name);

/* records: whole records as logline.h formats them. */
void journal_write(struct journal *j, const char *records, size_t size);

/* Set the fields of every entry.  Control characters in name become "_".  Pure. */
void journal_describe(struct journal *j, const char *id, const char *name);

/* Make the entry of one record without its newline.  parts point into j, record and constants.
 * false: not a record.  Pure. */
bool journal_entry(const struct journal *j, const char *record, size_t size,
		   struct iovec parts[JOURNAL_PARTS]);
