/*
 * protoc-gen-crisp-rpc.c - write gen/cri_rpc.[ch], gen/cri_client.[ch] and gen/cri_coverage.txt.
 * The table names each event by the constant in its machine's header, and each handler by its
 * prototype.  A binding to a removed event fails to compile; a missing handler fails to link.  All
 * RPCs of events share the handler rpc_raise, and all reads of objects rpc_read; both are driven
 * by the table.  Only the parts requested in the binding are hand-written.
 */
#include "protoc-gen-crisp.h"

#include <ctype.h>
#include <string.h>

static const char rpc_contract[] =
	"/* Handlers, written by hand.  req and all below it live until the call is answered;\n"
	" * what resp points to is the handler's, best in rpc_call_arena(call).\n"
	" *\n"
	" * A read fills resp.  0: resp is packed and sent on return; 1: the handler has answered\n"
	" * by itself (rpc_reply_bytes); <0: e is filled and the caller answers with it.\n"
	" * A direct handler starts work.  0: it will be answered later, or was; <0: as above.\n"
	" * With `loop` it does so on the loop thread, and takes c unless it fails.\n"
	" *\n"
	" * Of an event, on the loop thread, what its line of the binding asks for:\n"
	" * new: the object that the request is for, made when there is none; <0: e is filled.\n"
	" * check: may the event be raised in o?  <0: e is filled.\n"
	" * payload: what the event carries, taken over; <0: e is filled.  With `or`, the other\n"
	" * event carries it, and NULL raises the first.\n"
	" * answer: answers the call from the object's row or with e; obj is NULL when it is\n"
	" * gone.\n"
	" *\n"
	" * Of a read of one object, on any thread, answer: answers the call from the object's\n"
	" * row, of a machine with names from its listing; NULL: gone=ok and there is none.\n"
	" * 0: the call was answered, or will be; <0: e is filled.\n"
	" * named: has the listing this name?\n"
	" */\n";

static bool rpc_is_handled(const struct binding *b)
{
	return b->kind != BIND_UNIMPLEMENTED && b->kind != BIND_REFUSED;
}

/* Is rpc_read the handler? */
static bool rpc_is_selected_read(const struct binding *b)
{
	return b->kind == BIND_READ && b->machine;
}

/* Does the handler get a response to fill? */
static bool rpc_fills_response(const struct rpc *r, const struct binding *b)
{
	return b->kind == BIND_READ && !r->server_stream;
}

/* Prototype of the hand-written part of an event: "new", "check", "payload". */
static void emit_part(const struct rpc *r, const char *part, const char *rest, struct emit *h)
{
	emit_line(h, "int rpc_%s_%s(const %s *req,", part, r->snake, r->request->c_type);
	emit_line(h, "\t%s, struct err *e);", rest);
}

static void emit_event_prototypes(const struct rpc *r, const struct binding *b, struct emit *h)
{
	if (b->makes)
		emit_part(r, "new", "struct object **ret", h);
	if (b->checked)
		emit_part(r, "check", "const struct object *o", h);
	if (b->carries)
		emit_part(
			r, "payload",
			text_format("const struct object *o, struct payload_%s **ret", b->carries),
			h);
	if (!b->empty) {
		emit_line(h,
			  "void rpc_answer_%s(struct rpc_call *call, "
			  "const struct sm_object *obj,",
			  r->snake);
		emit_line(h, "\tconst struct err *e);");
	}
}

/* Prototype for a read of one object. */
static void emit_read_prototype(const struct rpc *r, const struct binding *b, struct emit *h)
{
	const char *found = b->machine->named ? text_format("%s *item", b->machine->lists->c_type)
					      : "struct listing_row *row";

	emit_line(h, "int rpc_answer_%s(struct rpc_call *call,", r->snake);
	emit_line(h, "\tconst %s *req,", r->request->c_type);
	emit_line(h, "\tconst %s, struct err *e);", found);
}

/* "event sandbox.run", "read sandbox" */
static const char *rpc_how(const struct binding *b)
{
	const char *kind = bind_kind_name(b->kind);

	if (b->kind == BIND_EVENT)
		return text_format("%s %s.%s", kind, b->machine->name, b->event);
	return b->machine ? text_format("%s %s", kind, b->machine->name) : kind;
}

