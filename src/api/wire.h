/*
 * wire.h - validation of a protobuf message's bytes before decoding.
 * protobuf-c accepts bad UTF-8 and cuts a string at an embedded NUL.  It decodes two megabytes of
 * empty sub-messages into a hundred megabytes.  No such message may reach a handler.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "base/err.h"

#define WIRE_DEPTH_MAX 32 /* messages within messages */
#define WIRE_ELEMENTS_MAX 1000000 /* fields and packed values in one message, at all depths */

/* Check data as a message of desc: well-formed, within the bounds above, wire types as declared,
 * strings UTF-8 without NUL, no groups.  ERR_INVALID names the field's path, ERR_EXHAUSTED a bound.
 * Unknown fields are skipped, as protobuf demands. */
int wire_check(const ProtobufCMessageDescriptor *desc, const void *data, size_t size,
	       struct err *e);

/* In a packed response, replace invalid UTF-8 and NULs in strings by '?' in place: a client rejects
 * a whole list for one bad name.  Stops at the first byte that is not well-formed. */
void wire_clean(const ProtobufCMessageDescriptor *desc, void *data, size_t size);

/* Clean one text in the same way. */
void wire_clean_text(char *s, size_t size);
