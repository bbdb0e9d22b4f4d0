/*
 * clock.h - time and boot identity.  All times are nanoseconds.
 */
#pragma once

#include <stdint.h>

#define NSEC_PER_SEC INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)

int64_t clock_realtime_ns(void);
int64_t clock_monotonic_ns(void);
int64_t clock_thread_ns(void); /* CPU time of the calling thread */

/* The kernel's random boot id as 36 characters; aborts without /proc.  Read once. */
const char *clock_boot_id(void);

/* "2006-01-02T15:04:05.999999999Z" of a CLOCK_REALTIME value; out needs 36 bytes. */
void clock_format(int64_t ns, char out[36]);
