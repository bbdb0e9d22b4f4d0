/*
 * crisp_message.h - messages from JSON, as crictl's files have them.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"

/* Read a message of this kind from the JSON file at path.  Names are those of the schema, or the
 * same in lowerCamelCase; bytes are plain text, enums names or numbers.  *ret is freed with
 * protobuf_c_message_free_unpacked.  ERR_INVALID: the text names file and field. */
int message_read(const char *path, const ProtobufCMessageDescriptor *of, ProtobufCMessage **ret,
		 struct err *e);