static void emit_handler_prototype(const struct rpc *r, const struct binding *b, struct emit *h)
{
	const char *how = rpc_how(b);

	if (rpc_is_selected_read(b) && b->where)
		return; /* no hand-written part */

	emit_blank(h);
	if (r->comment)
		emit_line(h, "/* %s: %s", how, r->comment);
	else
		emit_line(h, "/* %s", how);
	emit_line(h, " * (%s.%s) */", r->service_full, r->name);
	if (b->kind == BIND_EVENT) {
		emit_event_prototypes(r, b, h);
		return;
	}
	if (rpc_is_selected_read(b)) {
		emit_read_prototype(r, b, h);
		return;
	}
	if (b->on_loop)
		emit_line(h, "int rpc_take_%s(struct caller *c,", r->snake);
	else
		emit_line(h, "int rpc_%s(struct rpc_call *call,", r->snake);
	emit_line(h, "\tconst %s *req,", r->request->c_type);
	if (rpc_fills_response(r, b))
		emit_line(h, "\t%s *resp,", r->response->c_type);
	emit_line(h, "\tstruct err *e);");
}

static void emit_named_prototype(const struct bind_machine *m, struct emit *h)
{
	emit_blank(h);
	emit_line(h, "bool rpc_named_%s(const %s *item, const char *name);", m->name,
		  m->lists->c_type);
}

static void emit_rpc_header(const struct plugin *p, struct emit *h)
{
	const struct schema *s = &p->schema;
	const struct bindings *b = &p->bindings;
	size_t i;

	plugin_emit_top(p, h, true);
	emit_put(h, "\n#include \"api/rpc.h\"\n");
	for (i = 0; i < p->n_files; i++)
		emit_line(h, "#include \"%s\"", p->headers[i]);
	emit_blank(h);
	for (i = 0; i < s->n_rpcs; i++)
		if (b->of[i].carries)
			emit_line(h, "struct payload_%s;", b->of[i].carries);
	emit_blank(h);
	emit_open(h, "enum cri_rpc {");
	for (i = 0; i < s->n_rpcs; i++)
		emit_line(h, "CRI_RPC_%s,", s->rpcs[i].upper);
	emit_line(h, "CRI_RPC_COUNT,");
	emit_close(h, "};");
	emit_put(h,
		 "\n/* Indexed by enum cri_rpc.  An unimplemented or refused method has no "
		 "handle. */\n"
		 "extern const struct rpc_method cri_methods[CRI_RPC_COUNT];\n\n%s",
		 rpc_contract);
	for (i = 0; i < s->n_rpcs; i++)
		if (rpc_is_handled(&b->of[i]))
			emit_handler_prototype(&s->rpcs[i], &b->of[i], h);
	for (i = 0; i < b->n_machines; i++)
		if (b->machines[i].named)
			emit_named_prototype(&b->machines[i], h);
}

static const char *event_constant(const struct bind_machine *m, const char *name);
static char *lower(const char *s);

static void emit_part_thunk(const struct rpc *r, const char *part, const char *args,
			    const char *pass, struct emit *c)
{
	emit_blank(c);
	emit_line(c, "static int %s_%s(const ProtobufCMessage *msg, %s, struct err *e)", part,
		  r->snake, args);
	emit_open(c, "{");
	emit_line(c, "return rpc_%s_%s((const %s *)msg, %s, e);", part, r->snake,
		  r->request->c_type, pass);
	emit_close(c, "}");
}

/* Thunks from the table's common types to the typed parts of an event. */
static void emit_event_thunks(const struct rpc *r, const struct binding *b, struct emit *c)
{
	const char *made;

	if (b->makes)
		emit_part_thunk(r, "new", "struct object **ret", "ret", c);
	if (b->checked)
		emit_part_thunk(r, "check", "const struct object *o", "o", c);
	if (!b->carries)
		return;
	made = text_format("%s_event_%s(payload)", lower(b->machine->prefix),
			   b->other ? b->other : b->event);
	emit_blank(c);
	emit_line(c, "static int event_%s(const ProtobufCMessage *msg, const struct object *o,",
		  r->snake);
	emit_line(c, "\tstruct sm_event **ret, struct err *e)");
	emit_open(c, "{");
	emit_line(c, "struct payload_%s *payload;", b->carries);
	emit_line(c, "int r = rpc_payload_%s((const %s *)msg, o, &payload, e);", r->snake,
		  r->request->c_type);
	emit_blank(c);
	emit_line(c, "if (r == 0)");
	if (b->other)
		emit_line(c, "\t*ret = payload ? %s : sm_event_new(%s);", made,
			  event_constant(b->machine, b->event));
	else
		emit_line(c, "\t*ret = %s;", made);
	emit_line(c, "return r;");
	emit_close(c, "}");
}

