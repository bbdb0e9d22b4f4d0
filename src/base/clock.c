/*
 * clock.c - clocks in nanoseconds, the boot id, and timestamps.
 */
#include "base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char boot_id[37];
static pthread_once_t boot_id_once = PTHREAD_ONCE_INIT;

static int64_t now(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		abort();
	return (int64_t)ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t clock_realtime_ns(void)
{
	return now(CLOCK_REALTIME);
}

int64_t clock_monotonic_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

int64_t clock_thread_ns(void)
{
	return now(CLOCK_THREAD_CPUTIME_ID);
}

static void boot_id_read(void)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, boot_id, 36) != 36)
		abort();
	close(fd);
}

const char *clock_boot_id(void)
{
	pthread_once(&boot_id_once, boot_id_read);
	return boot_id;
}

/* Before 1970 seconds round down, so that the fraction is never negative. */
void clock_format(int64_t ns, char out[36])
{
	int64_t rest = (ns % NSEC_PER_SEC + NSEC_PER_SEC) % NSEC_PER_SEC;
	time_t s = (time_t)(ns / NSEC_PER_SEC - (ns % NSEC_PER_SEC < 0));
	struct tm tm;
	char date[24];

	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, 36, "%s.%09dZ", date, (int)rest);
}
