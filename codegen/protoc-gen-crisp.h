/*
 * protoc-gen-crisp.h - shared by the parts of the protoc plugin: the loaded inputs, and one
 * function for each pair of output files.
 * Deterministic: the same inputs give the same bytes, independent of time, local paths and hash
 * order.
 */
#pragma once

#include "emit.h"
#include "protoc-gen-crisp-bind.h"
#include "protoc-gen-crisp-conf.h"
#include "protoc-gen-crisp-input.h"
#include "protoc-gen-crisp-schema.h"

struct plugin {
	struct schema schema;
	struct rules rules;
	struct bindings bindings;
	const char *sources; /* all input files, for the banner */
	/* For each file of the schema: descriptor, name in diagnostics, name without ".proto",
	 * protoc-c's header, package. */
	Google__Protobuf__FileDescriptorProto **files;
	const char **paths;
	const char **stems;
	const char **headers;
	const char **packages;
	size_t n_files;
	struct diag diag;
};

/* gen/cri_rpc.[ch]: method table, thunks, handler prototypes. */
void plugin_emit_rpc(const struct plugin *p, struct emit *h, struct emit *c);

/* gen/cri_validate.[ch]: a validator for each request. */
void plugin_emit_validate(struct plugin *p, struct emit *h, struct emit *c);

/* gen/cri_print.[ch]: the printer and the table of redacted fields. */
void plugin_emit_print(const struct plugin *p, struct emit *h, struct emit *c);

/* gen/cri_client.[ch]: one typed call for each unary RPC. */
void plugin_emit_client(const struct plugin *p, struct emit *h, struct emit *c);

/* gen/cri_coverage.txt: RPCs and their bindings. */
void plugin_emit_coverage(const struct plugin *p, struct emit *t);

/* The banner, and #pragma once in a header. */
void plugin_emit_top(const struct plugin *p, struct emit *e, bool header);
