/*
 * heap.h - return free heap memory to the kernel.
 */
#pragma once

/* Release the free pages of the heap if the process has grown since the last release.  Cheap
 * otherwise: call it every few seconds. */
void heap_give_back(void);
