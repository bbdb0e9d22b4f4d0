/*
 * crisp_progress.h - display a pull's progress while another thread waits for the pull.
 */
#pragma once

#include "crisp.h"

struct progress;

/* Show the pulls of this name on stderr: on a terminal one line, rewritten; else a line for each
 * change.  The caller may use the client meanwhile.  NULL: progress cannot be shown. */
struct progress *progress_start(struct cli *cli, const char *name);
/* Stop and end the line; p may be NULL. */
void progress_stop(struct progress *p);

/* "fetching 3/5 layers, 12.3MB of 45.6MB, 4.5MB/s from HOST, 1 retry"; truncated to size. */
void progress_text(const Crisp__V1__Pull *p, char *out, size_t size);
