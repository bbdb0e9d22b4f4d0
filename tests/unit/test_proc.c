/*
 * test_proc.c - identity and exit status of a process, read by a process that is not its parent.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/proc.h"
#include "scratch.h"

/* What a process that was asked about in the moment of its waiting needs to be met with. */
#define ROUNDS 1000
#define CODE 41

static void *wait_for(void *arg)
{
	waitpid(*(pid_t *)arg, NULL, 0);
	return NULL;
}

/* Its pidfd, and the pipe at whose end it exits. */
static pid_t child(int *ret_pidfd, int *ret_pipe)
{
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1) == 0 ? CODE : 1);
	}
	close(fds[0]);
	*ret_pidfd = pidfd_open(pid, 0);
	assert_true(*ret_pidfd >= 0);
	*ret_pipe = fds[1];
	return pid;
}

static bool kernel_keeps_status(void)
{
	_cleanup_close_ int pidfd = -1;
	struct err e = ERR_NULL;
	int pipe_fd, status = 0;
	pid_t pid = child(&pidfd, &pipe_fd);

	close(pipe_fd);
	waitpid(pid, NULL, 0);
	return proc_exit_status(pidfd, &status, &e) == 0;
}

static void test_exit_status_while_parent_waits(void **state)
{
	(void)state;
	if (!kernel_keeps_status())
		skip();
	for (int i = 0; i < ROUNDS; i++) {
		_cleanup_close_ int pidfd = -1;
		struct err e = ERR_NULL;
		int pipe_fd, status = 0, r;
		pid_t pid = child(&pidfd, &pipe_fd);
		pthread_t parent;

		assert_int_equal(proc_exit_status(pidfd, &status, &e), 1);
		assert_int_equal(pthread_create(&parent, NULL, wait_for, &pid), 0);
		close(pipe_fd);
		while ((r = proc_exit_status(pidfd, &status, &e)) > 0)
			;
		if (r < 0)
			fail_msg("round %d: %s", i, e.text);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), CODE);
		pthread_join(parent, NULL);
	}
}

/* It goes between any two of the kernel's steps on the way to its file, each with an errno of its
 * own. */
static void test_start_ticks_while_it_goes(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		_cleanup_close_ int pidfd = -1;
		struct err e = ERR_NULL;
		uint64_t ticks;
		int pipe_fd, r;
		pid_t pid = child(&pidfd, &pipe_fd);
		pthread_t parent;

		assert_int_equal(proc_start_ticks(pid, &ticks, &e), 0);
		assert_int_equal(pthread_create(&parent, NULL, wait_for, &pid), 0);
		close(pipe_fd);
		while ((r = proc_start_ticks(pid, &ticks, &e)) == 0)
			;
		if (r < 0)
			fail_msg("round %d: %s", i, e.text);
		pthread_join(parent, NULL);
	}
}

/* As a runtime's first process waits: with a descriptor that only names the fifo. */
static void test_has_open(void **state)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int pidfd = -1;
	struct scratch dir;
	struct err e = ERR_NULL;
	int fd, pipe_fd;
	pid_t pid;

	(void)state;
	scratch_make(&dir);
	path = scratch_file(&dir, "exec.fifo");
	assert_int_equal(proc_has_open(getpid(), path, &e), -ERR_INTERNAL);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(proc_has_open(getpid(), path, &e), 1);
	fd = open(path, O_PATH | O_CLOEXEC);
	assert_int_equal(proc_has_open(getpid(), path, &e), 0);
	pid = child(&pidfd, &pipe_fd);
	close(fd);
	assert_int_equal(proc_has_open(getpid(), path, &e), 1);
	assert_int_equal(proc_has_open(pid, path, &e), 0);
	close(pipe_fd);
	waitpid(pid, NULL, 0);
	assert_int_equal(proc_has_open(pid, path, &e), -ERR_INTERNAL);
	scratch_drop(&dir);
}

static void test_kill_holders(void **state)
{
	_cleanup_close_ int holder_fd = -1, other_fd = -1, fd = -1;
	_cleanup_free_ char *path = NULL;
	struct scratch dir;
	int holder_pipe, other_pipe, status;
	pid_t holder, other;

	(void)state;
	scratch_make(&dir);
	path = scratch_file(&dir, "lock");
	other = child(&other_fd, &other_pipe);
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	holder = child(&holder_fd, &holder_pipe);
	proc_kill_holders(path); /* we have it open, too */
	assert_int_equal(waitpid(holder, &status, 0), holder);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	close(other_pipe);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_true(WIFEXITED(status));
	close(holder_pipe);
	scratch_drop(&dir);
}

static void test_descends_from(void **state)
{
	int pidfd, pipe_fd, status;
	struct err e = ERR_NULL;
	pid_t pid = child(&pidfd, &pipe_fd);

	(void)state;
	assert_int_equal(proc_descends_from(pid, getpid(), &e), 0);
	assert_int_equal(proc_descends_from(pid, getppid(), &e), 0);
	assert_int_equal(proc_descends_from(getpid(), getpid(), &e), 0);
	assert_int_equal(proc_descends_from(getpid(), pid, &e), 1);
	assert_int_equal(proc_descends_from(getppid(), getpid(), &e), 1);
	assert_int_equal(proc_descends_from(1, getpid(), &e), 1);
	close(pipe_fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(proc_descends_from(pid, getpid(), &e), 1); /* gone */
	close(pidfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_status_while_parent_waits),
		cmocka_unit_test(test_start_ticks_while_it_goes),
		cmocka_unit_test(test_has_open),
		cmocka_unit_test(test_kill_holders),
		cmocka_unit_test(test_descends_from),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
