/*
 * signals.c - table of signals, and parsing of names and real-time signals.
 * Real-time signals have fixed numbers here: a libc's SIGRTMIN depends on the signals it reserves,
 * and the container's libc may differ from the daemon's.
 */
#include "oci/signals.h"

#include <signal.h>
#include <strings.h>

#include "base/str.h"
#include "base/util.h"

#define RT_MIN 34 /* SIGRTMIN in common use, for all libcs */
#define RT_MAX 64

static const struct signal_name {
	Runtime__V1__Signal cri;
	const char *name; /* without "SIG" */
	int number;
} signal_names[] = {
	{ RUNTIME__V1__SIGNAL__SIGABRT, "ABRT", SIGABRT },
	{ RUNTIME__V1__SIGNAL__SIGALRM, "ALRM", SIGALRM },
	{ RUNTIME__V1__SIGNAL__SIGBUS, "BUS", SIGBUS },
	{ RUNTIME__V1__SIGNAL__SIGCHLD, "CHLD", SIGCHLD },
	{ RUNTIME__V1__SIGNAL__SIGCLD, "CLD", SIGCLD },
	{ RUNTIME__V1__SIGNAL__SIGCONT, "CONT", SIGCONT },
	{ RUNTIME__V1__SIGNAL__SIGFPE, "FPE", SIGFPE },
	{ RUNTIME__V1__SIGNAL__SIGHUP, "HUP", SIGHUP },
	{ RUNTIME__V1__SIGNAL__SIGILL, "ILL", SIGILL },
	{ RUNTIME__V1__SIGNAL__SIGINT, "INT", SIGINT },
	{ RUNTIME__V1__SIGNAL__SIGIO, "IO", SIGIO },
	{ RUNTIME__V1__SIGNAL__SIGIOT, "IOT", SIGIOT },
	{ RUNTIME__V1__SIGNAL__SIGKILL, "KILL", SIGKILL },
	{ RUNTIME__V1__SIGNAL__SIGPIPE, "PIPE", SIGPIPE },
	{ RUNTIME__V1__SIGNAL__SIGPOLL, "POLL", SIGPOLL },
	{ RUNTIME__V1__SIGNAL__SIGPROF, "PROF", SIGPROF },
	{ RUNTIME__V1__SIGNAL__SIGPWR, "PWR", SIGPWR },
	{ RUNTIME__V1__SIGNAL__SIGQUIT, "QUIT", SIGQUIT },
	{ RUNTIME__V1__SIGNAL__SIGSEGV, "SEGV", SIGSEGV },
	{ RUNTIME__V1__SIGNAL__SIGSTKFLT, "STKFLT", SIGSTKFLT },
	{ RUNTIME__V1__SIGNAL__SIGSTOP, "STOP", SIGSTOP },
	{ RUNTIME__V1__SIGNAL__SIGSYS, "SYS", SIGSYS },
	{ RUNTIME__V1__SIGNAL__SIGTERM, "TERM", SIGTERM },
	{ RUNTIME__V1__SIGNAL__SIGTRAP, "TRAP", SIGTRAP },
	{ RUNTIME__V1__SIGNAL__SIGTSTP, "TSTP", SIGTSTP },
	{ RUNTIME__V1__SIGNAL__SIGTTIN, "TTIN", SIGTTIN },
	{ RUNTIME__V1__SIGNAL__SIGTTOU, "TTOU", SIGTTOU },
	{ RUNTIME__V1__SIGNAL__SIGURG, "URG", SIGURG },
	{ RUNTIME__V1__SIGNAL__SIGUSR1, "USR1", SIGUSR1 },
	{ RUNTIME__V1__SIGNAL__SIGUSR2, "USR2", SIGUSR2 },
	{ RUNTIME__V1__SIGNAL__SIGVTALRM, "VTALRM", SIGVTALRM },
	{ RUNTIME__V1__SIGNAL__SIGWINCH, "WINCH", SIGWINCH },
	{ RUNTIME__V1__SIGNAL__SIGXCPU, "XCPU", SIGXCPU },
	{ RUNTIME__V1__SIGNAL__SIGXFSZ, "XFSZ", SIGXFSZ },
	{ RUNTIME__V1__SIGNAL__SIGRTMIN, "RTMIN", RT_MIN },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS1, "RTMIN+1", RT_MIN + 1 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS2, "RTMIN+2", RT_MIN + 2 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS3, "RTMIN+3", RT_MIN + 3 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS4, "RTMIN+4", RT_MIN + 4 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS5, "RTMIN+5", RT_MIN + 5 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS6, "RTMIN+6", RT_MIN + 6 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS7, "RTMIN+7", RT_MIN + 7 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS8, "RTMIN+8", RT_MIN + 8 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS9, "RTMIN+9", RT_MIN + 9 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS10, "RTMIN+10", RT_MIN + 10 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS11, "RTMIN+11", RT_MIN + 11 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS12, "RTMIN+12", RT_MIN + 12 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS13, "RTMIN+13", RT_MIN + 13 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS14, "RTMIN+14", RT_MIN + 14 },
	{ RUNTIME__V1__SIGNAL__SIGRTMINPLUS15, "RTMIN+15", RT_MIN + 15 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS14, "RTMAX-14", RT_MAX - 14 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS13, "RTMAX-13", RT_MAX - 13 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS12, "RTMAX-12", RT_MAX - 12 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS11, "RTMAX-11", RT_MAX - 11 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS10, "RTMAX-10", RT_MAX - 10 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS9, "RTMAX-9", RT_MAX - 9 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS8, "RTMAX-8", RT_MAX - 8 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS7, "RTMAX-7", RT_MAX - 7 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS6, "RTMAX-6", RT_MAX - 6 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS5, "RTMAX-5", RT_MAX - 5 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS4, "RTMAX-4", RT_MAX - 4 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS3, "RTMAX-3", RT_MAX - 3 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS2, "RTMAX-2", RT_MAX - 2 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAXMINUS1, "RTMAX-1", RT_MAX - 1 },
	{ RUNTIME__V1__SIGNAL__SIGRTMAX, "RTMAX", RT_MAX },
};

int oci_signal_from_cri(Runtime__V1__Signal cri)
{
	for (size_t i = 0; i < ARRAY_LEN(signal_names); i++)
		if (signal_names[i].cri == cri)
			return signal_names[i].number;
	return 0;
}

int oci_signal_parse(const char *text)
{
	uint64_t number;

	if (str_to_u64(text, RT_MAX, &number) == 0)
		return (int)number;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < ARRAY_LEN(signal_names); i++)
		if (strcasecmp(text, signal_names[i].name) == 0)
			return signal_names[i].number;
	return 0;
}

Runtime__V1__Signal oci_signal_to_cri(int number)
{
	for (size_t i = 0; i < ARRAY_LEN(signal_names); i++)
		if (signal_names[i].number == number)
			return signal_names[i].cri;
	return RUNTIME__V1__SIGNAL__RUNTIME_DEFAULT;
}
