/*
 * signals.h - signals by the numbers of the kernel, by the CRI's enum and by name.
 */
#pragma once

#include "gen/api.pb-c.h"

/* Linux number; 0 for RUNTIME_DEFAULT and for what is not a known value. */
int oci_signal_from_cri(Runtime__V1__Signal cri);

/* The CRI's value of a Linux number, RUNTIME_DEFAULT when it has none. */
Runtime__V1__Signal oci_signal_to_cri(int number);

/* "SIGTERM", "term", "15", "SIGRTMIN+3" as images have them; 0 when it is no signal. */
int oci_signal_parse(const char *text);
