/*
 * listing.h - entries of the CRI's lists: in the boot environment, one per row, a head with the
 * fields that filters read, then the packed CRI message.
 *
 * The commit that changes an object writes its entry.  So a list is a scan of one snapshot, without
 * access to objects and without packing.  Any thread may read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/objects.h"
#include "gen/state.pb-c.h"

/* Precedes the packed message. */
struct listing_head {
	uint32_t state; /* the CRI enum's value */
	uint32_t hidden; /* 1: omitted from lists: no CRI status, or no client has the id */
	char owner[ID_LEN + 1]; /* a container's sandbox */
};

struct listing {
	struct listing_head head;
	const char *id; /* valid during the callback, as item */
	const void *item; /* runtime.v1.PodSandbox, Container or Image, packed */
	size_t size;
};

/* For kind_ops.put_listing: store the head and item, the CRI message of the row.
 * owner: id of a container's sandbox, else "". */
void listing_put(enum kind k, const char *id, const struct sm_state *state, const void *row,
		 const char *owner, const ProtobufCMessage *item, struct store_txn *t);
void listing_del(enum kind k, const char *id, struct store_txn *t);

/* After loading: write rows and entries of all stored objects to the boot environment, delete all
 * others. */
int listing_rebuild(struct err *e);

/* On the loop: write the entries of a kind anew, after a change of the configuration that they
 * depend on. */
int listing_refresh(enum kind k, struct err *e);

/* Call fn for every entry of a kind that is not hidden, in one snapshot, ordered by id.
 * after: skip the entries up to this id, which need not exist; "": none.  A nonzero result of fn
 * ends the scan and is returned. */
int listing_each(enum kind k, const char *after, int (*fn)(void *arg, const struct listing *v),
		 void *arg, struct err *e);

/* One object's stored envelope, by id or unique prefix, unpacked with the default allocator.  Free
 * with listing_row_done.  <0: e is set (codes of world_lookup; ERR_NOT_FOUND also for a hidden
 * object; ERR_DATA_LOSS: the row does not decode). */
struct listing_row {
	enum kind kind;
	char id[ID_LEN + 1];
	Crisp__State__Envelope *envelope;
	void *row; /* the machine's message */
	const struct sm_state *state;
};
#define LISTING_ROW_NULL ((struct listing_row){ .envelope = NULL })
int listing_get(enum kind k, const char *id, struct listing_row *ret, struct err *e);
/* listing_get, of a hidden object, too: it is being made or undone. */
int listing_read(enum kind k, const char *id, struct listing_row *ret, struct err *e);
/* Unpack an envelope of the object id, which has ID_LEN characters.  ERR_DATA_LOSS: it does not
 * decode. */
int listing_row_unpack(enum kind k, const char *id, const void *envelope, size_t size,
		       struct listing_row *ret, struct err *e);
void listing_row_done(struct listing_row *r);

/* Is a row in this state left out of lists? */
bool listing_is_hidden(enum kind k, const struct sm_state *state, const void *row);

/* Value of the state's `shows` in the CRI enum; -1: the state has no `shows`. */
int listing_shows(enum kind k, const struct sm_state *state);
