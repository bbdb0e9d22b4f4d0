/*
 * swap.c - lines of rpc.bind swapped give another behaviour, of events, lists and reads:
 * src/api/events.c and reads.c go by the generated table, this file plays the objects.
 *
 * What the table names and this does not is left unresolved: it is NULL here.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "core/calls.h"
#include "core/quarantine.h"
#include "gen/cri_rpc.h"
#include "gen/sm_container.h"
#include "gen/sm_exec.h"
#include "gen/sm_image.h"
#include "gen/sm_pull.h"
#include "gen/sm_sandbox.h"
#include "gen/sm_shim.h"
#include "gen/sm_stream.h"

struct rpc_call {
	const struct rpc_method *method;
};

static const struct kind_ops image = { .machine = &img_machine };
static const struct kind_ops sandbox = { .machine = &sbx_machine };
static const struct kind_ops shim = { .machine = &shm_machine };
static const struct kind_ops container = { .machine = &ctr_machine };
static const struct kind_ops exec = { .machine = &exe_machine };
static const struct kind_ops stream = { .machine = &stm_machine };
static const struct kind_ops pull = { .machine = &pul_machine };
static const struct kind_ops *const kinds[KIND_COUNT] = {
	[KIND_IMAGE] = &image,	       [KIND_SANDBOX] = &sandbox, [KIND_SHIM] = &shim,
	[KIND_CONTAINER] = &container, [KIND_EXEC] = &exec,	  [KIND_STREAM] = &stream,
	[KIND_PULL] = &pull,
};
struct world world = { .kinds = kinds };
static struct object here;

const struct rpc_method *rpc_call_method(const struct rpc_call *call)
{
	return call->method;
}

int64_t rpc_call_deadline(const struct rpc_call *call)
{
	(void)call;
	return INT64_MAX;
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

/* --- reads --- */

static struct listing_member {
	const char *id, *owner;
	Runtime__V1__ContainerState state;
	const char *app; /* a label */
} members[] = {
	{ "aa1", "bb1", RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING, "web" },
	{ "aa2", "bb1", RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED, "web" },
	{ "bb3", "aa2", RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING, "db" },
};

int listing_each(enum kind k, const char *after, int (*fn)(void *arg, const struct listing *v),
		 void *arg, struct err *e)
{
	assert(!*after);
	(void)e;
	for (size_t i = 0; k == KIND_CONTAINER && i < ARRAY_LEN(members); i++) {
		Runtime__V1__Container item = RUNTIME__V1__CONTAINER__INIT;
		Runtime__V1__Container__LabelsEntry
			label = RUNTIME__V1__CONTAINER__LABELS_ENTRY__INIT,
			*labels[] = { &label };
		struct listing v = { .id = members[i].id,
				     .head.state = (uint32_t)members[i].state };
		unsigned char packed[256];

		label.key = (char *)(uintptr_t) "app";
		label.value = (char *)(uintptr_t)members[i].app;
		item.id = (char *)(uintptr_t)members[i].id;
		item.labels = labels;
		item.n_labels = 1;
		v.size = runtime__v1__container__pack(&item, packed);
		v.item = packed;
		snprintf(v.head.owner, sizeof(v.head.owner), "%s", members[i].owner);
		assert(fn(arg, &v) == 0);
	}
	return 0;
}

int listing_get(enum kind k, const char *id, struct listing_row *ret, struct err *e)
{
	(void)ret;
	assert(k == KIND_CONTAINER && strcmp(id, "gone") == 0);
	return err_set(e, ERR_NOT_FOUND, "gone");
}

int rpc_answer_container_status(struct rpc_call *call,
				const Runtime__V1__ContainerStatusRequest *req,
				const struct listing_row *row, struct err *e)
{
	(void)call;
	(void)req;
	(void)e;
	printf(row ? " its row\n" : " no row\n");
	return 0;
}

