/*
 * test_frames.c - HTTP/2 streams of a connection are counted while its frames are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/frames.h"
#include "base/util.h"

enum {
	DATA = 0,
	HEADERS = 1,
	RESET = 3,
	SETTINGS = 4,
	CONTINUATION = 9
};

/* A frame with size bytes that look like headers of others. */
static size_t put(unsigned char *out, unsigned type, uint32_t size)
{
	unsigned char head[9] = { (unsigned char)(size >> 16), (unsigned char)(size >> 8),
				  (unsigned char)size, (unsigned char)type };

	memcpy(out, head, 9);
	memset(out + 9, HEADERS, size);
	return 9 + size;
}

static size_t conversation(unsigned char *out)
{
	size_t n = 24;

	memset(out, HEADERS, n);
	n += put(out + n, SETTINGS, 0);
	n += put(out + n, HEADERS, 70);
	n += put(out + n, DATA, 66000);
	n += put(out + n, HEADERS, 1);
	n += put(out + n, RESET, 4);
	n += put(out + n, HEADERS, 300);
	return n + put(out + n, CONTINUATION, 9);
}

static void test_pieces(void **state)
{
	static unsigned char data[70000];
	static const size_t pieces[] = { 1, 2, 8, 9, 10, 23, 24, 25, 33, 4096, 70000 };
	size_t size = conversation(data);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct frames f = FRAMES_BEGIN;
		unsigned opened = 0;

		for (size_t at = 0; at < size; at += pieces[i])
			opened += frames_feed(&f, data + at, MIN(pieces[i], size - at));
		assert_int_equal(opened, 3);
	}
}

/* --- a connection that is read by recvmsg --- */

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void connection(int fds[2])
{
	unsigned char preface[24] = { 0 };

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	frames_watch(fds[0], inode_of(fds[0]));
	assert_int_equal(send(fds[1], preface, sizeof(preface), 0), sizeof(preface));
}

static void end(int fds[2])
{
	frames_drop(fds[0]);
	close(fds[0]);
	close(fds[1]);
}

static ssize_t read_all(int fd)
{
	unsigned char a[7], b[65536];
	struct iovec iov[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	return recvmsg(fd, &msg, MSG_DONTWAIT);
}

/* The other end opens n streams; true: the connection lives. */
static bool open_streams(int fds[2], unsigned n)
{
	while (n) {
		unsigned char data[1024];
		size_t size = 0;
		unsigned step = MIN(n, 50U);

		for (unsigned i = 0; i < step; i++)
			size += put(data + size, HEADERS, 5);
		assert_int_equal(send(fds[1], data, size, MSG_NOSIGNAL), size);
		if (read_all(fds[0]) < 0) {
			assert_int_equal(errno, ECONNRESET);
			return false;
		}
		n -= step;
	}
	return true;
}

static void test_too_many(void **state)
{
	int fds[2], other[2];

	(void)state;
	connection(fds);
	connection(other);
	assert_true(open_streams(fds, FRAMES_IDLE_MAX - 50));
	assert_false(open_streams(fds, FRAMES_IDLE_MAX));
	assert_int_equal(send(fds[1], "x", 1, MSG_NOSIGNAL), -1); /* for its client, too */
	assert_int_equal(read_all(fds[0]), 0);
	assert_true(open_streams(other, LIMIT_CALLS_OF_CONNECTION));
	end(fds);
	end(other);
}

/* Calls that handlers have, and calls that are freed, do not count; answered ones do. */
static void test_served(void **state)
{
	int fds[2];

	(void)state;
	connection(fds);
	for (unsigned i = 0; i < 10 * FRAMES_IDLE_MAX; i++) {
		assert_true(open_streams(fds, 1));
		frames_less(fds[0]);
		frames_more(fds[0]);
		frames_less(fds[0]);
	}
	for (unsigned i = 0; i < FRAMES_IDLE_MAX; i++)
		frames_more(fds[0]);
	assert_false(open_streams(fds, FRAMES_IDLE_MAX));
	end(fds);
}

/* Together too many: the connection with the most goes, whichever opens the last one. */
static void test_total(void **state)
{
	int fds[4][2];
	unsigned most = FRAMES_IDLE_MAX - 50;

	(void)state;
	for (int i = 0; i < 4; i++)
		connection(fds[i]);
	assert_true(open_streams(fds[0], most - 100));
	assert_true(open_streams(fds[1], most));
	assert_true(open_streams(fds[2], LIMIT_CALLS_OF_CONNECTION));
	assert_true(open_streams(fds[3], LIMIT_CALLS_OF_CONNECTION));
	assert_true(open_streams(fds[0], 1));
	assert_true(open_streams(fds[2], 1));
	assert_true(open_streams(fds[3], 1));
	assert_int_equal(send(fds[1][1], "x", 1, MSG_NOSIGNAL), -1);
	for (int i = 0; i < 4; i++)
		end(fds[i]);
}

/* The number of a descriptor that the library has closed leads to another socket. */
static void test_other_socket(void **state)
{
	int fds[2], others[2];

	(void)state;
	connection(fds);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, others), 0);
	assert_int_equal(dup3(others[0], fds[0], O_CLOEXEC), fds[0]);
	close(fds[1]);
	fds[1] = others[1];
	assert_true(open_streams(fds, 2 * FRAMES_IDLE_MAX));
	close(others[0]);
	end(fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),	     cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_served),	     cmocka_unit_test(test_total),
		cmocka_unit_test(test_other_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
