/*
 * crisp_json.h - messages as JSON, in proto3's mapping and with secrets redacted.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>

/* Print names in lowerCamelCase, fields with their default value too, 64-bit numbers as strings.
 * Enums appear by name, bytes in base64, fields listed by cri_print_redacts as "[redacted]".  The
 * values of an `info` map are emitted as JSON if they parse as JSON. */
void json_print(const ProtobufCMessage *m, FILE *out);
