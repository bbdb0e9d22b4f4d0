/*
 * logwriter.c - a container's program that writes a known amount as fast as it can: BYTES of lines
 * of 100 bytes to stdout and as many to stderr, in two processes, once the file DIR/go exists;
 * each stream ends with a line that says END.  Then it waits to be killed.
 *
 * usage: logwriter DIR BYTES
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE 100
#define LINES 40 /* in one write, as stdio would */

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0)
			_exit(1);
		p += done;
		n -= (size_t)done;
	}
}

static void fill(int fd, long long bytes)
{
	char block[LINE * LINES];

	memset(block, 'x', sizeof(block));
	for (int i = 0; i < LINES; i++)
		block[LINE * (i + 1) - 1] = '\n';
	for (; bytes > 0; bytes -= (long long)sizeof(block))
		write_all(fd, block, sizeof(block));
	write_all(fd, "END\n", 4);
}

int main(int argc, char **argv)
{
	char go[256];
	pid_t child;

	if (argc != 3)
		return 2;
	snprintf(go, sizeof(go), "%s/go", argv[1]);
	child = fork();
	if (child < 0)
		return 1;
	while (access(go, F_OK) != 0)
		poll(NULL, 0, 1);
	fill(child ? 1 : 2, atoll(argv[2]));
	for (;;)
		pause();
}
