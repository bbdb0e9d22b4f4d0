/*
 * checkpoint.h - effects of states/container.sm that write a container's processes to an archive.
 * Loop thread only.
 */
#pragma once

struct object;

/* Cancel the dump of this container, if one runs: its programs are killed. */
void checkpoint_cancel(const struct object *o);
/* The daemon ends: cancel all. */
void checkpoint_drain(void);
