/*
 * wipe.h - overwrite the secrets of a protobuf-c message before its memory is freed.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

/* Overwrite each string, bytes and unknown field of m and of the messages in it.  m: unpacked, or
 * with strings of its own; NULL: nothing to do.  Afterwards it can only be freed. */
void message_wipe(ProtobufCMessage *m);
