/*
 * podoptions.h - options of CheckpointPod and RestorePod: each is true or false.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define PODOPTIONS_MAX 8

struct pod_option {
	const char *name;
	const char *on, *off; /* to CRIU or the runtime; NULL: nothing */
	bool otherwise; /* without the option */
};

/* Values of the n options of a table, without any from the request yet. */
void podoptions_begin(const struct pod_option *table, size_t n, bool on[PODOPTIONS_MAX]);
/* Take one of the request.  ERR_INVALID: no such option, or no such value. */
int podoptions_take(const struct pod_option *table, size_t n, const char *key, const char *value,
		    bool on[PODOPTIONS_MAX], struct err *e);
