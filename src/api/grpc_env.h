/*
 * grpc_env.h - the process environment of gRPC C core: variables, allocator, log.
 */
#pragma once

/* Call once, at the top of main, before any thread.  Removes environment variables that change the
 * library's behaviour.  Tunes malloc so that the memory of a 16 MiB message is returned.  Sends the
 * library's messages through base/log. */
void grpc_env_init(void);
