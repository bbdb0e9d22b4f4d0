/*
 * verify.h - `crisp-pull verify`: check a stored image again with its stored signatures, without
 * network (proto/pull.proto, Verify).
 */
#pragma once

/* Read the request from stdin, write the reply to stdout. Returns the exit status. */
int verify_main(void);
