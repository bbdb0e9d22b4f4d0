/*
 * crisp_progress.h - how far a pull is, while another thread waits for it.
 */
#pragma once

#include "crisp.h"

struct progress;

/* Show the pulls of this name on stderr from now on: one line that is written again on a terminal,
 * else a line whenever there is something new to say.  The client may be used meanwhile.  NULL: it
 * cannot be shown. */
struct progress *progress_start(struct cli *cli, const char *name);
/* Ends the line; NULL is fine. */
void progress_stop(struct progress *p);

/* "fetching 3/5 layers, 12.3MB of 45.6MB, 4.5MB/s from HOST, 1 retry"; out is cut to its size. */
void progress_text(const Crisp__V1__Pull *p, char *out, size_t size);
