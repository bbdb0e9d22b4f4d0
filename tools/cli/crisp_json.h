/*
 * crisp_json.h - messages as JSON, in proto3's own mapping and without what must not be shown.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

/* Names in lowerCamelCase, fields with their default value too, 64-bit numbers as strings, enums by
 * name, bytes in base64, fields that cri_print_redacts names as "[redacted]".  The values of an
 * `info` map are JSON themselves where they parse as such. */
void json_print(const ProtobufCMessage *m, FILE *out);
