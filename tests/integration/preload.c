/*
 * preload.c - preloaded into a daemon, stages what a test cannot wait for.
 *
 * OTHERBOOT names a file with another boot id.  DIE_AT names a file: the daemon is killed behind
 * its next rename to the path in it; an empty or missing file does nothing.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int other_open(const char *path, int flags, ...) __asm__("open");
int other_rename(const char *from, const char *to) __asm__("rename");

int other_open(const char *path, int flags, ...)
{
	const char *file = getenv("OTHERBOOT");
	mode_t mode;
	va_list ap;

	/* Without O_CREAT the kernel ignores it. */
	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (file && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		path = file;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int is_fatal(const char *path)
{
	const char *file = getenv("DIE_AT");
	char line[4096] = "";
	int fd = file ? other_open(file, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return 0;
	if (read(fd, line, sizeof(line) - 1) < 0)
		line[0] = '\0';
	close(fd);
	line[strcspn(line, "\n")] = '\0';
	return strcmp(line, path) == 0;
}

int other_rename(const char *from, const char *to)
{
	int r = (int)syscall(SYS_rename, from, to);

	if (r == 0 && is_fatal(to))
		raise(SIGKILL);
	return r;
}
