/*
 * dispatch.c - the generated table, thunks, validators and printer of lamp.proto at work.
 *
 * It plays the server's part (rpc_reply and so on) and the handlers', and asserts what reaches
 * whom.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cri_print.h"
#include "cri_rpc.h"
#include "cri_validate.h"
#include "sm_lamp.h"

/* The lamp's initialiser names its deprecated field. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

struct rpc_call {
	const struct rpc_method *method;
	unsigned replies;
	size_t lamps; /* in the last reply */
	int outcome; /* what the handler is to return */
};

static unsigned handled;

const struct rpc_method *rpc_call_method(const struct rpc_call *call)
{
	return call->method;
}

void rpc_reply(struct rpc_call *call, const ProtobufCMessage *resp)
{
	assert(resp->descriptor == call->method->response);
	call->replies++;
	call->lamps = ((const Test__V1__ListLampsResponse *)resp)->n_lamps;
}

int err_fill(struct err *e, enum err_code code, int errnum, const char *file, int line,
	     const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	e->errnum = errnum;
	e->file = file;
	e->line = line;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return -(int)code;
}

int rpc_raise(struct rpc_call *call, const ProtobufCMessage *req, struct err *e)
{
	(void)req;
	(void)e;
	handled++;
	return call->outcome;
}

int rpc_read(struct rpc_call *call, const ProtobufCMessage *req, struct err *e)
{
	return rpc_raise(call, req, e);
}

struct payload_volt {
	int volt;
};

void payload_volt_free(void *volt)
{
	(void)volt;
}

static struct sm_event event;

struct sm_event *sm_event_new(int number)
{
	event = (struct sm_event){ .event = number };
	return &event;
}

struct sm_event *sm_event_carry(int number, void *payload, void (*free_payload)(void *payload))
{
	event = (struct sm_event){ .event = number,
				   .payload = payload,
				   .free_payload = free_payload };
	return &event;
}

static struct payload_volt volt;

/* A lamp with an old name is dimmed, one without a name cannot be switched. */
int rpc_payload_switch_on(const Test__V1__SwitchOnRequest *req, const struct object *o,
			  struct payload_volt **ret, struct err *e)
{
	assert(!o);
	*ret = *req->lamp->old_name ? &volt : NULL;
	return *req->lamp->name ? 0 : err_set(e, ERR_INVALID, "no name");
}

static int made, checked;

int rpc_new_repair(const Test__V1__RepairRequest *req, struct object **ret, struct err *e)
{
	(void)req;
	(void)e;
	*ret = NULL;
	made++;
	return 0;
}

int rpc_check_repair(const Test__V1__RepairRequest *req, const struct object *o, struct err *e)
{
	(void)req;
	assert(!o);
	checked++;
	return err_set(e, ERR_PRECONDITION, "beyond repair");
}

void rpc_answer_repair(struct rpc_call *call, const struct sm_object *obj, const struct err *e)
{
	(void)obj;
	(void)e;
	call->replies++;
}

int rpc_list_lamps(struct rpc_call *call, const Test__V1__ListLampsRequest *req,
		   Test__V1__ListLampsResponse *resp, struct err *e)
{
	static Test__V1__Lamp lamp = TEST__V1__LAMP__INIT, *lamps[] = { &lamp, &lamp };

	(void)req;
	handled++;
	resp->lamps = lamps;
	resp->n_lamps = 2;
	return call->outcome < 0 ? err_set(e, ERR_INTERNAL, "dark") : call->outcome;
}

/* rpc_take plays the loop. */
struct caller {
	const struct rpc_call *call;
};

int rpc_take_watch_lamps(struct caller *c, const Test__V1__ListLampsRequest *req, struct err *e)
{
	return req->like ? c->call->outcome : err_set(e, ERR_INVALID, "like what?");
}

int rpc_take(struct rpc_call *call, const ProtobufCMessage *req,
	     int (*take)(struct caller *c, const void *req, struct err *e), bool empty)
{
	struct caller c = { .call = call };
	struct err e = ERR_NULL;

	assert(!empty);
	assert(take(&c, req, &e) == call->outcome);
	call->replies++;
	return 0;
}

bool rpc_named_lamp(const Test__V1__Lamp *lamp, const char *name)
{
	return !strcmp(lamp->name, name);
}

int rpc_answer_lamp_status(struct rpc_call *call, const Test__V1__LampStatusRequest *req,
			   const Test__V1__Lamp *lamp, struct err *e)
{
	(void)call;
	return lamp ? 0 : err_set(e, ERR_NOT_FOUND, "no %s", req->name);
}

