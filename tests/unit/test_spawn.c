/*
 * test_spawn.c - other programs: inherited descriptors and signals, exit status, time limits,
 * bounds on their output.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "os/spawn.h"

#define SH(script) ((const char *const[]){ "sh", "-c", (script), NULL })
#define LONG_MS 60000

/* The number at the beginning of what a script printed. */
static pid_t number(const struct buf *b)
{
	_cleanup_free_ char *word = xstrndup(b->data, strcspn(b->data, " \n"));
	int64_t n = -1;

	assert_int_equal(str_to_i64(word, 0, INT32_MAX, &n), 0);
	return (pid_t)n;
}

static void run_ok(const char *script, const char *in, struct spawn_result *res)
{
	struct err e = ERR_NULL;

	*res = SPAWN_RESULT_NULL;
	if (spawn_run(SH(script), NULL, in, in ? strlen(in) : 0, 1 << 20, LONG_MS, res, &e) != 0)
		fail_msg("%s", e.text);
}

static void test_streams_and_status(void **state)
{
	struct spawn_result res;

	(void)state;
	run_ok("cat; echo wrong >&2; exit 7", "hello", &res);
	assert_int_equal(res.status, 7);
	assert_string_equal(res.out.data, "hello");
	assert_string_equal(res.err.data, "wrong");
	spawn_result_done(&res);
	run_ok("kill -TERM $$", NULL, &res);
	assert_int_equal(res.status, 128 + SIGTERM);
	spawn_result_done(&res);
}

static void test_large_input(void **state)
{
	_cleanup_free_ char *in = xcalloc(1, (4 << 20) + 1);
	struct spawn_result res;

	(void)state;
	memset(in, 'x', 4 << 20);
	/* Not read at all: larger than any pipe, and we neither block nor die. */
	run_ok("exit 3", in, &res);
	assert_int_equal(res.status, 3);
	spawn_result_done(&res);
	run_ok("wc -c", in, &res);
	assert_int_equal(number(&res.out), 4 << 20);
	spawn_result_done(&res);
}

static void test_clean_start(void **state)
{
	int leak = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct sigaction ign = { .sa_handler = SIG_IGN }, old;
	struct spawn_result res, fds;
	sigset_t all, before;

	(void)state;
	assert_true(leak >= 0);
	/* What a library might do: an open descriptor that is inherited. */
	assert_int_equal(fcntl(leak, F_SETFD, 0), 0);
	sigaction(SIGUSR1, &ign, &old);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	/* In the shell's own place: a shell blocks signals and opens pipes while it forks. */
	run_ok("exec grep -E 'Sig(Blk|Ign)' /proc/self/status", NULL, &res);
	run_ok("exec ls /proc/self/fd", NULL, &fds);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	sigaction(SIGUSR1, &old, NULL);
	/* The last one is the directory itself. */
	assert_string_equal(fds.out.data, "0\n1\n2\n3\n");
	spawn_result_done(&fds);
	assert_non_null(strstr(res.out.data, "SigBlk:\t0000000000000000"));
	assert_non_null(strstr(res.out.data, "SigIgn:\t0000000000000000"));
	spawn_result_done(&res);
	close(leak);
}

static void test_environment(void **state)
{
	static const char *const envp[] = { "A=b", "PATH=/usr/bin:/bin", NULL };
	struct spawn_result res = SPAWN_RESULT_NULL;
	struct err e = ERR_NULL;

	(void)state;
	setenv("CRISP_TEST_LEAK", "1", 1);
	assert_int_equal(spawn_run((const char *const[]){ "env", NULL }, envp, NULL, 0, 4096,
				   LONG_MS, &res, &e),
			 0);
	assert_string_equal(res.out.data, "A=b\nPATH=/usr/bin:/bin\n");
	spawn_result_done(&res);
	assert_int_equal(spawn_run((const char *const[]){ "env", NULL }, NULL, NULL, 0, 4096,
				   LONG_MS, &res, &e),
			 0);
	assert_true(str_starts(res.out.data, "PATH="));
	assert_null(strstr(res.out.data, "CRISP_TEST_LEAK"));
	spawn_result_done(&res);
	unsetenv("CRISP_TEST_LEAK");
}

static void test_cannot_execute(void **state)
{
	char file[] = "/tmp/crisp-spawn-XXXXXX";
	struct spawn_child c = SPAWN_CHILD_NULL;
	struct spawn s = SPAWN_NULL;
	struct err e = ERR_NULL;
	int fd = mkostemp(file, O_CLOEXEC);

	(void)state;
	s.argv = (const char *const[]){ "/nonexistent/program", NULL };
	assert_true(spawn_start(&s, &c, &e) < 0);
	assert_non_null(strstr(e.text, "/nonexistent/program"));
	assert_int_equal(e.errnum, ENOENT);
	s.argv = (const char *const[]){ "no-such-program-anywhere", NULL };
	assert_true(spawn_start(&s, &c, &e) < 0);
	assert_non_null(strstr(e.text, "no-such-program-anywhere"));
	/* Executable, but nothing the kernel knows. */
	assert_int_equal(write(fd, "rubbish\n", 8), 8);
	assert_int_equal(fchmod(fd, 0755), 0);
	close(fd);
	s.argv = (const char *const[]){ file, NULL };
	assert_true(spawn_start(&s, &c, &e) < 0);
	assert_int_equal(e.errnum, ENOEXEC);
	assert_int_equal(c.pid, -1);
	unlink(file);
}

