/*
 * protoc-gen-crisp-conf.h - generator for message fields that come from the configuration.
 */
#pragma once

#include "keytable.h"

/* Emit stem_conf.[ch] for one file of the schema: a function for each message with such fields.
 * The output is empty without such messages, or with mistakes alone.  path: name of the file in
 * diagnostics. */
void conf_emit(const struct key_table *s, const struct schema *schema,
	       const Google__Protobuf__FileDescriptorProto *file, const char *path,
	       const char *stem, struct emit *h, struct emit *c, struct diag *d);
