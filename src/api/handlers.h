/*
 * handlers.h - helpers shared by the RPC handlers: submission to the loop, selections, statuses
 * made of rows.
 */
#pragma once

#include "api/rpc.h"
#include "base/buf.h"
#include "core/listing.h"
#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "images/puller.h"

/* Post a call to the loop thread, where take starts the work (events.c for events) and done answers
 * the call.  While crispd drains, every call is refused. */
typedef int api_take_fn(struct caller *c, const void *req, struct err *e);
typedef void api_done_fn(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e);
int api_submit(struct rpc_call *rpc, const void *req, api_take_fn *take, api_done_fn *done);

/* A done for a response without fields, which packs to zero bytes. */
void api_done_empty(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e);

/* A done for calls that take answers itself on success: replies on an error only. */
void api_done_failed(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e);

/* Pointer to a field, by the offsets of a table row.  inside: offset of the pointer to the field's
 * message; 0: msg itself.  NULL: that message is absent. */
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

/* Call fn (see listing_each, also for after) for every listing that the method's selection matches,
 * in one snapshot.  A selection of many objects may run on any thread.  A selection of one object
 * runs on the loop thread and has the errors of world_lookup. */
int api_select_each(const struct rpc_select *s, const ProtobufCMessage *req, const char *after,
		    int (*fn)(void *arg, const struct listing *v), void *arg, struct err *e);

/* The statuses of an object's row, in the arena.  NULL: the arena's cap is reached. */
Runtime__V1__PodSandboxStatus *api_pod_status(struct arena *a, const struct listing_row *r);
Runtime__V1__ContainerStatus *api_container_status(struct arena *a, const struct listing_row *r);

/* Answer a call without fields in its response: with e, or with failure (NULL: it succeeded). */
void api_answer_work(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e,
		     const Crisp__State__Failure *failure);

/* Pack from as a payload; NULL: an empty one. */
struct payload_resources *api_pack_resources(const Runtime__V1__LinuxContainerResources *from);

/* The object's history and state as JSON, for the verbose info of the status RPCs; malloc'ed. */
char *api_machine_json(const struct listing_row *r);

/* The verbose info of a pod with CRI-O's keys: image, pid and runtimeSpec; malloc'ed. */
char *api_pod_info_json(const struct listing_row *r);

/* The phase of a pull in one word, such as "fetching". */
const char *api_pull_phase(enum image_pull_phase phase);
/* Answer a verbose ImageStatus about a missing image, with the state of its pull if one runs. */
int api_pull_status(struct rpc_call *call, const Runtime__V1__ImageStatusRequest *req);
