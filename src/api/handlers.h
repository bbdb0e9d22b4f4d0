/*
 * handlers.h - what the RPC handlers share: the way to the loop, selections, statuses out of rows.
 */
#pragma once

#include "api/rpc.h"
#include "base/buf.h"
#include "core/listing.h"
#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "images/puller.h"

/* Hand a call to the loop thread, where take starts the work (of events: events.c); done
 * answers it.  While crispd drains, nothing is taken. */
typedef int api_take_fn(struct caller *c, const void *req, struct err *e);
typedef void api_done_fn(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e);
int api_submit(struct rpc_call *rpc, const void *req, api_take_fn *take, api_done_fn *done);

/* done for a response without fields: it packs to nothing. */
void api_done_empty(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e);

/* done for a call that take answers itself unless it fails: the end without an error is silent. */
void api_done_failed(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e);

/* A field by the offsets of a table row, inside 0: of msg itself.  NULL: its message is absent. */
static inline const void *api_field(const ProtobufCMessage *msg, size_t inside, size_t field)
{
	const char *at = (const char *)msg;

	if (inside)
		at = *(const char *const *)(at + inside);
	return at ? at + field : NULL;
}
static inline const char *api_text(const ProtobufCMessage *msg, size_t inside, size_t field)
{
	const char *const *text = api_field(msg, inside, field);

	return text ? *text : NULL;
}

/* Every listing that a method's selection is about, in one snapshot; fn as of listing_each.  Of
 * many objects on any thread; of one on the loop thread, with the errors of world_lookup. */
int api_select_each(const struct rpc_select *s, const ProtobufCMessage *req,
		    int (*fn)(void *arg, const struct listing *v), void *arg, struct err *e);

/* The object's history and state as JSON, for the verbose info of the status RPCs; malloc'ed. */
char *api_machine_json(const struct listing_row *r);

/* "fetching": of a pull, in one word. */
const char *api_pull_phase(enum image_pull_phase phase);
/* Answer a verbose ImageStatus about an image that is not here: with its pull, if there is one. */
int api_pull_status(struct rpc_call *call, const Runtime__V1__ImageStatusRequest *req);
