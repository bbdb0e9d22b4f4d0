/*
 * protoc-gen-crisp-input.h - the two hand-written inputs beside the schema: proto/rules, which says
 * what a request must look like, and states/rpc.bind, which says what each RPC does.
 *
 * Both are read completely: every mistake found becomes a "file:line: text" that says what to
 * write.  What must hold afterwards, if none was found: every RPC has exactly one binding, every
 * rule stands at a field that exists and that it makes sense for.
 */
#pragma once

#include "protoc-gen-crisp-schema.h"

/* The rules for one field: one line of the rules file. */
struct rule_set {
	unsigned line;
	struct message *anchor; /* whose validator checks it */
	struct field *field; /* of anchor, or of the message that `via` holds */
	struct field *via; /* a singular message field of anchor, or NULL */
	bool required;
	bool absolute;
	bool inside;
	bool name;
	bool word;
	bool text_line;
	bool secret;
	bool has_max, has_items, has_range;
	long long max; /* bytes */
	long long items; /* entries */
	long long low, high;
	bool open; /* no upper end */
	const char *chars;
	const char *without;
	const char *only; /* "POD,NODE" */
};

struct rules {
	const char *path;
	long long default_items; /* for repeated fields without a rule of their own; 0: none */
	struct rule_set *sets;
	size_t n_sets;
};

enum bind_kind {
	BIND_NONE, /* not bound: generation fails */
	BIND_EVENT,
	BIND_READ,
	BIND_DIRECT,
	BIND_UNIMPLEMENTED,
};

struct bind_machine {
	const char *name; /* "sandbox": its header is sm_sandbox.h */
	const char *prefix; /* "SBX": its events are SBX_EVENT_... */
	unsigned line;
	bool used;
};

struct binding {
	enum bind_kind kind;
	unsigned line;
	/* Of an event: */
	const struct bind_machine *machine;
	const char *event;
	bool makes; /* new */
	const struct field *inside; /* the message that has by, NULL: the request */
	const struct field *by;
	bool each, gone_ok, broken_removed, checked, empty;
	const char *carries; /* a struct payload_CARRIES, NULL: nothing */
	const char *other; /* the event that carries it, NULL: event does */
};

struct bindings {
	const char *path;
	struct bind_machine *machines;
	size_t n_machines;
	struct binding *of; /* one for each of the schema's rpcs, in its order */
};

/* A file's text.  NULL: it cannot be opened, and d says why. */
char *file_read(const char *path, struct diag *d);

void rules_load(struct rules *r, const char *path, const struct schema *s, struct diag *d);
void bindings_load(struct bindings *b, const char *path, const struct schema *s, struct diag *d);

/* The rules for field f of its own message, or NULL. */
const struct rule_set *rules_find(const struct rules *r, const struct field *f);

/* "event", "read", "direct", "unimplemented". */
const char *bind_kind_name(enum bind_kind kind);
