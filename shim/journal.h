/*
 * journal.h - a copy of a container's output for journald, in the native protocol of its socket:
 * one datagram an entry, fields as conmon names them (CONTAINER_ID, CONTAINER_ID_FULL,
 * CONTAINER_NAME, PRIORITY, CONTAINER_PARTIAL_MESSAGE of a record that goes on).
 *
 * It is a copy: nothing ever waits for journald.  What it does not take is dropped, counted, and
 * told in an entry as soon as it takes one again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define JOURNAL_FIELDS_MAX 2048
#define JOURNAL_NAME_MAX 1024 /* bytes of the container's name that are kept */
#define JOURNAL_PARTS 4

struct journal {
	bool on;
	uint64_t lost; /* entries, not told yet */
	size_t len; /* of fields */
	char fields[JOURNAL_FIELDS_MAX];
};

/* From now on copies are sent. */
void journal_open(struct journal *j, const char *id, const char *name);

/* Whole records as logline.h writes them. */
void journal_write(struct journal *j, const char *records, size_t size);

/* Set the fields that all entries have.  Control characters of the name become "_".  Pure. */
void journal_describe(struct journal *j, const char *id, const char *name);

/* One record, without its newline, as an entry in parts that point to j, the record and constants.
 * false: it is no record.  Pure. */
bool journal_entry(const struct journal *j, const char *record, size_t size,
		   struct iovec parts[JOURNAL_PARTS]);
