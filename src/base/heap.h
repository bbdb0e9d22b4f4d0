/*
 * heap.h - give free memory back to the kernel.
 */
#pragma once

/* Return the free pages of the heap if the process has grown since the last call that did so.
 * Cheap otherwise; call it every few seconds. */
void heap_give_back(void);