static int call_list(struct rpc_call *call, int outcome, struct err *e)
{
	Test__V1__ListLampsRequest req = TEST__V1__LIST_LAMPS_REQUEST__INIT;

	*call = (struct rpc_call){ .method = &cri_methods[CRI_RPC_LIST_LAMPS], .outcome = outcome };
	return call->method->handle(call, &req.base, e);
}

static void check_table(void)
{
	const struct rpc_method *m = &cri_methods[CRI_RPC_SWITCH_ON];

	assert(CRI_RPC_COUNT == 8);
	assert(!strcmp(m->path, "/test.v1.Lamps/SwitchOn") && !strcmp(m->name, "SwitchOn"));
	assert(m->kind == RPC_KIND_EVENT && m->handle == rpc_raise);
	assert(m->request == &test__v1__switch_on_request__descriptor && !m->server_streaming);
	m = &cri_methods[CRI_RPC_WATCH_LAMPS];
	assert(m->kind == RPC_KIND_DIRECT && m->server_streaming && !m->raises);
	assert(cri_methods[CRI_RPC_LIST_LAMPS].kind == RPC_KIND_READ);
	assert(cri_methods[CRI_RPC_PAINT].kind == RPC_KIND_UNIMPLEMENTED);
}

/* What good.bind says of both events. */
static void check_events(void)
{
	const struct rpc_event *on = cri_methods[CRI_RPC_SWITCH_ON].raises;
	const struct rpc_event *repair = cri_methods[CRI_RPC_REPAIR].raises;
	Test__V1__SwitchOnRequest req = TEST__V1__SWITCH_ON_REQUEST__INIT;
	Test__V1__RepairRequest again = TEST__V1__REPAIR_REQUEST__INIT;
	struct rpc_call call = { .outcome = 0 };
	Test__V1__Lamp lamp = TEST__V1__LAMP__INIT;
	struct object *o = NULL;
	struct sm_event *ev;
	struct err e = ERR_NULL;

	assert(!strcmp(on->machine, "lamp") && on->event == LMP_EVENT_SWITCH_ON);
	assert(on->inside == offsetof(Test__V1__SwitchOnRequest, lamp));
	assert(on->by == offsetof(Test__V1__Lamp, name));
	assert(on->each && on->gone_ok && on->broken_removed);
	assert(!on->make && !on->check && on->carry && !on->answer);
	req.lamp = &lamp;
	assert(on->carry(&req.base, NULL, &ev, &e) == -ERR_INVALID);
	lamp.name = "desk";
	assert(on->carry(&req.base, NULL, &ev, &e) == 0);
	assert(ev->event == LMP_EVENT_SWITCH_ON && !ev->payload);
	lamp.old_name = "table";
	assert(on->carry(&req.base, NULL, &ev, &e) == 0);
	assert(ev->event == LMP_EVENT_DIM && ev->payload == &volt);
	assert(repair->event == LMP_EVENT_REPAIR && !repair->by && !repair->carry);
	assert(!repair->each && !repair->gone_ok && !repair->broken_removed);
	assert(repair->make(&again.base, &o, &e) == 0 && made == 1);
	assert(repair->check(&again.base, o, &e) == -ERR_PRECONDITION && checked == 1);
	repair->answer(&call, NULL, NULL);
	assert(call.replies == 1);
}

/* What good.bind says of the reads. */
static void check_reads(void)
{
	const struct rpc_method *find = &cri_methods[CRI_RPC_FIND_LAMPS];
	const struct rpc_select *all = find->selects;
	const struct rpc_select *one = cri_methods[CRI_RPC_LAMP_STATUS].selects;
	const struct rpc_select *watch = cri_methods[CRI_RPC_WATCH_LAMPS].selects;
	const struct rpc_method *stream = &cri_methods[CRI_RPC_STREAM_LAMPS];
	Test__V1__LampStatusRequest req = TEST__V1__LAMP_STATUS_REQUEST__INIT;
	Test__V1__Lamp lamp = TEST__V1__LAMP__INIT;
	struct rpc_call call = { .method = find };
	struct err e = ERR_NULL;

	assert(find->kind == RPC_KIND_READ && find->handle == rpc_read && !find->raises);
	assert(!strcmp(all->machine, "lamp") && all->item == &test__v1__lamp__descriptor);
	assert(all->where == offsetof(Test__V1__ListLampsRequest, filter) && !all->by);
	assert(all->items == 20 && !all->unless && !all->answer);
	assert(all->labels == offsetof(Test__V1__Lamp, labels));
	assert(all->n_labels == offsetof(Test__V1__Lamp, n_labels));
	assert(all->n_tests == 5 && all->tests[0].of == RPC_TEST_NAME);
	assert(all->tests[1].of == RPC_TEST_PREFIX && all->tests[2].of == RPC_TEST_PARENT);
	assert(all->tests[1].field == offsetof(Test__V1__LampFilter, id) && !all->tests[1].inside);
	assert(all->tests[3].of == RPC_TEST_STATE);
	assert(all->tests[3].inside == offsetof(Test__V1__LampFilter, state));
	assert(all->tests[3].field == offsetof(Test__V1__LampStateValue, state));
	assert(all->tests[4].of == RPC_TEST_LABELS);
	assert(all->tests[4].n_field == offsetof(Test__V1__LampFilter, n_labels));
	lamp.name = "desk";
	assert(all->named(&lamp.base, "desk") && !one->named(&lamp.base, "floor"));
	assert(one->by == offsetof(Test__V1__LampStatusRequest, name) && one->gone_ok);
	assert(!one->where && one->answer(&call, &req.base, &lamp, &e) == 0);
	assert(one->answer(&call, &req.base, NULL, &e) == -ERR_NOT_FOUND);
	assert(*watch->unless == TEST__V1__LAMP_STATE__BROKEN && !watch->items && !watch->gone_ok);
	assert(stream->server_streaming && stream->handle == rpc_read);
	assert(stream->selects->batches && stream->selects->items == 20 && !all->batches);
}

