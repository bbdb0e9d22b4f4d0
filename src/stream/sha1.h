/*
 * sha1.h - SHA-1 (RFC 3174) of short data, as the WebSocket handshake requires; not a security
 * measure.
 */
#pragma once

#include <stddef.h>

#define SHA1_SIZE 20

void sha1(const void *data, size_t size, unsigned char out[SHA1_SIZE]);
