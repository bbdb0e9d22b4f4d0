/*
 * protoc-gen-crisp-conf.h - fields of a message that come from the configuration.
 */
#pragma once

#include "emit.h"
#include "protoc-gen-crisp-schema.h"

struct conf_keys {
	const char *path; /* of src/conf/keys.c */
	const char *table; /* its text */
};

/* false: path cannot be read, and d says why. */
bool conf_keys_read(struct conf_keys *ret, const char *path, struct diag *d);

/* stem_conf.[ch] for one file of the schema: a function for each message that has such fields.
 * Nothing is emitted when none has any, or after mistakes alone.  path: the file in diagnostics. */
void conf_emit(const struct conf_keys *s, const struct schema *schema,
	       const Google__Protobuf__FileDescriptorProto *file, const char *path,
	       const char *stem, struct emit *h, struct emit *c, struct diag *d);
