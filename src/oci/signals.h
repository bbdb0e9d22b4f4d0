/*
 * signals.h - conversion of signals between kernel numbers, the CRI's enum and names.
 */
#pragma once

#include "gen/api.pb-c.h"

/* Linux number; 0 for RUNTIME_DEFAULT and unknown values. */
int oci_signal_from_cri(Runtime__V1__Signal cri);

/* The CRI's value of a Linux number; RUNTIME_DEFAULT if the CRI has none. */
Runtime__V1__Signal oci_signal_to_cri(int number);

/* Parse "SIGTERM", "term", "15", "SIGRTMIN+3", as images have them; 0: no signal. */
int oci_signal_parse(const char *text);
