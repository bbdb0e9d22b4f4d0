/*
 * grpc_env.h - the process around gRPC C core: environment, allocator, log.
 */
#pragma once

/* Once, at the top of main, before any thread: removes environment variables that change how
 * the library behaves, tunes malloc so that a 16 MiB message does not stay resident for ever, and
 * sends the library's own messages through base/log. */
void grpc_env_init(void);
