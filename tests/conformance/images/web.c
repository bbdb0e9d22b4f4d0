/*
 * web.c - a web server as small as the conformance suite allows; it plays both nginx and httpd in
 * the test images.
 *
 * What must hold, because the suite looks for it: any request is answered with a page that has both
 * servers' greetings; the process is called as its file (`nginx`), and as nginx its command line
 * starts with "nginx: master process" and its process id is in /var/run/nginx.pid; the log has a
 * line that names the server. It serves one connection at a time, gives a silent client two
 * seconds, and ends on SIGTERM, SIGINT and SIGQUIT.
 *
 * usage: nginx|httpd [PORT]
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PID_FILE "/var/run/nginx.pid"
#define TITLE "nginx: master process"

static const char page[] = "<html><head><title>Welcome to nginx!</title></head>\n"
			   "<body><h1>Welcome to nginx!</h1><h1>It works!</h1></body></html>\n";

static int parse_port(const char *text)
{
	int port = 0;

	for (; *text >= '0' && *text <= '9' && port <= 65535; text++)
		port = port * 10 + (*text - '0');
	return *text || port > 65535 ? 0 : port;
}

static int fail(const char *what)
{
	fprintf(stderr, "web: %s: %s\n", what, strerror(errno));
	return EXIT_FAILURE;
}

/* A path given to exec decides /proc/PID/comm, its argv[0] decides /proc/PID/cmdline: start again
 * with nginx's title. */
static int retitle(const char *self, const char *port)
{
	char *argv[] = { TITLE, (char *)self, (char *)port, NULL };
	char *env[] = { NULL };

	execve(self, argv, env);
	return fail("cannot start with another title");
}

static int write_pid_file(void)
{
	int fd = open(PID_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		return -1;
	return close(fd);
}

/* IPv6 with mapped IPv4 where the kernel has IPv6, else IPv4 alone. */
static int listen_on(int port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int on = 1, off = 0;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		if (bind(fd, (struct sockaddr *)&six, sizeof(six)) == 0)
			return listen(fd, 64) < 0 ? -1 : fd;
		close(fd);
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&four, sizeof(four)) < 0 || listen(fd, 64) < 0)
		return -1;
	return fd;
}

static void answer(int fd)
{
	struct timeval patience = { .tv_sec = 2 };
	char request[4096];
	size_t got = 0;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	while (got < sizeof(request) - 1) {
		n = recv(fd, request + got, sizeof(request) - 1 - got, 0);
		if (n <= 0)
			return;
		got += (size_t)n;
		request[got] = '\0';
		if (strstr(request, "\r\n\r\n") || strstr(request, "\n\n"))
			break;
	}
	dprintf(fd,
		"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\n"
		"Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
		sizeof(page) - 1, page);
	shutdown(fd, SHUT_WR);
	while (recv(fd, request, sizeof(request), 0) > 0)
		;
}

static int serve(int listener, int signals)
{
	struct pollfd fds[2] = { { .fd = listener, .events = POLLIN },
				 { .fd = signals, .events = POLLIN } };
	int fd;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return fail("poll");
		if (fds[1].revents)
			return EXIT_SUCCESS;
		if (!fds[0].revents)
			continue;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		answer(fd);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	const char *port_text = argc > 1 ? argv[argc - 1] : "80";
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;
	int port = parse_port(port_text);
	int listener, signals;

	if (!port) {
		fprintf(stderr, "%s: %s is not a port\n", name, port_text);
		return EXIT_FAILURE;
	}
	if (strcmp(name, "nginx") == 0)
		return retitle(argv[0], port_text);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	listener = listen_on(port);
	if (signals < 0 || listener < 0)
		return fail("cannot listen");
	if (strncmp(argv[0], TITLE, strlen(TITLE)) == 0 && write_pid_file() < 0)
		return fail(PID_FILE);
	printf("%s: httpd ready on port %d\n", name, port);
	fflush(stdout);
	return serve(listener, signals);
}
