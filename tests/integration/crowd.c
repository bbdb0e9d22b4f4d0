/*
 * crowd.c - many connections that do nothing, or not much.
 *
 * usage: crowd N ADDRESS [HEX]
 *   ADDRESS: tcp:IP:PORT or unix:PATH; HEX: bytes that each one sends
 *
 * Prints "ready N" once all are connected; for each line of stdin how many are still open, and how
 * many of the last ten; ends with stdin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LAST 10

static union {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_un un;
} to;
static socklen_t to_size;

static int address(char *text)
{
	char *port;

	if (strncmp(text, "unix:", 5) == 0) {
		to.un.sun_family = AF_UNIX;
		snprintf(to.un.sun_path, sizeof(to.un.sun_path), "%s", text + 5);
		to_size = sizeof(to.un);
		return 0;
	}
	port = strrchr(text, ':');
	if (strncmp(text, "tcp:", 4) != 0 || !port || port < text + 4)
		return -1;
	*port = '\0';
	to.v4.sin_family = AF_INET;
	if (sscanf(port + 1, "%hu", &to.v4.sin_port) != 1)
		return -1;
	to.v4.sin_port = htons(to.v4.sin_port);
	to_size = sizeof(to.v4);
	return inet_pton(AF_INET, text + 4, &to.v4.sin_addr) == 1 ? 0 : -1;
}

static size_t unhex(const char *text, unsigned char *out, size_t max)
{
	size_t n = 0;
	unsigned byte;

	for (; n < max && sscanf(text, "%2x", &byte) == 1; text += 2)
		out[n++] = (unsigned char)byte;
	return n;
}

static int is_open(int fd)
{
	char data[4096];
	ssize_t n;

	if (fd < 0)
		return 0;
	while ((n = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		;
	return n < 0 && errno == EAGAIN;
}

static void tell(const int *fds, int n)
{
	int open = 0, last = 0;

	for (int i = 0; i < n; i++) {
		open += is_open(fds[i]);
		last += i >= n - LAST && is_open(fds[i]);
	}
	printf("open %d last %d\n", open, last);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int n = 0, *fds;
	unsigned char bytes[4096];
	struct rlimit l = { 0 };
	size_t size;
	char line[64];

	if (argc < 3 || sscanf(argv[1], "%d", &n) != 1 || n <= 0 || address(argv[2]) < 0)
		return 2;
	fds = calloc((size_t)n, sizeof(*fds));
	size = argc > 3 ? unhex(argv[3], bytes, sizeof(bytes)) : 0;
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	for (int i = 0; i < n; i++) {
		fds[i] = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fds[i] < 0 || connect(fds[i], &to.any, to_size) < 0) {
			perror("connect");
			return 1;
		}
		if (size && send(fds[i], bytes, size, MSG_NOSIGNAL) < 0)
			perror("send");
	}
	printf("ready %d\n", n);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		tell(fds, n);
	return 0;
}
