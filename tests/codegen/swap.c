/*
 * swap.c - two lines of rpc.bind swapped give another behaviour: src/api/events.c goes by the
 * generated table, this file plays the objects.
 *
 * What the table names and this does not is left unresolved: it is NULL here.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "core/quarantine.h"
#include "gen/cri_rpc.h"
#include "gen/sm_container.h"
#include "gen/sm_exec.h"
#include "gen/sm_image.h"
#include "gen/sm_pull.h"
#include "gen/sm_sandbox.h"

struct rpc_call {
	const struct rpc_method *method;
};

static const struct kind_ops image = { .machine = &img_machine };
static const struct kind_ops sandbox = { .machine = &sbx_machine };
static const struct kind_ops container = { .machine = &ctr_machine };
static const struct kind_ops exec = { .machine = &exe_machine };
static const struct kind_ops pull = { .machine = &pul_machine };
static const struct kind_ops *const kinds[KIND_COUNT] = {
	[KIND_IMAGE] = &image, [KIND_SANDBOX] = &sandbox, [KIND_CONTAINER] = &container,
	[KIND_EXEC] = &exec,   [KIND_PULL] = &pull,
};
struct world world = { .kinds = kinds };
static struct object here;

const struct rpc_method *rpc_call_method(const struct rpc_call *call)
{
	return call->method;
}

int api_submit(struct rpc_call *rpc, const void *req, api_take_fn *take, api_done_fn *done)
{
	struct caller c = { .rpc = rpc, .request = req, .done = done };
	struct err e = ERR_NULL;

	if (take(&c, req, &e) < 0)
		printf(" error %d\n", (int)e.code);
	return 0;
}

void api_done_empty(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	(void)rpc;
	(void)obj;
	(void)e;
}

int err_fill(struct err *e, enum err_code code, int errnum, const char *file, int line,
	     const char *fmt, ...)
{
	(void)errnum;
	(void)file;
	(void)line;
	(void)fmt;
	e->code = code;
	return -(int)code;
}

int world_lookup(enum kind k, const char *id, struct object **ret, struct err *e)
{
	assert(k == KIND_SANDBOX);
	*ret = &here;
	return strcmp(id, "here") == 0 ? 0 : err_set(e, ERR_NOT_FOUND, "gone");
}

bool quarantine_remove(struct caller *c, enum kind k, const char *id)
{
	(void)c;
	assert(k == KIND_SANDBOX);
	if (strcmp(id, "broken") != 0)
		return false;
	printf(" removed from quarantine\n");
	return true;
}

void caller_finish(struct caller *c, const struct sm_object *obj, const struct err *e)
{
	(void)c;
	(void)obj;
	printf(" %s\n", e ? "error" : "OK");
}

struct sm_event *sm_event_new(int number)
{
	static struct sm_event event;

	event.event = number;
	return &event;
}

void caller_dispatch(struct caller *c, struct object *o, struct sm_event *ev)
{
	(void)c;
	assert(o == &here);
	printf(" sandbox.%s\n", sbx_machine.events[ev->event].name);
}

/* Every event of the table is one of a client, and carries what its machine says. */
static void check_table(void)
{
	for (int i = 0; i < CRI_RPC_COUNT; i++) {
		const struct rpc_event *ev = cri_methods[i].raises;
		const struct sm_machine *m = NULL;

		for (int k = 0; ev && k < KIND_COUNT; k++)
			if (strcmp(kinds[k]->machine->name, ev->machine) == 0)
				m = kinds[k]->machine;
		if (!ev)
			continue;
		assert(m && m->events[ev->event].class == SM_CLASS_RPC);
		if (m->events[ev->event].carries && !ev->carry)
			printf("%s: %s.%s carries %s: write carries %s\n", cri_methods[i].name,
			       m->name, m->events[ev->event].name, m->events[ev->event].carries,
			       m->events[ev->event].carries);
	}
}

static void ask(enum cri_rpc rpc, const ProtobufCMessage *req, const char *id)
{
	struct rpc_call call = { .method = &cri_methods[rpc] };
	struct err e = ERR_NULL;

	printf("%s %s:", call.method->name, id);
	assert(call.method->handle(&call, req, &e) == 0);
}

int main(void)
{
	static char *const ids[] = { "here", "gone", "broken" };

	check_table();
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		Runtime__V1__StopPodSandboxRequest stop = { .pod_sandbox_id = ids[i] };
		Runtime__V1__RemovePodSandboxRequest remove = { .pod_sandbox_id = ids[i] };

		ask(CRI_RPC_STOP_POD_SANDBOX, &stop.base, ids[i]);
		ask(CRI_RPC_REMOVE_POD_SANDBOX, &remove.base, ids[i]);
	}
	return 0;
}
