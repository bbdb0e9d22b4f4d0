/*
 * test_logfmt.c - the CRI log format: records of the splitter read back as the kubelet reads them,
 * the log file, and the OCI runtime's own log.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "shim/logfile.h"
#include "shim/logline.h"
#include "shim/runtime_log.h"

static struct buf flushed;

static void keep(struct logline_batch *b)
{
	buf_add(&flushed, b->data, b->len);
}

/* Content of all records of a stream joined again; every record is checked on the way. */
static void read_back(const char *stream, struct buf *out)
{
	const char *p = flushed.data ? flushed.data : "", *end = p + flushed.len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		int y, rest = 0;
		char tag;

		assert_non_null(nl);
		assert_true(nl - p >= LOGLINE_PREFIX);
		assert_true(nl - p <= LOGLINE_PREFIX + LOGLINE_CHUNK);
		assert_int_equal(sscanf(p, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*9dZ%n", &y, &rest), 1);
		assert_int_equal(rest, LOGLINE_STAMP);
		tag = p[LOGLINE_PREFIX - 2];
		assert_true(tag == 'F' || tag == 'P');
		if (memcmp(p + LOGLINE_STAMP + 1, stream, 6) == 0) {
			buf_add(out, p + LOGLINE_PREFIX, (size_t)(nl - p) - LOGLINE_PREFIX);
			if (tag == 'F')
				buf_add(out, "\n", 1);
		}
		p = nl + 1;
	}
}

struct fixture {
	struct logline out, err;
	struct logline_batch b;
	char data[LOGLINE_RECORD_MAX];
	char pending[2][LOGLINE_CHUNK];
};

static struct fixture *begin(void)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->out.stream = "stdout";
	f->err.stream = "stderr";
	f->out.pending = f->pending[0];
	f->err.pending = f->pending[1];
	f->b = (struct logline_batch){ .data = f->data, .cap = sizeof(f->data), .flush = keep };
	logline_stamp(&f->b, INT64_C(1700000000123456789));
	buf_done(&flushed);
	return f;
}

static void records(void **state)
{
	_cleanup_free_ struct fixture *f = begin();

	(void)state;
	logline_feed(&f->out, &f->b, "one\ntw", 6);
	logline_feed(&f->err, &f->b, "error\n", 6);
	logline_feed(&f->out, &f->b, "o\n\nlast", 7);
	logline_end(&f->out, &f->b);
	logline_end(&f->err, &f->b);
	logline_flush(&f->b);
#define T "2023-11-14T22:13:20.123456789Z "
	assert_string_equal(flushed.data, T "stdout F one\n" T "stderr F error\n" T
					    "stdout F two\n" T "stdout F \n" T "stdout P last\n");
}

static void line_of(size_t n, const char *want_tags)
{
	_cleanup_free_ struct fixture *f = begin();
	_cleanup_free_ char *line = xmalloc(n + 1);
	const char *p;

	memset(line, 'x', n);
	line[n] = '\n';
	logline_feed(&f->out, &f->b, line, n + 1);
	logline_flush(&f->b);
	p = flushed.data;
	for (; *want_tags; want_tags++) {
		assert_int_equal(p[LOGLINE_PREFIX - 2], *want_tags);
		p = strchr(p, '\n') + 1;
	}
	assert_int_equal(*p, '\0');
}

static void long_lines(void **state)
{
	(void)state;
	line_of(LOGLINE_CHUNK - 1, "F");
	line_of(LOGLINE_CHUNK, "F");
	line_of(LOGLINE_CHUNK + 1, "PF");
	line_of(2 * LOGLINE_CHUNK, "PF");
	line_of(3 * LOGLINE_CHUNK + 5, "PPPF");
}

/* However the bytes arrive, they come out the same, and once. */
static void any_portions(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 200; round++) {
		_cleanup_free_ struct fixture *f = begin();
		_cleanup_buf_ struct buf in = BUF_NULL, out = BUF_NULL;
		size_t total = (size_t)(rand_r(&seed) % 70000), at = 0;

		for (size_t i = 0; i < total; i++) {
			bool nl = rand_r(&seed) % (round % 3 ? 40 : 20000) == 0;
			char c = nl ? '\n' : (char)('a' + i % 26);

			buf_add(&in, &c, 1);
		}
		while (at < total) {
			size_t n = MIN((size_t)(rand_r(&seed) % 20000) + 1, total - at);

			logline_feed(&f->out, &f->b, in.data + at, n);
			at += n;
		}
		logline_end(&f->out, &f->b);
		logline_flush(&f->b);
		read_back("stdout", &out);
		assert_int_equal(out.len, in.len);
		if (in.len)
			assert_memory_equal(out.data, in.data, in.len);
	}
	buf_done(&flushed);
}

/* --- the file --- */

static int make_dir(void **state)
{
	char template[] = "/tmp/crisp-logfmt.XXXXXX";

	*state = xstrdup(mkdtemp(template));
	return 0;
}

static int remove_dir(void **state)
{
	struct err e = ERR_NULL;

	assert_int_equal(fs_remove_tree(*state, &e), 0);
	free(*state);
	return 0;
}

static void not_a_file(void **state)
{
	_cleanup_free_ char *fifo = xasprintf("%s/fifo", (char *)*state);
	_cleanup_free_ char *link = xasprintf("%s/link", (char *)*state);
	struct err e = ERR_NULL;
	struct logfile f;

	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_true(logfile_open(&f, fifo, 0, &e) < 0);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_true(logfile_open(&f, link, 0, &e) < 0);
	assert_true(logfile_open(&f, *state, 0, &e) < 0);
}

