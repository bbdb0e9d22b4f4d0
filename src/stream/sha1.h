/*
 * sha1.h - SHA-1 (RFC 3174) of something short.  For the WebSocket handshake, which asks for it; it
 * protects nothing.
 */
#pragma once

#include <stddef.h>

#define SHA1_SIZE 20

void sha1(const void *data, size_t size, unsigned char out[SHA1_SIZE]);
