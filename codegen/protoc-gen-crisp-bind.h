/*
 * protoc-gen-crisp-bind.h - parser of states/rpc.bind, the bindings of RPCs to their
 * implementation.
 * The whole file is read: every mistake becomes a "file:line: text" that says what to write.
 * Without a mistake, every RPC has exactly one binding, and every named field exists and has a
 * fitting type.
 */
#pragma once

#include "protoc-gen-crisp-schema.h"

enum bind_kind {
	BIND_NONE, /* not bound: generation fails */
	BIND_EVENT,
	BIND_READ,
	BIND_DIRECT,
	BIND_REFUSED,
	BIND_UNIMPLEMENTED,
};

struct bind_machine {
	const char *name; /* "sandbox": its header is sm_sandbox.h */
	const char *prefix; /* "SBX": its events are SBX_EVENT_... */
	unsigned line;
	bool used;
	const struct message *lists; /* message of a listing, NULL: none */
	bool named; /* its objects have names besides ids */
};

/* A field of a message, or of a singular submessage. */
struct bind_path {
	const struct field *inside; /* the submessage's field, NULL: field is in the message */
	const struct field *field;
};

struct bind_test {
	struct bind_path at; /* in the filter */
	const char *of; /* "prefix": the property it is compared with */
};

struct bind_filter {
	const struct message *message;
	unsigned line;
	bool used;
	struct bind_test *tests;
	size_t n_tests;
};

struct binding {
	enum bind_kind kind;
	unsigned line;
	const struct bind_machine *machine; /* NULL: entirely hand-written */
	struct bind_path by; /* the object's name in the request; field NULL: new, or many */
	bool gone_ok;
	bool empty; /* answer=empty */
	bool on_loop; /* of a direct RPC */
	/* Of an event: */
	const char *event;
	bool makes; /* new */
	bool each, broken_removed, checked;
	const char *carries; /* a struct payload_CARRIES, NULL: none */
	const char *other; /* the event that carries it, NULL: event does */
	/* Of a read or a direct RPC about many objects: */
	const struct field *where; /* the filter in the request, NULL: about one */
	const struct bind_filter *filter;
	const struct field *items; /* of a read: the list in the response */
	bool batches; /* of a read: in batches */
	const char *unless; /* a state's name, NULL: any state */
	int unless_number;
	const char *reason; /* of a refused RPC */
};

struct bindings {
	const char *path;
	struct bind_machine *machines;
	size_t n_machines;
	struct bind_filter *filters;
	size_t n_filters;
	struct binding *of; /* one for each of the schema's rpcs, in its order */
};

void bindings_load(struct bindings *b, const char *path, const struct schema *s, struct diag *d);

/* "event", "read", "direct", "refused", "unimplemented". */
const char *bind_kind_name(enum bind_kind kind);

/* The labels field of a listing's message; NULL: none. */
const struct field *bind_labels(const struct message *lists);
