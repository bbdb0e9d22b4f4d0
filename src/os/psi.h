/*
 * psi.h - pressure stall information: the text of cpu.pressure, memory.pressure and io.pressure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct psi_line {
	uint64_t total_us; /* stalled since the creation of the cgroup */
	double avg10, avg60, avg300; /* percent of the last 10, 60 and 300 seconds */
};

/* known: the kernel has the file; else all figures are 0. */
struct psi {
	bool known;
	struct psi_line some, full; /* at least one task stalled; all tasks stalled */
};

/* Parse the text of a pressure file.  A kernel may leave out the line of full: it stays 0.
 * *ret is not known if the line of some is missing or a number is malformed. */
void psi_parse(const char *text, struct psi *ret);
