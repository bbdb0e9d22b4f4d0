/*
 * nofile.c - read and set RLIMIT_NOFILE.
 */
#include "base/nofile.h"

#include <sys/resource.h>

#include "base/util.h"

#define RAISE_MAX ((rlim_t)1024 * 1024)
#define BUDGET_MIN 8

static uint64_t original;

void nofile_raise(void)
{
	struct rlimit l;
	rlim_t before;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= MIN(l.rlim_max, RAISE_MAX))
		return;
	before = l.rlim_cur;
	l.rlim_cur = MIN(l.rlim_max, RAISE_MAX);
	if (setrlimit(RLIMIT_NOFILE, &l) == 0)
		original = before;
}

uint64_t nofile_original(void)
{
	return original;
}

void nofile_lower(uint64_t soft)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || soft >= l.rlim_cur)
		return;
	l.rlim_cur = soft;
	setrlimit(RLIMIT_NOFILE, &l);
}

unsigned nofile_budget(unsigned want, unsigned share)
{
	struct rlimit l = { .rlim_cur = RLIM_INFINITY };
	rlim_t part;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur == RLIM_INFINITY)
		return want;
	part = MAX(l.rlim_cur / share, (rlim_t)BUDGET_MIN);
	return (unsigned)MIN((rlim_t)want, part);
}
