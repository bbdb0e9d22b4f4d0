/*
 * report.h - is what a puller reports something that a pull of this reference can have found?
 *
 * What must hold: a puller that was taken over cannot give the daemon an image under a name or a
 * digest that nobody asked for, nor anything that is out of bounds.
 */
#pragma once

#include "base/err.h"
#include "gen/state.pb-c.h"

/* reference: what was asked for, "" for a layout's own name.  A full name must be the image's
 * name, with its tag; a digest must be the image's.  A short name may have become any full one.
 * ERR_INTERNAL says what is wrong. */
int image_report_check(const char *reference, const char *image_id,
		       const Crisp__State__Image *image, struct err *e);