static void test_deadline(void **state)
{
	struct spawn_result res = SPAWN_RESULT_NULL;
	struct err e = ERR_NULL;
	struct buf pid = BUF_NULL;
	char file[] = "/tmp/crisp-spawn-XXXXXX";
	_cleanup_free_ char *script = NULL;
	int fd = mkostemp(file, O_CLOEXEC), pidfd;

	(void)state;
	close(fd);
	script = xasprintf("echo stuck >&2; sleep 1000 & echo $! >%s; wait", file);
	assert_int_equal(spawn_run(SH(script), NULL, NULL, 0, 4096, 500, &res, &e), -ERR_DEADLINE);
	assert_non_null(strstr(e.text, "sh did not end within 500 ms"));
	assert_non_null(strstr(e.text, "stuck"));
	/* The grandchild died with it. */
	assert_int_equal(fs_read_file(file, 64, &pid, &e), 0);
	pidfd = pidfd_open(number(&pid), 0);
	if (pidfd >= 0)
		assert_int_equal(
			poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1, LONG_MS), 1);
	else
		assert_int_equal(errno, ESRCH);
	close_fdp(&pidfd);
	buf_done(&pid);
	unlink(file);
}

static void test_output_bounds(void **state)
{
	struct spawn_result res = SPAWN_RESULT_NULL;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(spawn_run(SH("yes"), NULL, NULL, 0, 4096, LONG_MS, &res, &e), -ERR_RANGE);
	assert_non_null(strstr(e.text, "more than 4096 bytes"));
	/* Exactly as much as allowed. */
	assert_int_equal(spawn_run(SH("printf 1234"), NULL, NULL, 0, 4, LONG_MS, &res, &e), 0);
	assert_int_equal(res.out.len, 4);
	spawn_result_done(&res);
	/* stderr has no bound, only its end is kept; and a flood of it does not stop the clock. */
	run_ok("yes 0123456789 | head -c 3000000 >&2; echo end >&2", NULL, &res);
	assert_true(res.err.len <= LIMIT_STDERR_TAIL * 3);
	assert_true(str_ends(res.err.data, "end"));
	spawn_result_done(&res);
	assert_int_equal(spawn_run(SH("yes >&2"), NULL, NULL, 0, 4096, 300, &res, &e),
			 -ERR_DEADLINE);
}

static void test_grandchild_keeps_output(void **state)
{
	struct spawn_result res;
	pid_t pid;

	(void)state;
	run_ok("sleep 1000 & echo $!", NULL, &res);
	assert_int_equal(res.status, 0);
	pid = number(&res.out);
	assert_true(pid > 1);
	kill(pid, SIGKILL);
	spawn_result_done(&res);
}

static void test_descriptors(void **state)
{
	struct spawn_child c = SPAWN_CHILD_NULL;
	struct spawn s = SPAWN_NULL;
	struct err e = ERR_NULL;
	char text[64] = "";
	int p[2], status = -1;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	s.argv = SH("echo three >&3; echo one; readlink /proc/$$/fd/0");
	s.stdout_fd = p[1];
	s.pass_fd = p[1];
	s.new_session = true;
	assert_int_equal(spawn_start(&s, &c, &e), 0);
	close(p[1]);
	assert_int_equal(spawn_wait(&c, LONG_MS, &status, &e), 0);
	assert_int_equal(status, 0);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "three\none\n/dev/null\n");
	close(p[0]);
	close(c.pidfd);
}

static void test_cancel(void **state)
{
	_cleanup_close_ int fd = eventfd(1, EFD_CLOEXEC);
	struct spawn_result res = SPAWN_RESULT_NULL;
	struct spawn s = SPAWN_NULL;
	struct err e = ERR_NULL;

	(void)state;
	s.argv = SH("sleep 1000 & wait");
	s.cancel_fd = fd;
	assert_int_equal(spawn_run_as(&s, NULL, 0, 4096, LONG_MS, &res, &e), -(int)ERR_ABORTED);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	spawn_result_done(&res);
}

static void test_wait(void **state)
{
	struct spawn_child c = SPAWN_CHILD_NULL;
	struct spawn s = SPAWN_NULL;
	struct err e = ERR_NULL;
	int status = -1;

	(void)state;
	s.argv = (const char *const[]){ "sleep", "1000", NULL };
	assert_int_equal(spawn_start(&s, &c, &e), 0);
	assert_true(fcntl(c.pidfd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(spawn_wait(&c, 0, &status, &e), 1);
	assert_int_equal(spawn_wait(&c, 20, &status, &e), 1);
	kill(c.pid, SIGKILL);
	assert_int_equal(spawn_wait(&c, -1, &status, &e), 0);
	assert_int_equal(status, 128 + SIGKILL);
	/* A second wait is an error, not a hang and not somebody else's status. */
	assert_true(spawn_wait(&c, LONG_MS, &status, &e) < 0);
	close(c.pidfd);
}

static void test_find_program(void **state)
{
	_cleanup_free_ char *sh = spawn_find_program("sh", "relative:/nonexistent::/usr/bin:/bin");

	(void)state;
	assert_non_null(sh);
	assert_true(strcmp(sh, "/usr/bin/sh") == 0 || strcmp(sh, "/bin/sh") == 0);
	assert_null(spawn_find_program("passwd", "/etc"));
	assert_null(spawn_find_program("etc", "/"));
	assert_null(spawn_find_program("/etc/passwd", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams_and_status),
		cmocka_unit_test(test_large_input),
		cmocka_unit_test(test_clean_start),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_cannot_execute),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_output_bounds),
		cmocka_unit_test(test_grandchild_keeps_output),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_find_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
