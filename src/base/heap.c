/*
 * heap.c - call malloc_trim after growth.  glibc alone returns only the free end of the heap: one
 * small allocation after a burst of requests keeps everything below it resident.
 */
#include "base/heap.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"

#define SLACK_BYTES ((size_t)2 * 1024 * 1024)

/* Resident bytes; 0: unknown. */
static size_t resident(void)
{
	_cleanup_close_ int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *p;
	uint64_t pages;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = text + strcspn(text, " ");
	p += strspn(p, " ");
	text[(p - text) + strcspn(p, " ")] = '\0';
	return str_to_u64(p, SIZE_MAX, &pages) == 0 ? pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

void heap_give_back(void)
{
	static size_t lowest;
	size_t now = resident();

	if (!lowest || now < lowest)
		lowest = now;
	if (now < lowest + SLACK_BYTES || mallinfo2().fordblks < SLACK_BYTES)
		return;
	malloc_trim(0);
	lowest = resident();
}
