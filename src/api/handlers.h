/*
 * handlers.h - what the RPC handlers share: the way to the loop, and statuses out of rows.
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

/* done for a call that take answers itself unless it fails. */
void api_done_failed(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e);

/* Append field number 1 of a list response: one packed item. */
void api_add_item(struct buf *out, const void *item, size_t size);

/* Does a label set (unpacked map entries) have everything of the selector?  Both are arrays of
 * pointers to the map entry messages of their parents. */
bool api_labels_match(void *const *labels, size_t n_labels, void *const *selector,
		      size_t n_selector);

/* The object's history and state as JSON, for the verbose info of the status RPCs; malloc'ed. */
char *api_machine_json(const struct listing_row *r);

/* "fetching": of a pull, in one word. */
const char *api_pull_phase(enum image_pull_phase phase);
/* Answer a verbose ImageStatus about an image that is not here: with its pull, if there is one. */
int api_pull_status(struct rpc_call *call, const Runtime__V1__ImageStatusRequest *req);
