/*
 * node.h - the daemon's report about itself in the log, without a call.
 */
#pragma once

/* Log a line for each object that is not in a settled state: its state, age, pending work and
 * last error, as Admin.Explain shows them.  At most 256 lines, then one with both counts.  On
 * the loop. */
void explain_log(void);
