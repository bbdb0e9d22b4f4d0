/*
 * listing.h - what lists are made of: beside each row, in the boot environment, the CRI's own
 * message for it, packed, behind the few fields that filters look at.
 *
 * Written by the commit that changes the object, so a list is a scan of one snapshot: no object
 * is asked and nothing is packed.  Reading is for any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/objects.h"
#include "gen/state.pb-c.h"

/* In front of the packed message. */
struct listing_head {
	uint32_t state; /* the CRI enum's value */
	uint32_t hidden; /* 1: its id was never given to anybody, lists pass over it */
	char owner[ID_LEN + 1]; /* a container's sandbox */
};

struct listing {
	struct listing_head head;
	const char *id; /* valid as long as the callback */
	const void *item; /* runtime.v1.PodSandbox, Container or Image, packed */
	size_t size;
};

/* For kind_ops.put_listing: put item, the CRI's message for the row, behind its head.
 * owner: of a container its sandbox, else "". */
void listing_put(enum kind k, const char *id, const struct sm_state *state, const void *row,
		 const char *owner, const ProtobufCMessage *item, struct store_txn *t);
void listing_del(enum kind k, const char *id, struct store_txn *t);

/* After loading: make the boot environment say what the objects say. */
int listing_rebuild(struct err *e);

/* Every view of a kind in one snapshot, in the order of ids.  fn: 0 goes on, else the scan ends
 * with its value. */
int listing_each(enum kind k, int (*fn)(void *arg, const struct listing *v), void *arg,
		 struct err *e);

/* One object's stored envelope, by id or unique prefix; unpacked with the default allocator:
 * free both with listing_row_done.  Errors as world_lookup; one whose id was never given to anybody
 * is not found. */
struct listing_row {
	enum kind kind;
	char id[ID_LEN + 1];
	Crisp__State__Envelope *envelope;
	void *row; /* the machine's message */
	const struct sm_state *state;
};
#define LISTING_ROW_NULL ((struct listing_row){ .envelope = NULL })
int listing_get(enum kind k, const char *id, struct listing_row *ret, struct err *e);
void listing_row_done(struct listing_row *r);

/* The value of the state's `shows` in the CRI enum; -1: it shows nothing. */
int listing_shows(enum kind k, const struct sm_state *state);
