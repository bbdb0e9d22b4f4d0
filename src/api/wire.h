/*
 * wire.h - the bytes of a protobuf message, checked before anything is decoded.
 *
 * protobuf-c takes bad UTF-8, cuts a string at an embedded NUL and turns two megabytes of
 * empty sub-messages into a hundred; none of that may reach a handler.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "base/err.h"

#define WIRE_DEPTH_MAX 32 /* messages within messages */
#define WIRE_ELEMENTS_MAX 1000000 /* fields and packed values in one message, in all depths */

/* Walk data as a message of desc: well-formed, within the bounds above, wire types as declared,
 * strings UTF-8 without NUL, no groups.  ERR_INVALID names the field's path, ERR_EXHAUSTED a
 * bound.  Fields that the descriptor does not know are skipped, as protobuf demands. */
int wire_check(const ProtobufCMessageDescriptor *desc, const void *data, size_t size,
	       struct err *e);

/* In a packed message of our own, replace what is not UTF-8 in its strings, and NULs, by '?'
 * in place: a client refuses a whole list for one bad name.  Stops at the first byte that is not
 * well-formed. */
void wire_clean(const ProtobufCMessageDescriptor *desc, void *data, size_t size);

/* The same for one text. */
void wire_clean_text(char *s, size_t size);
