/*
 * pages.c - map, release and unmap whole pages.
 */
#include "shim/pages.h"

#include <assert.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "base/util.h"

#define STACK_USED_MAX ((size_t)256 * 1024) /* deeper than any call chain */
#define FRAME_MAX 4096 /* stack of this call and of madvise */

#if defined(__SANITIZE_ADDRESS__)
/* On the heap, so that ASan finds leaks and reads beyond the end. */
void *pages_alloc(size_t size)
{
	return xcalloc(1, size);
}

void pages_free(void *p, size_t size)
{
	(void)size;
	free(p);
}
#else
void *pages_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert(p != MAP_FAILED);
	return p;
}

void pages_free(void *p, size_t size)
{
	munmap(p, size);
}
#endif

void pages_release(void *buffer, size_t size)
{
#if defined(__SANITIZE_ADDRESS__)
	/* The buffer may have been a stack whose functions never returned. */
	ASAN_UNPOISON_MEMORY_REGION(buffer, size);
#endif
	/* Fails if pages are larger than 4 KiB and the buffer is not aligned to them: it stays. */
	madvise(buffer, size, MADV_DONTNEED);
}

void pages_release_unused(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - FRAME_MAX) & ~(page - 1);

	/* Page by page, up to the first page that the stack has never used. */
	for (uintptr_t at = end; at > end - STACK_USED_MAX; at -= page)
		if (madvise((void *)(at - page), page, MADV_DONTNEED) < 0)
			break;
	malloc_trim(0);
}