/* Thunk from the table's common type to the typed answer of a read. */
static void emit_read_thunk(const struct rpc *r, const struct binding *b, struct emit *c)
{
	if (b->where)
		return;
	emit_blank(c);
	emit_line(c, "static int answer_%s(struct rpc_call *call,", r->snake);
	emit_line(c, "\tconst ProtobufCMessage *msg, const void *found, struct err *e)");
	emit_open(c, "{");
	emit_line(c, "return rpc_answer_%s(call, (const %s *)msg, found, e);", r->snake,
		  r->request->c_type);
	emit_close(c, "}");
}

static void emit_named_thunk(const struct bind_machine *m, struct emit *c)
{
	emit_blank(c);
	emit_line(c, "static bool named_%s(const ProtobufCMessage *item, const char *name)",
		  m->name);
	emit_open(c, "{");
	emit_line(c, "return rpc_named_%s((const %s *)item, name);", m->name, m->lists->c_type);
	emit_close(c, "}");
}

/* Thunks that take a direct RPC to the loop. */
static void emit_loop_thunks(const struct rpc *r, const struct binding *b, struct emit *c)
{
	emit_blank(c);
	emit_line(c, "static int take_%s(struct caller *c, const void *req, struct err *e)",
		  r->snake);
	emit_open(c, "{");
	emit_line(c, "return rpc_take_%s(c, req, e);", r->snake);
	emit_close(c, "}");
	emit_blank(c);
	emit_line(c,
		  "static int handle_%s(struct rpc_call *call, const ProtobufCMessage *msg, "
		  "struct err *e)",
		  r->snake);
	emit_open(c, "{");
	emit_line(c, "(void)e;");
	emit_line(c, "return rpc_take(call, msg, take_%s, %s);", r->snake,
		  b->empty ? "true" : "false");
	emit_close(c, "}");
}

static void emit_thunk(const struct rpc *r, const struct binding *b, struct emit *c)
{
	if (b->kind == BIND_EVENT) {
		emit_event_thunks(r, b, c);
		return;
	}
	if (rpc_is_selected_read(b)) {
		emit_read_thunk(r, b, c);
		return;
	}
	if (b->on_loop) {
		emit_loop_thunks(r, b, c);
		return;
	}
	emit_blank(c);
	emit_line(c,
		  "static int handle_%s(struct rpc_call *call, const ProtobufCMessage *msg, "
		  "struct err *e)",
		  r->snake);
	emit_open(c, "{");
	emit_line(c, "const %s *req =", r->request->c_type);
	emit_line(c, "\t(const %s *)msg;", r->request->c_type);
	if (!rpc_fills_response(r, b)) {
		emit_blank(c);
		emit_line(c, "return rpc_%s(call, req, e);", r->snake);
		emit_close(c, "}");
		return;
	}
	emit_line(c, "%s resp =", r->response->c_type);
	emit_line(c, "\t%s;", r->response->c_init);
	emit_line(c, "int r;");
	emit_blank(c);
	emit_line(c, "r = rpc_%s(call, req, &resp, e);", r->snake);
	emit_line(c, "if (r == 0)");
	emit_line(c, "\trpc_reply(call, &resp.base);");
	emit_line(c, "return r < 0 ? r : 0;");
	emit_close(c, "}");
}

static char *lower(const char *s)
{
	char *to = text_format("%s", s);
	size_t i;

	for (i = 0; to[i]; i++)
		to[i] = (char)tolower((unsigned char)to[i]);
	return to;
}

/* "run" of machine prefix SBX: SBX_EVENT_RUN */
static const char *event_constant(const struct bind_machine *m, const char *name)
{
	char *event = text_format("%s", name);
	size_t i;

	for (i = 0; event[i]; i++)
		event[i] = (char)toupper((unsigned char)event[i]);
	return text_format("%s_EVENT_%s", m->prefix, event);
}

static const char *field_offset(const struct field *f)
{
	return text_format("offsetof(%s, %s)", f->parent->c_type, f->c_name);
}

/* Offset of a repeated field's count. */
static const char *count_offset(const struct field *f)
{
	return text_format("offsetof(%s, n_%s)", f->parent->c_type, f->c_name);
}

static void emit_path(const struct bind_path *p, const char *name, struct emit *c)
{
	if (p->inside)
		emit_line(c, ".inside = %s,", field_offset(p->inside));
	emit_line(c, ".%s = %s,", name, field_offset(p->field));
}

static void emit_test(const struct bind_test *t, struct emit *c)
{
	emit_open(c, "{");
	emit_line(c, ".of = RPC_TEST_%s,", name_to_upper(t->of));
	emit_path(&t->at, "field", c);
	if (t->at.field->repeated)
		emit_line(c, ".n_field = %s,", count_offset(t->at.field));
	emit_close(c, "},");
}

