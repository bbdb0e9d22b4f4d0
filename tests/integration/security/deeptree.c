/*
 * deeptree.c - nest directories: deeptree DEPTH FILES makes DEPTH of them in each other below
 * /deep and FILES files in /wide, says "made" and waits.
 *
 * Each level is made relative to the one above, so that no path is longer than PATH_MAX.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	perror(what);
	exit(1);
}

static int number(const char *s)
{
	int n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + *s - '0';
	return n;
}

int main(int argc, char **argv)
{
	int depth = argc > 1 ? number(argv[1]) : 0, files = argc > 2 ? number(argv[2]) : 0;

	must(mkdir("/wide", 0755), "mkdir /wide");
	must(chdir("/wide"), "chdir /wide");
	for (int i = 0; i < files; i++) {
		char name[32];
		int fd;

		snprintf(name, sizeof(name), "file-%d", i);
		fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		must(fd, name);
		close(fd);
	}
	must(mkdir("/deep", 0755), "mkdir /deep");
	must(chdir("/deep"), "chdir /deep");
	for (int i = 0; i < depth; i++) {
		must(mkdir("d", 0755), "mkdir d");
		must(chdir("d"), "chdir d");
	}
	puts("made");
	fflush(stdout);
	for (;;)
		pause();
}
