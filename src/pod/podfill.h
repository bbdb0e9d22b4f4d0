/*
 * podfill.h - gives a pod's volumes in memory the files of its checkpoint.  Workers only.
 */
#pragma once

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "pod/podread.h"

/* Has the request a volume in memory for each of the checkpoint?  ERR_PRECONDITION: no;
 * ERR_INVALID: the checkpoint's list of volumes is damaged. */
int podfill_check(const struct podread *p, const Crisp__State__Sandbox *row, struct err *e);

/* Unpack the volumes of the checkpoint that the row names.  Can be repeated.  Codes as
 * podfill_check, and those of dumprun_unpack. */
int podfill_volumes(const char *id, const Crisp__State__Sandbox *row, struct err *e);
