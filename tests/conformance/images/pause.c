/*
 * pause.c - the program of the pause image that the conformance suite pulls by name.
 *
 * What must hold: it does nothing but exist; it ends with status 0 on SIGINT and SIGTERM, also as
 * process 1 of a namespace (where a signal without a handler would be dropped); orphans that end up
 * with it are reaped.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

int main(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
		fprintf(stderr, "pause: cannot block signals: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	for (;;) {
		sig = sigwaitinfo(&set, NULL);
		if (sig == SIGINT || sig == SIGTERM)
			return EXIT_SUCCESS;
		if (sig != SIGCHLD)
			continue;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
