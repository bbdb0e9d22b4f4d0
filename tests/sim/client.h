/*
 * client.h - one call a function: pod 0 has namespaces of its own, pod 1 the host's network, pod 2
 * a shared PID namespace; each has containers 0 and 1 of images 0 and 1.  The client knows the ids
 * it was given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

void client_run(unsigned pod);
void client_stop_pod(unsigned pod);
void client_remove_pod(unsigned pod);
void client_create(unsigned pod, unsigned ctr);
void client_start(unsigned pod, unsigned ctr);
void client_stop(unsigned pod, unsigned ctr, int64_t timeout);
void client_remove(unsigned pod, unsigned ctr);
void client_exec(unsigned pod, unsigned ctr, int64_t timeout);
void client_update(unsigned pod, unsigned ctr);
/* Pause or resume; nothing if the daemon has no such container. */
void client_switch(unsigned pod, unsigned ctr, bool pause);
void client_checkpoint(unsigned pod, unsigned ctr);
void client_reopen(unsigned pod, unsigned ctr);
void client_pull(unsigned image);
void client_remove_image(unsigned image);

/* loop.c: the calling code stands for one of gRPC's threads. */
void sim_arrive(bool begin);