#define REC(tag, text) T "stdout " tag " " text "\n"

/* A device without room: what is lost is counted, as output and not as records. */
static void losses(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/log", (char *)*state);
	_cleanup_buf_ struct buf text = BUF_NULL;
	const char *recs = REC("F", "abc") REC("P", "de");
	struct err e = ERR_NULL;
	struct logfile f;
	int file;

	assert_int_equal(logfile_open(&f, path, 0, &e), 0);
	assert_false(logfile_write(&f, recs, strlen(recs)));
	file = f.fd;
	f.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(logfile_write(&f, recs, strlen(recs)));
	assert_false(logfile_write(&f, recs, strlen(recs))); /* told once */
	assert_int_equal(f.gap, 12);
	close(f.fd);
	f.fd = file;
	assert_false(logfile_write(&f, recs, strlen(recs)));
	assert_int_equal(f.gap, 0);
	assert_int_equal(f.lost, 12);
	logfile_close(&f);
	assert_int_equal(fs_read_file(path, 65536, &text, &e), 0);
	assert_non_null(strstr(text.data, " stderr F [crisp: 12 bytes lost: "
					  "No space left on device]\n" T));
}

static void reopen_and_cap(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/log", (char *)*state);
	_cleanup_free_ char *old = xasprintf("%s/old", (char *)*state);
	const char *rec = REC("F", "abc");
	struct err e = ERR_NULL;
	struct logfile f;
	struct stat st;

	assert_int_equal(logfile_open(&f, path, 3 * strlen(rec), &e), 0);
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(logfile_reopen(&f, &e), 0);
	for (int i = 0; i < 3; i++)
		assert_false(logfile_write(&f, rec, strlen(rec)));
	assert_true(stat(path, &st) == 0 && (size_t)st.st_size == 3 * strlen(rec));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_false(logfile_write(&f, rec, strlen(rec)));
	assert_true(stat(path, &st) == 0 && (size_t)st.st_size == strlen(rec));
	assert_true(stat(old, &st) == 0 && st.st_size == 0);
	logfile_close(&f);
	/* One that is there already goes on, and its size counts. */
	assert_int_equal(logfile_open(&f, path, 0, &e), 0);
	assert_int_equal(f.size, strlen(rec));
	logfile_close(&f);
}

/* A batch of records from one read is cut at the bound, too; one that is longer stands alone. */
static void cap_within_a_batch(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/log", (char *)*state);
	const char *rec = REC("F", "abc");
	_cleanup_buf_ struct buf batch = BUF_NULL, text = BUF_NULL;
	size_t n = strlen(rec);
	struct err e = ERR_NULL;
	struct logfile f;

	for (int i = 0; i < 8; i++)
		buf_puts(&batch, rec);
	buf_puts(&batch, REC("F", "last"));
	assert_int_equal(logfile_open(&f, path, 3 * n + 2, &e), 0);
	assert_false(logfile_write(&f, batch.data, batch.len));
	assert_int_equal(f.size, 3 * n + 1);
	assert_int_equal(fs_read_file(path, 65536, &text, &e), 0);
	assert_int_equal(text.len, 3 * n + 1);
	assert_string_equal(text.data + 2 * n, REC("F", "last"));
	f.max = n / 2;
	assert_false(logfile_write(&f, batch.data, 2 * n));
	assert_int_equal(f.size, n);
	logfile_close(&f);
}

/* --- the runtime's log --- */

static void message(const char *log, const char *want)
{
	char out[RUNTIME_LOG_TEXT_MAX];
	size_t n = runtime_log_message(log, strlen(log), out);

	assert_string_equal(out, want);
	assert_int_equal(n, strlen(want));
}

static void runtime_log(void **state)
{
	char out[RUNTIME_LOG_TEXT_MAX], big[5000];

	(void)state;
	message("", "");
	message("no json\n{\"msg\":", "");
	message("{\"level\":\"error\",\"msg\":\"exec: \\\"x\\\": not found\",\"time\":\"t\"}\n",
		"exec: \"x\": not found");
	message("{\"msg\": \"first\", \"level\": \"error\"}\n"
		"{\"level\":\"info\",\"msg\":\"later\"}\n",
		"first");
	message("{\"level\":\"warning\",\"msg\":\"only\"}", "only");
	message("{\"level\":\"error\",\"msg\":\"a\\nb\\u00e9\\u20ac\\ud800\\u12\"}",
		"a b\u00e9\u20ac?u12");
	message("{\"level\":\"error\",\"msg\":\"bad \xff byte\"}", "bad ? byte");
	message("{\"level\":\"error\",\"msg\":\"\\\u00e9\\/\\q\"}", "\u00e9/q");
	message("{\"level\":\"error\",\"msg\":\"open end\\", "open end");
	memset(big, 'x', sizeof(big));
	assert_int_equal(runtime_log_clean_tail(big, sizeof(big), out), RUNTIME_LOG_TEXT_MAX - 1);
	assert_int_equal(runtime_log_clean_tail("end\n\n", 5, out), 3);
	assert_int_equal(runtime_log_exit_code("exec: \"x\": executable file not found in "
					       "$PATH"),
			 127);
	assert_int_equal(runtime_log_exit_code("exec /x: permission denied"), 126);
	assert_int_equal(runtime_log_exit_code("cgroup trouble"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(any_portions),
		cmocka_unit_test_setup_teardown(not_a_file, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(losses, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(cap_within_a_batch, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(reopen_and_cap, make_dir, remove_dir),
		cmocka_unit_test(runtime_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
