/*
 * pbfield.h - fields of messages by their descriptors.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* Bytes of one value of the field in its message, or in its list. */
size_t pbfield_size(const ProtobufCFieldDescriptor *f);
