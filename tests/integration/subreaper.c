/*
 * subreaper.c - run a command as the root of a process tree that cannot leak.
 *
 * Daemons under test leave processes behind on purpose (shims, containers) and by mistake. This
 * program makes itself the reaper of all of them, so that they are found and waited for at once on
 * machines whose process 1 is slow.
 *
 * What must hold: while it lives, every orphan below it is reaped at once; a signal that asks it to
 * end reaches the command; it ends with the command's status (128 + signal), but only after
 * everything below it is gone, by SIGKILL where needed. With -k it stays when the command ends (the
 * harness kills and restarts daemons below one reaper): it then starts the command again for each
 * SIGHUP, and ends on SIGTERM. With -p FILE the command's pid is in FILE.
 *
 * usage: subreaper [-k] [-p PIDFILE] COMMAND ARGUMENT...
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const int forwarded[] = { SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 };
#define FORWARDED (sizeof(forwarded) / sizeof(forwarded[0]))

/* What the main loop knows about the command it runs. */
struct reaper {
	char **argv;
	const char *pid_file; /* NULL: nobody wants to know */
	bool stay; /* -k */
	pid_t child; /* 0: not running */
	int status; /* as exit() wants it, of the last command that ended */
};

static void die(const char *what)
{
	fprintf(stderr, "subreaper: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static void write_pid(const struct reaper *r)
{
	char tmp[4096];
	int fd;

	if (!r->pid_file)
		return;
	snprintf(tmp, sizeof(tmp), "%s.new", r->pid_file);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || dprintf(fd, "%d\n", (int)r->child) < 0 || close(fd) < 0 ||
	    rename(tmp, r->pid_file) < 0)
		die(r->pid_file);
}

/* The command starts with the default actions and nothing blocked, whatever this process does with
 * signals. */
static void start(struct reaper *r)
{
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(&r->child, r->argv[0], NULL, &attr, r->argv, environ);
	posix_spawnattr_destroy(&attr);
	if (rc) {
		errno = rc;
		die(r->argv[0]);
	}
	write_pid(r);
}

/* Waits for whatever has ended; returns false when there is nothing below us any more. */
static bool reap(struct reaper *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != r->child)
			continue;
		r->child = 0;
		r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return pid == 0;
}

/* Every child of ours is either the command or was orphaned to us; killing children until none is
 * left kills the tree. */
static void kill_children(void)
{
	char path[64], line[65536], *at, *next;
	ssize_t n;
	int fd;
	long pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n <= 0)
		return;
	line[n] = '\0';
	for (at = line; *at; at = next) {
		pid = 0;
		for (next = at; *next >= '0' && *next <= '9'; next++)
			pid = pid * 10 + (*next - '0');
		while (*next == ' ' || *next == '\n')
			next++;
		if (pid > 1)
			kill((pid_t)pid, SIGKILL);
	}
}

static void finish(struct reaper *r, const sigset_t *set)
{
	const struct timespec tick = { .tv_nsec = 20000000 };

	while (reap(r)) {
		kill_children();
		sigtimedwait(set, NULL, &tick);
	}
	_exit(r->status);
}

static void loop(struct reaper *r, const sigset_t *set)
{
	bool ending = false;
	int sig;

	for (;;) {
		sig = sigwaitinfo(set, NULL);
		if (sig == SIGHUP && !r->child && !ending)
			start(r);
		else if (sig == SIGCHLD)
			reap(r);
		else if (sig > 0 && sig != SIGHUP) {
			ending = ending || (sig != SIGUSR1 && sig != SIGUSR2);
			if (r->child)
				kill(r->child, sig);
		}
		if (!r->child && (ending || !r->stay))
			finish(r, set);
	}
}

int main(int argc, char **argv)
{
	struct reaper r = { .status = 0 };
	sigset_t set;
	size_t i;
	int opt;

	while ((opt = getopt(argc, argv, "+kp:")) != -1) {
		if (opt == 'k')
			r.stay = true;
		else if (opt == 'p')
			r.pid_file = optarg;
		else
			return 125;
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: subreaper [-k] [-p PIDFILE] COMMAND ARGUMENT...\n");
		return 125;
	}
	r.argv = argv + optind;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	for (i = 0; i < FORWARDED; i++)
		sigaddset(&set, forwarded[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		die("cannot become a subreaper");
	start(&r);
	loop(&r, &set);
}