int rpc_answer_image_status(struct rpc_call *call, const Runtime__V1__ImageStatusRequest *req,
			    const Runtime__V1__Image *item, struct err *e)
{
	(void)call;
	(void)req;
	(void)e;
	printf(item ? " its listing\n" : " no listing\n");
	return 0;
}

void rpc_reply_bytes(struct rpc_call *call, const void *data, size_t size)
{
	Runtime__V1__ListContainersResponse *r =
		runtime__v1__list_containers_response__unpack(NULL, size, data);

	(void)call;
	assert(r);
	for (size_t i = 0; i < r->n_containers; i++)
		printf(" %s", r->containers[i]->id);
	printf("\n");
	runtime__v1__list_containers_response__free_unpacked(r, NULL);
}

static int print_id(void *arg, const struct listing *v)
{
	(void)arg;
	printf(" %s", v->id);
	return 0;
}

/* --- the table --- */

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
	if (call.method->handle(&call, req, &e) < 0)
		printf(" error %d\n", (int)e.code);
}

static void ask_lists(const char *what, Runtime__V1__ContainerFilter *f)
{
	const struct rpc_select *of_stats = cri_methods[CRI_RPC_LIST_CONTAINER_STATS].selects;
	Runtime__V1__ListContainersRequest list = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;
	Runtime__V1__ListContainerStatsRequest stats =
		RUNTIME__V1__LIST_CONTAINER_STATS_REQUEST__INIT;
	Runtime__V1__ContainerStatsFilter same = RUNTIME__V1__CONTAINER_STATS_FILTER__INIT;
	struct err e = ERR_NULL;

	list.filter = f;
	ask(CRI_RPC_LIST_CONTAINERS, &list.base, what);
	if (f) {
		same.id = f->id;
		same.pod_sandbox_id = f->pod_sandbox_id;
		same.label_selector = (void *)f->label_selector;
		same.n_label_selector = f->n_label_selector;
		stats.filter = &same;
	}
	printf("ListContainerStats %s:", what);
	assert(api_select_each(of_stats, &stats.base, "", print_id, NULL, &e) == 0);
	printf("\n");
}

static void ask_reads(void)
{
	Runtime__V1__ContainerFilter f = RUNTIME__V1__CONTAINER_FILTER__INIT;
	Runtime__V1__ContainerFilter__LabelSelectorEntry
		label = RUNTIME__V1__CONTAINER_FILTER__LABEL_SELECTOR_ENTRY__INIT,
		*labels[] = { &label };
	Runtime__V1__ContainerStateValue state = RUNTIME__V1__CONTAINER_STATE_VALUE__INIT;
	Runtime__V1__ContainerStatusRequest container = { .container_id = "gone" };
	Runtime__V1__ImageSpec spec = { .image = "gone" };
	Runtime__V1__ImageStatusRequest image = { .image = &spec };
	char none[] = "";

	ask_lists("all", NULL);
	f.id = "aa";
	ask_lists("id=aa", &f);
	f.id = none;
	f.pod_sandbox_id = "aa";
	ask_lists("pod=aa", &f);
	f.pod_sandbox_id = none;
	f.state = &state;
	state.state = RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED;
	ask_lists("state=exited", &f);
	f.state = NULL;
	label.key = "app";
	label.value = "db";
	f.label_selector = labels;
	f.n_label_selector = 1;
	ask_lists("app=db", &f);
	ask(CRI_RPC_CONTAINER_STATUS, &container.base, "gone");
	ask(CRI_RPC_IMAGE_STATUS, &image.base, "gone");
}

int main(void)
{
	static char *const ids[] = { "here", "gone", "broken" };

	check_table();
	ask_reads();
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		Runtime__V1__StopPodSandboxRequest stop = { .pod_sandbox_id = ids[i] };
		Runtime__V1__RemovePodSandboxRequest remove = { .pod_sandbox_id = ids[i] };

		ask(CRI_RPC_STOP_POD_SANDBOX, &stop.base, ids[i]);
		ask(CRI_RPC_REMOVE_POD_SANDBOX, &remove.base, ids[i]);
	}
	return 0;
}