static void emit_where(const struct binding *b, struct emit *c)
{
	const struct field *labels = bind_labels(b->machine->lists);
	size_t i;

	emit_line(c, ".where = %s,", field_offset(b->where));
	emit_open(c, ".tests = (const struct rpc_test[]){");
	for (i = 0; i < b->filter->n_tests; i++)
		emit_test(&b->filter->tests[i], c);
	emit_close(c, "},");
	emit_line(c, ".n_tests = %zu,", b->filter->n_tests);
	if (labels) {
		emit_line(c, ".labels = %s,", field_offset(labels));
		emit_line(c, ".n_labels = %s,", count_offset(labels));
	}
	if (b->unless)
		emit_line(c, ".unless = &(const int){ %d }, /* %s */", b->unless_number, b->unless);
	if (b->items)
		emit_line(c, ".items = %d,", b->items->d->number);
	if (b->batches)
		emit_line(c, ".batches = true,");
}

/* The row for rpc_read, and for direct handlers through api_select_each. */
static void emit_select_row(const struct rpc *r, const struct binding *b, struct emit *c)
{
	const struct bind_machine *m = b->machine;

	emit_open(c, ".selects = &(const struct rpc_select){");
	emit_line(c, ".machine = \"%s\",", m->name);
	emit_line(c, ".item = &%s__descriptor,", m->lists->c_lower);
	if (m->named)
		emit_line(c, ".named = named_%s,", m->name);
	if (b->where)
		emit_where(b, c);
	else
		emit_path(&b->by, "by", c);
	if (b->gone_ok)
		emit_line(c, ".gone_ok = true,");
	if (rpc_is_selected_read(b) && !b->where)
		emit_line(c, ".answer = answer_%s,", r->snake);
	emit_close(c, "},");
}

/* The row for rpc_raise. */
static void emit_event_row(const struct rpc *r, const struct binding *b, struct emit *c)
{
	emit_open(c, ".raises = &(const struct rpc_event){");
	emit_line(c, ".machine = \"%s\",", b->machine->name);
	emit_line(c, ".event = %s,", event_constant(b->machine, b->event));
	if (b->by.field)
		emit_path(&b->by, "by", c);
	if (b->each)
		emit_line(c, ".each = true,");
	if (b->gone_ok)
		emit_line(c, ".gone_ok = true,");
	if (b->broken_removed)
		emit_line(c, ".broken_removed = true,");
	if (b->makes)
		emit_line(c, ".make = new_%s,", r->snake);
	if (b->checked)
		emit_line(c, ".check = check_%s,", r->snake);
	if (b->carries)
		emit_line(c, ".carry = event_%s,", r->snake);
	if (!b->empty)
		emit_line(c, ".answer = rpc_answer_%s,", r->snake);
	emit_close(c, "},");
}

static void emit_method(const struct rpc *r, const struct binding *b, struct emit *c)
{
	static const char *const kinds[] = {
		[BIND_EVENT] = "EVENT",
		[BIND_READ] = "READ",
		[BIND_DIRECT] = "DIRECT",
		[BIND_REFUSED] = "UNIMPLEMENTED",
		[BIND_UNIMPLEMENTED] = "UNIMPLEMENTED",
	};

	emit_open(c, "[CRI_RPC_%s] = {", r->upper);
	emit_line(c, ".path = \"/%s/%s\",", r->service_full, r->name);
	emit_line(c, ".name = \"%s\",", r->name);
	emit_line(c, ".request = &%s__descriptor,", r->request->c_lower);
	emit_line(c, ".response = &%s__descriptor,", r->response->c_lower);
	emit_line(c, ".server_streaming = %s,", r->server_stream ? "true" : "false");
	emit_line(c, ".kind = RPC_KIND_%s,", kinds[b->kind]);
	if (b->kind == BIND_EVENT)
		emit_event_row(r, b, c);
	else if (b->machine)
		emit_select_row(r, b, c);
	if (b->kind == BIND_REFUSED) {
		emit_put(c, "\t\t.refusal = ");
		emit_literal(c, b->reason);
		emit_put(c, ",\n");
	}
	emit_line(c, ".validate = cri_validate_%s,", r->snake);
	if (b->kind == BIND_EVENT)
		emit_line(c, ".handle = rpc_raise,");
	else if (rpc_is_selected_read(b))
		emit_line(c, ".handle = rpc_read,");
	else if (rpc_is_handled(b))
		emit_line(c, ".handle = handle_%s,", r->snake);
	emit_close(c, "},");
}

