/*
 * protoc-gen-crisp-rpc.c - writes gen/cri_rpc.[ch], gen/cri_client.[ch] and gen/cri_coverage.txt.
 *
 * The table names each event by the constant in its machine's header and each handler by its
 * prototype, so a binding to an event that is gone fails the compile and a handler that nobody
 * wrote fails the link.
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
	" * An event or direct handler starts work.  0: it will be answered later, or was; <0: as\n"
	" * above.\n"
	" */\n";

/* Whether the handler is given a response to fill. */
static bool rpc_fills_response(const struct rpc *r, const struct binding *b)
{
	return b->kind == BIND_READ && !r->server_stream;
}

static void emit_handler_prototype(const struct rpc *r, const struct binding *b, struct emit *h)
{
	const char *how = b->kind == BIND_EVENT ?
			  text_format("event %s.%s", b->machine->name, b->event) :
			  bind_kind_name(b->kind);

	emit_blank(h);
	if (r->comment)
		emit_line(h, "/* %s: %s", how, r->comment);
	else
		emit_line(h, "/* %s", how);
	emit_line(h, " * (%s.%s) */", r->service_full, r->name);
	emit_line(h, "int rpc_%s(struct rpc_call *call,", r->snake);
	emit_line(h, "\tconst %s *req,", r->request->c_type);
	if (rpc_fills_response(r, b))
		emit_line(h, "\t%s *resp,", r->response->c_type);
	emit_line(h, "\tstruct err *e);");
}

static void emit_rpc_header(const struct plugin *p, struct emit *h)
{
	const struct schema *s = &p->schema;
	size_t i;

	plugin_emit_top(p, h, true);
	emit_put(h, "\n#include \"api/rpc.h\"\n");
	for (i = 0; i < p->n_files; i++)
		emit_line(h, "#include \"%s\"", p->headers[i]);
	emit_blank(h);
	emit_open(h, "enum cri_rpc {");
	for (i = 0; i < s->n_rpcs; i++)
		emit_line(h, "CRI_RPC_%s,", s->rpcs[i].upper);
	emit_line(h, "CRI_RPC_COUNT,");
	emit_close(h, "};");
	emit_put(h, "\n/* Indexed by enum cri_rpc.  An unimplemented method's handle fails with "
		    "ERR_UNIMPLEMENTED, so no\n"
		    " * pointer in it is NULL but machine. */\n"
		    "extern const struct rpc_method cri_methods[CRI_RPC_COUNT];\n\n%s",
		 rpc_contract);
	for (i = 0; i < s->n_rpcs; i++)
		if (p->bindings.of[i].kind != BIND_UNIMPLEMENTED)
			emit_handler_prototype(&s->rpcs[i], &p->bindings.of[i], h);
}

static void emit_thunk(const struct rpc *r, const struct binding *b, struct emit *c)
{
	emit_blank(c);
	emit_line(c, "static int handle_%s(struct rpc_call *call, const ProtobufCMessage *msg, "
		  "struct err *e)", r->snake);
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

/* "run" of machine prefix SBX: SBX_EVENT_RUN */
static const char *event_constant(const struct binding *b)
{
	char *event = text_format("%s", b->event);
	size_t i;

	for (i = 0; event[i]; i++)
		event[i] = (char)toupper((unsigned char)event[i]);
	return text_format("%s_EVENT_%s", b->machine->prefix, event);
}

static void emit_method(const struct rpc *r, const struct binding *b, struct emit *c)
{
	static const char *const kinds[] = {
		[BIND_EVENT] = "EVENT", [BIND_READ] = "READ", [BIND_DIRECT] = "DIRECT",
		[BIND_UNIMPLEMENTED] = "UNIMPLEMENTED",
	};
	bool event = b->kind == BIND_EVENT;

	emit_open(c, "[CRI_RPC_%s] = {", r->upper);
	emit_line(c, ".path = \"/%s/%s\",", r->service_full, r->name);
	emit_line(c, ".name = \"%s\",", r->name);
	emit_line(c, ".request = &%s__descriptor,", r->request->c_lower);
	emit_line(c, ".response = &%s__descriptor,", r->response->c_lower);
	emit_line(c, ".server_streaming = %s,", r->server_stream ? "true" : "false");
	emit_line(c, ".kind = RPC_KIND_%s,", kinds[b->kind]);
	if (event)
		emit_line(c, ".machine = \"%s\",", b->machine->name);
	emit_line(c, ".event = %s,", event ? event_constant(b) : "-1");
	emit_line(c, ".validate = cri_validate_%s,", r->snake);
	emit_line(c, ".handle = handle_%s,",
		  b->kind == BIND_UNIMPLEMENTED ? "unimplemented" : r->snake);
	emit_close(c, "},");
}

static void emit_unimplemented(const struct plugin *p, struct emit *c)
{
	size_t i;

	for (i = 0; i < p->schema.n_rpcs; i++)
		if (p->bindings.of[i].kind == BIND_UNIMPLEMENTED)
			break;
	if (i == p->schema.n_rpcs)
		return;
	emit_put(c, "\nstatic int handle_unimplemented(struct rpc_call *call, "
		    "const ProtobufCMessage *msg, struct err *e)\n"
		    "{\n"
		    "\t(void)msg;\n"
		    "\treturn err_set(e, ERR_UNIMPLEMENTED, \"%%s is not implemented\", "
		    "rpc_call_method(call)->name);\n"
		    "}\n");
}

void plugin_emit_rpc(const struct plugin *p, struct emit *h, struct emit *c)
{
	const struct schema *s = &p->schema;
	size_t i;

	emit_rpc_header(p, h);
	plugin_emit_top(p, c, false);
	emit_put(c, "#include \"cri_rpc.h\"\n\n#include \"cri_validate.h\"\n");
	for (i = 0; i < p->bindings.n_machines; i++)
		emit_line(c, "#include \"sm_%s.h\"", p->bindings.machines[i].name);
	emit_unimplemented(p, c);
	for (i = 0; i < s->n_rpcs; i++)
		if (p->bindings.of[i].kind != BIND_UNIMPLEMENTED)
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
		else
			emit_line(t, "%-42s %s%s", name, bind_kind_name(b->kind),
				  r->server_stream ? "  stream" : "");
	}
	emit_blank(t);
	emit_line(t, "%u event, %u read, %u direct, %u unimplemented, %zu in all",
		  count[BIND_EVENT], count[BIND_READ], count[BIND_DIRECT],
		  count[BIND_UNIMPLEMENTED], p->schema.n_rpcs);
}
