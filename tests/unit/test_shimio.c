/*
 * test_shimio.c - output of a container goes from its pipes into its log completely, with bounded
 * memory.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "scratch.h"
#include "shim/pages.h"
#include "shim/poll.h"
#include "shim/spawner.h"
#include "shim/stdio.h"
#include "shimproto/shimproto.h"

/* The linker leads all allocations of the program here. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static unsigned long allocations;

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocations++;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	allocations++;
	return __real_realloc(p, size);
}

static void rest(void)
{
	stdio_rest();
	pages_release_unused();
}

static struct stdio *io;

static void stop_at_the_end(struct timer *t)
{
	if (io->out.in.fd < 0 && io->err.in.fd < 0)
		poll_stop();
	else
		timer_set(t, 20, stop_at_the_end);
}

#define LINES 200000
#define LINE "%07d %090d\n" /* 99 bytes */

/* In a process of its own: numbered lines to both pipes. */
static pid_t writer(const struct stdio_child *ends)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (int i = 0; i < LINES; i++) {
		char line[128];
		int n = snprintf(line, sizeof(line), LINE, i, i);

		if (fs_write_all(i % 2 ? ends->err : ends->out, line, (size_t)n) < 0)
			_exit(1);
	}
	_exit(0);
}

/* Every number once, on its stream and in the order of that. */
static void check_log(const char *path)
{
	FILE *f = fopen(path, "re");
	int next[2] = { 0, 1 };
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		int err = strncmp(line + LOGLINE_STAMP + 1, "stderr F ", 9) == 0;
		int64_t number;

		line[LOGLINE_PREFIX + 7] = '\0';
		assert_int_equal(str_to_i64(line + LOGLINE_PREFIX, 0, LINES, &number), 0);
		assert_int_equal(number, next[err]);
		next[err] += 2;
	}
	fclose(f);
	assert_int_equal(next[0], LINES);
	assert_int_equal(next[1], LINES + 1);
}

static void takes_no_memory(void **state)
{
	struct scratch dir;
	_cleanup_free_ char *log = NULL;
	_cleanup_(stdio_child_done) struct stdio_child ends = STDIO_CHILD_NULL;
	struct timer end = { .on = false };
	struct err e = ERR_NULL;
	unsigned long before;
	pid_t pid;

	(void)state;
	scratch_make(&dir);
	log = scratch_file(&dir, "log");
	io = pages_alloc(sizeof(*io));
	assert_int_equal(spawner_start(NULL, (struct spawner_owner){ .uid = 0 }, &e), 0);
	assert_int_equal(poll_init(rest, &e), 0);
	stdio_init(io);
	assert_int_equal(stdio_open(io, SHIM_JOURNAL, dir.path, log, 0, &ends, &e), 0);
	journal_open(&io->journal, "0123456789abcdef", "k8s_name");
	assert_int_equal(stdio_begin(io, &e), 0);
	pid = writer(&ends);
	assert_true(pid > 0);
	stdio_child_done(&ends);
	timer_set(&end, 20, stop_at_the_end);
	before = allocations;
	free(xmalloc(1));
	assert_int_equal(allocations, ++before); /* they are counted */
	poll_run();
	assert_int_equal(allocations, before);
	stdio_close(io);
	check_log(log);
	pages_free(io, sizeof(*io));
	scratch_drop(&dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
