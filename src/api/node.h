/*
 * node.h - what the daemon tells of itself without being called.
 */
#pragma once

/* Log a line for each object that is not at rest: its state, age, what it waits for, its last
 * error, as Admin.Explain has them; at most 256 lines, then one that counts.  On the loop. */
void explain_log(void);
