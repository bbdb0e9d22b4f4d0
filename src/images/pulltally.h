/*
 * pulltally.h - what pulls have transferred, reused and failed for, by the labels of CRI-O's
 * metrics.  Since this daemon's start; a pull is counted when it ends.  Loop thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"

/* Sizes of blobs: entry i > 0 counts what is larger than bytes of entry i and of no later one. */
#define PULLTALLY_SIZES 12
struct pulltally_size {
	const char *label; /* ">1 MiB": in the names CRI-O's units are binary, in fact decimal */
	uint64_t bytes; /* lower bound, exclusive */
};
extern const struct pulltally_size pulltally_sizes[PULLTALLY_SIZES];

/* Media types of layers, with "other" as the last. */
#define PULLTALLY_TYPES 8
extern const char *const pulltally_types[PULLTALLY_TYPES];

/* Why pulls fail: the error codes of registries, and CRI-O's own.  The last is UNKNOWN. */
#define PULLTALLY_ERRORS 19
struct pulltally_error {
	const char *label; /* value of the label `error` */
	const char *text; /* part of the error's text; NULL: any */
};
extern const struct pulltally_error pulltally_errors[PULLTALLY_ERRORS];

/* A layer that pulls found on this node. */
struct pulltally_reuse {
	char *name; /* REFERENCE@DIGEST */
	uint64_t n;
};

struct pulltally {
	uint64_t received[PULLTALLY_TYPES][PULLTALLY_SIZES]; /* bytes */
	uint64_t reused[PULLTALLY_SIZES]; /* bytes of blobs that were not fetched */
	uint64_t layers[PULLTALLY_SIZES]; /* layers fetched as a whole */
	uint64_t layers_bytes;
	uint64_t failed[PULLTALLY_ERRORS]; /* at the first entry with the label */
};

/* Add what one pull of reference did. */
void pulltally_add(const char *reference, Crisp__Pull__Fetched *const *list, size_t n);
/* Count a failed pull. */
void pulltally_failed(const struct err *why);

const struct pulltally *pulltally(void);
/* The next reused layer; *pos starts at 0; NULL: the end.  At most 1024 are kept by name, others
 * count as "other". */
const struct pulltally_reuse *pulltally_reused(size_t *pos);
/* Forget everything: shutdown, tests. */
void pulltally_reset(void);
