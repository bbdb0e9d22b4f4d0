/*
 * wipe.h - overwrite the secrets of a protobuf-c message before its memory is freed.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

/* Overwrite each string, bytes and unknown field of m and of its submessages. m: unpacked, or with
 * strings of its own; NULL: nothing to do. Afterwards m can only be freed. */
void message_wipe(ProtobufCMessage *m);