void plugin_emit_rpc(const struct plugin *p, struct emit *h, struct emit *c)
{
	const struct schema *s = &p->schema;
	size_t i;

	emit_rpc_header(p, h);
	plugin_emit_top(p, c, false);
	emit_put(c, "#include \"cri_rpc.h\"\n\n#include <stddef.h>\n\n"
		    "#include \"cri_validate.h\"\n#include \"sm/engine.h\"\n");
	for (i = 0; i < p->bindings.n_machines; i++)
		emit_line(c, "#include \"sm_%s.h\"", p->bindings.machines[i].name);
	for (i = 0; i < p->bindings.n_machines; i++)
		if (p->bindings.machines[i].named)
			emit_named_thunk(&p->bindings.machines[i], c);
	for (i = 0; i < s->n_rpcs; i++)
		if (rpc_is_handled(&p->bindings.of[i]))
			emit_thunk(&s->rpcs[i], &p->bindings.of[i], c);
	emit_blank(c);
	emit_open(c, "const struct rpc_method cri_methods[CRI_RPC_COUNT] = {");
	for (i = 0; i < s->n_rpcs; i++)
		emit_method(&s->rpcs[i], &p->bindings.of[i], c);
	emit_close(c, "};");
}

void plugin_emit_client(const struct plugin *p, struct emit *h, struct emit *c)
{
	size_t i;

	plugin_emit_top(p, h, true);
	emit_put(h, "\n#include \"api/client.h\"\n");
	for (i = 0; i < p->n_files; i++)
		emit_line(h, "#include \"%s\"", p->headers[i]);
	emit_put(h, "\n/* One for each unary RPC.  0: *ret is the answer, the caller's, released "
		    "with\n"
		    " * protobuf_c_message_free_unpacked(&(*ret)->base, NULL).  <0: e is what the "
		    "server said or why it\n"
		    " * could not be asked; *ret is untouched. */\n");
	plugin_emit_top(p, c, false);
	emit_put(c, "#include \"cri_client.h\"\n");
	for (i = 0; i < p->schema.n_rpcs; i++) {
		const struct rpc *r = &p->schema.rpcs[i];

		if (r->server_stream)
			continue;
		emit_line(h, "int cri_call_%s(struct rpc_client *c,", r->snake);
		emit_line(h, "\tconst %s *req,", r->request->c_type);
		emit_line(h, "\t%s **ret, struct err *e);", r->response->c_type);
		emit_blank(c);
		emit_line(c, "int cri_call_%s(struct rpc_client *c,", r->snake);
		emit_line(c, "\tconst %s *req,", r->request->c_type);
		emit_line(c, "\t%s **ret, struct err *e)", r->response->c_type);
		emit_open(c, "{");
		emit_line(c, "ProtobufCMessage *resp;");
		emit_line(c, "int r;");
		emit_blank(c);
		emit_line(c, "r = rpc_client_call(c, \"/%s/%s\", &req->base,", r->service_full,
			  r->name);
		emit_line(c, "\t&%s__descriptor, &resp, e);", r->response->c_lower);
		emit_line(c, "if (r == 0)");
		emit_line(c, "\t*ret = (%s *)resp;", r->response->c_type);
		emit_line(c, "return r;");
		emit_close(c, "}");
	}
}

void plugin_emit_coverage(const struct plugin *p, struct emit *t)
{
	unsigned count[BIND_UNIMPLEMENTED + 1] = { 0 };
	size_t i;

	emit_line(t, "# Generated by protoc-gen-crisp from %s.", p->sources);
	emit_line(t, "# Not to be edited: change the source and run `make gen`.");
	emit_blank(t);
	for (i = 0; i < p->schema.n_rpcs; i++) {
		const struct rpc *r = &p->schema.rpcs[i];
		const struct binding *b = &p->bindings.of[i];
		const char *name = text_format("%s.%s", r->service, r->name);

		count[b->kind]++;
		if (b->kind == BIND_EVENT)
			emit_line(t, "%-42s event          %s.%s", name, b->machine->name,
				  b->event);
		else if (b->machine)
			emit_line(t, "%-42s %-14s %s%s", name, bind_kind_name(b->kind),
				  b->machine->name, r->server_stream ? "  stream" : "");
		else
			emit_line(t, "%-42s %s%s", name, bind_kind_name(b->kind),
				  r->server_stream ? "  stream" : "");
	}
	emit_blank(t);
	emit_line(t, "%u event, %u read, %u direct, %u refused, %u unimplemented, %zu in all",
		  count[BIND_EVENT], count[BIND_READ], count[BIND_DIRECT], count[BIND_REFUSED],
		  count[BIND_UNIMPLEMENTED], p->schema.n_rpcs);
}
