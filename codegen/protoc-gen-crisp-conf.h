/*
 * protoc-gen-crisp-conf.h - generator for message fields that come from the configuration.
 */
#pragma once

#include "emit.h"
#include "protoc-gen-crisp-schema.h"

struct conf_keys {
	const char *path; /* of src/conf/keys.c */
	const char *table; /* the file's text */
};

/* false: path cannot be read, and d has the reason. */
bool conf_keys_read(struct conf_keys *ret, const char *path, struct diag *d);

/* Emit stem_conf.[ch] for one file of the schema: a function for each message with such fields.
 * The output is empty without such messages, or with mistakes alone.  path: name of the file in
 * diagnostics. */
void conf_emit(const struct conf_keys *s, const struct schema *schema,
	       const Google__Protobuf__FileDescriptorProto *file, const char *path,
	       const char *stem, struct emit *h, struct emit *c, struct diag *d);
