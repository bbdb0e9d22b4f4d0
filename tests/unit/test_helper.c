/*
 * test_helper.c - fetcher and unpacker that cannot start a thread for a channel answer with an
 * error, and answer the next request.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/str.h"
#include "image/staging.h"
#include "pull/base/helper.h"
#include "pull/fetcher.h"
#include "pull/hand.h"
#include "pull/source.h"
#include "pull/unpacker.h"
#include "scratch.h"

#define PULL_ID "0000000000000000000000000000000000000000000000000000000000000abc"

static int failures; /* a child has its own copy */

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg)
{
	if (failures) {
		failures--;
		return EAGAIN;
	}
	return __real_pthread_create(thread, attr, fn, arg);
}

static void assert_refused(int r, const struct err *e, const char *process)
{
	assert_int_equal(r, -ERR_EXHAUSTED);
	assert_non_null(strstr(e->text, process));
	assert_non_null(strstr(e->text, strerror(EAGAIN)));
}

static void fetcher(void **state)
{
	struct scratch *dir = *state;
	Crisp__Pull__Request q = CRISP__PULL__REQUEST__INIT;
	Crisp__Pull__Source where = CRISP__PULL__SOURCE__INIT;
	struct registry_meter meter = { 0 };
	struct helper child = HELPER_NULL;
	struct source s = SOURCE_NULL;
	struct stop stop;
	struct err e = ERR_NULL;

	q.layout_dir = where.layout_dir = dir->path;
	assert_int_equal(stop_init(&stop, -1, &e), 0);
	failures = 2;
	assert_int_equal(fetcher_start(&q, NULL, &meter, &child, &e), 0);
	failures = 0;
	assert_int_equal(helper_ready(&child, &e), 0);
	for (int i = 0; i < 2; i++) {
		assert_refused(source_open(&child, &stop, &where, &s, &e), &e, "crisp-pull-net");
		e = ERR_NULL;
	}
	assert_int_equal(source_open(&child, &stop, &where, &s, &e), 0);
	source_done(&s);
	helper_end(&child);
	stop_done(&stop);
}

static void unpacker(void **state)
{
	struct scratch *dir = *state;
	_cleanup_free_ char *works = image_staging_works(dir->path, PULL_ID);
	_cleanup_close_ int lock = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct image_ref ref = { (char *)"a.example", (char *)"b", (char *)"1", (char *)"" };
	Crisp__Pull__Request q = CRISP__PULL__REQUEST__INIT;
	struct helper child = HELPER_NULL;
	bool accepted[1];
	struct err e = ERR_NULL;

	assert_int_equal(fs_mkdir_all(works, 0700, &e), 0);
	q.images_root = dir->path;
	q.pull_id = (char *)PULL_ID;
	failures = 1;
	assert_int_equal(unpacker_start(&q, NULL, lock, &child, &e), 0);
	failures = 0;
	assert_int_equal(helper_ready(&child, &e), 0);
	assert_refused(hand_judge(&child, &ref, NULL, 0, accepted, &e), &e, "crisp-pull-fs");
	e = ERR_NULL;
	assert_int_equal(hand_judge(&child, &ref, NULL, 0, accepted, &e), -ERR_INTERNAL);
	assert_string_equal(e.text, "there is no policy");
	helper_end(&child);
}

static int begin(void **state)
{
	static struct scratch dir;

	scratch_make(&dir);
	*state = &dir;
	return 0;
}

static int end(void **state)
{
	scratch_drop(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fetcher, begin, end),
		cmocka_unit_test_setup_teardown(unpacker, begin, end),
	};

	if (geteuid() != 0) {
		print_message("needs root: not run\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
