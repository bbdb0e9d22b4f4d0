/*
 * report.h - check a puller's report against the reference of its pull.
 *
 * What must hold: a compromised puller cannot give the daemon an image under another name or
 * digest, nor values out of bounds.
 */
#pragma once

#include "base/err.h"
#include "gen/state.pb-c.h"

/* reference: the requested one; "": the name in a layout. A full name must be the image's name,
 * with its tag; a digest must be the image's. A short name may resolve to any full name.
 * ERR_INTERNAL names the mismatch. */
int image_report_check(const char *reference, const char *image_id,
		       const Crisp__State__Image *image, struct err *e);
