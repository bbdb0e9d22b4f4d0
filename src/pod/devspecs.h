/*
 * devspecs.h - the CDI devices of the node, as they were last read.  Loop thread only.
 */
#pragma once

struct cdi_catalog;

/* Read them at start, log each file that cannot be used, and do so again after changes.  Blocks. */
void devspecs_begin(void);
void devspecs_end(void);

/* A reference for a job, which reads again what has changed; NULL: CDI is switched off. */
struct cdi_catalog *devspecs_known(void);
/* Keep a reference to what a job has read, and log the errors that are new.  NULL: no change. */
void devspecs_update(struct cdi_catalog *now);