static void check_calls(void)
{
	Test__V1__SwitchOnRequest on = TEST__V1__SWITCH_ON_REQUEST__INIT;
	Test__V1__ListLampsRequest list = TEST__V1__LIST_LAMPS_REQUEST__INIT;
	Test__V1__Lamp lamp = TEST__V1__LAMP__INIT;
	struct rpc_call call = { .method = &cri_methods[CRI_RPC_SWITCH_ON] };
	struct err e = ERR_NULL;

	on.lamp = &lamp;
	lamp.name = "desk";
	assert(call.method->handle(&call, &on.base, &e) == 0 && call.replies == 0 && handled == 1);
	assert(call_list(&call, 0, &e) == 0 && call.replies == 1 && call.lamps == 2);
	assert(call_list(&call, 1, &e) == 0 && call.replies == 0);
	assert(call_list(&call, -1, &e) == -ERR_INTERNAL && call.replies == 0);
	assert(!strcmp(e.text, "dark"));
	call = (struct rpc_call){ .method = &cri_methods[CRI_RPC_WATCH_LAMPS] };
	call.outcome = -ERR_INVALID;
	assert(call.method->handle(&call, &list.base, &e) == 0 && call.replies == 1);
	call.outcome = 7;
	list.like = &lamp;
	assert(call.method->handle(&call, &list.base, &e) == 0 && call.replies == 2);
	call = (struct rpc_call){ .method = &cri_methods[CRI_RPC_PAINT] };
	assert(!call.method->handle && !strcmp(call.method->refusal, "\"painted\" lamps smell"));
}

static void check_values(void)
{
	Test__V1__SwitchOnRequest on = TEST__V1__SWITCH_ON_REQUEST__INIT;
	Test__V1__Lamp lamp = TEST__V1__LAMP__INIT;
	bool (*check)(const ProtobufCMessage *, char *, size_t) =
		cri_methods[CRI_RPC_SWITCH_ON].validate;
	uint8_t serial[5] = { 0 };
	char msg[128];

	on.lamp = &lamp;
	lamp.name = "desk";
	lamp.serial = (ProtobufCBinaryData){ .len = 4, .data = serial };
	lamp.pin = "SECRET";
	lamp.default_ = true;
	assert(check(&on.base, msg, sizeof(msg)));
	lamp.serial.len = 5;
	assert(!check(&on.base, msg, sizeof(msg)));
	assert(!strcmp(msg, "lamp.serial: must not be longer than 4 bytes"));
	lamp.serial.len = 4;
	lamp.colour = TEST__V1__COLOUR__RED;
	assert(!check(&on.base, msg, sizeof(msg)));
	assert(!strcmp(msg, "lamp.colour: must be one of WHITE, BLUE"));
	lamp.colour = (Test__V1__Colour)3;
	assert(!check(&on.base, msg, sizeof(msg)));
	assert(!strcmp(msg, "lamp.colour: is no known Colour"));
	cri_print(&on.base, msg, sizeof(msg));
	assert(!strcmp(msg, "lamp.name=desk lamp.colour=3 lamp.pin=[redacted] "
			    "lamp.serial=[redacted] lamp.default=true"));
}

int main(void)
{
	check_table();
	check_events();
	check_reads();
	check_calls();
	check_values();
	return 0;
}
