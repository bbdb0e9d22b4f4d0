/*
 * test_stream.c - parsers and writers of the streaming server against the vectors of the formats,
 * fed whole, byte by byte, and damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"
#include "stream/http.h"
#include "stream/remotecommand.h"
#include "stream/sha1.h"
#include "stream/spdy.h"
#include "stream/tokens.h"
#include "stream/ws.h"
#include "stream/wschan.h"

static void add_hex(struct buf *b, const char *hex)
{
	for (; *hex; hex++) {
		unsigned byte;

		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		buf_add(b, &(unsigned char){ (unsigned char)byte }, 1);
		hex++;
	}
}

static void check_hex(const struct buf *got, const char *hex)
{
	_cleanup_buf_ struct buf want = BUF_NULL;

	add_hex(&want, hex);
	assert_int_equal(got->len, want.len);
	assert_memory_equal(got->data, want.data, want.len);
}

/* --- SPDY --- */

/* What a parser says, as text. */
static struct buf heard;

static void opened(void *arg, const struct spdy_open *o)
{
	(void)arg;
	buf_printf(&heard, "open %u %s %s %s\n", o->id, o->type, o->port, o->request_id);
}

static void data(void *arg, uint32_t id, const void *d, size_t size)
{
	(void)arg;
	for (size_t i = 0; i < size; i++)
		buf_printf(&heard, "%u:%c\n", id, ((const char *)d)[i]);
}

static void finished(void *arg, uint32_t id)
{
	(void)arg;
	buf_printf(&heard, "fin %u\n", id);
}

static void was_reset(void *arg, uint32_t id)
{
	(void)arg;
	buf_printf(&heard, "reset %u\n", id);
}

static void goaway(void *arg)
{
	(void)arg;
	buf_puts(&heard, "goaway\n");
}

static const struct spdy_ops spdy_ops = { opened, data, finished, was_reset, goaway };

/* Feed in pieces of step bytes: 0, or <0 when it was refused. */
static int spdy_hear(const char *hex, size_t step, struct buf *out)
{
	_cleanup_buf_ struct buf in = BUF_NULL;
	struct spdy *s = spdy_new(&spdy_ops, NULL);
	struct err e = ERR_NULL;
	int r = 0;

	buf_done(&heard);
	add_hex(&in, hex);
	for (size_t i = 0; i < in.len && r == 0; i += step)
		r = spdy_feed(s, in.data + i, MIN(step, in.len - i), out, &e);
	assert_true(r == 0 || e.code == ERR_INVALID);
	spdy_free(s);
	return r;
}

#define ERROR_1 \
	"80030001 00000029 00000001 00000000 0000 78f9e3c6a7c26260606004a7b392a2d4c45c6851c2" \
	"9a0a0a68 00000000ffff"
#define FIVE_STREAMS \
	ERROR_1 "80030001 00000017 00000003 00000000 0000 c22e555c9292990700 0000ffff" \
		"80030001 00000019 00000005 00000000 0000 c22ac5565c92925f5a0200 0000ffff" \
		"80030001 00000015 00000007 00000000 0000 c229975a540400 0000ffff" \
		"80030001 00000018 00000009 00000000 0000 c22e57945a9c59950a00 0000ffff"

static void test_spdy_streams(void **state)
{
	static const size_t steps[] = { 1, 7, 4096 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		_cleanup_buf_ struct buf out = BUF_NULL;

		assert_int_equal(spdy_hear(FIVE_STREAMS
					   "00000003 00000003 68690a"
					   "00000003 01000000 80030003 00000008 00000001 00000005"
					   "80030007 00000008 00000007 00000000",
					   steps[i], &out),
				 0);
		assert_string_equal(heard.data,
				    "open 1 error  \nopen 3 stdin  \nopen 5 stdout  \n"
				    "open 7 stderr  \nopen 9 resize  \n3:h\n3:i\n3:\n\nfin 3\n"
				    "reset 1\ngoaway\n");
		assert_int_equal(out.len, 0);
	}
}

static void test_spdy_forward(void **state)
{
	_cleanup_buf_ struct buf out = BUF_NULL;

	(void)state;
	assert_int_equal(spdy_hear("80030001 0000003d 00000001 00000000 0000 78f9e3c6a7c202253a48"
				   "f95b044eea1606160640 9ab308125f99a074cc68004e892545a989b9d0c2"
				   "8635151415 00000000ffff"
				   "80030001 00000015 00000003 00000000 0000 225333a8a44a0400"
				   "0000ffff",
				   1, &out),
			 0);
	assert_string_equal(heard.data, "open 1 error 8080 0\nopen 3 data 8080 0\n");
}

static void test_spdy_answers(void **state)
{
	_cleanup_buf_ struct buf out = BUF_NULL;

	(void)state;
	/* A PING is echoed, an answer to one is not; what nobody uses is ignored. */
	assert_int_equal(spdy_hear("80030006 00000004 00000001 80030006 00000004 00000002"
				   "80030009 00000008 00000005 00010000"
				   "80030004 0000000c 00000001 00000007 00010000",
				   3, &out),
			 0);
	check_hex(&out, "80030006 00000004 00000001");
	out.len = 0;
	/* An id that was used: refused, and the next stream is understood all the same. */
	assert_int_equal(spdy_hear(ERROR_1
				   "80030001 00000017 00000001 00000000 0000 c22e555c9292990700"
				   "0000ffff"
				   "80030001 00000019 00000005 00000000 0000 c22ac5565c92925f5a0200"
				   "0000ffff",
				   1, &out),
			 0);
	check_hex(&out, "80030003 00000008 00000001 00000001");
	assert_string_equal(heard.data, "open 1 error  \nopen 5 stdout  \n");
}

static void test_spdy_writes(void **state)
{
	_cleanup_buf_ struct buf out = BUF_NULL;
	struct spdy *s = spdy_new(&spdy_ops, NULL);

	(void)state;
	spdy_put_reply(s, &out, 1);
	spdy_put_reply(s, &out, 3);
	spdy_put_data(&out, 5, "hi\n", 3, false);
	spdy_put_data(&out, 5, NULL, 0, true);
	spdy_put_reset(&out, 1, SPDY_STATUS_CANCEL);
	spdy_put_goaway(s, &out);
	check_hex(&out, "80030002 00000018 00000001 78f9e3c6a7c2 000400fbff00000000 0000 00ffff"
			"80030002 00000012 00000003 000400fbff00000000 0000 00ffff"
			"00000005 00000003 68690a 00000005 01000000"
			"80030003 00000008 00000001 00000005 80030007 00000008 00000000 00000000");
	spdy_free(s);
}

/* What a client says is what a server hears. */
static void test_spdy_opens(void **state)
{
	_cleanup_buf_ struct buf wire = BUF_NULL, answers = BUF_NULL;
	struct spdy *client = spdy_new(&spdy_ops, NULL), *server = spdy_new(&spdy_ops, NULL);
	struct err e = ERR_NULL;

	(void)state;
	heard.len = 0;
	spdy_put_open(
		client, &wire,
		&(struct spdy_open){ .id = 1, .type = "error", .port = "80", .request_id = "0" });
	spdy_put_open(client, &wire, &(struct spdy_open){ .id = 3, .type = "data" });
	spdy_put_data(&wire, 3, "x", 1, true);
	assert_int_equal(spdy_feed(server, wire.data, wire.len, &answers, &e), 0);
	assert_string_equal(heard.data, "open 1 error 80 0\nopen 3 data  \n3:x\nfin 3\n");
	spdy_free(client);
	spdy_free(server);
}

static void test_spdy_refuses(void **state)
{
	static const char *const bad[] = {
		"80020001 00000000", /* version 2 */
		"80030005 00000000", /* NOOP */
		"8003000a 00000000", /* CREDENTIAL */
		"80030001 00ffffff", /* a control frame of 16 MB */
		"80030001 00000004 00000001", /* no headers */
		"80030003 00000004 00000001", /* RST_STREAM cut */
		"80030004 00000008 00000002 00000000", /* SETTINGS that count wrong */
		"80030006 00000008 00000001 00000001", /* PING too long */
		"80030001 00000010 00000001 00000000 0000 ffffffffffff", /* no zlib */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_buf_ struct buf out = BUF_NULL;

		assert_true(spdy_hear(bad[i], 1, &out) < 0);
		assert_int_equal(heard.len, 0);
	}
}

/* --- WebSocket --- */

static void message(void *arg, const void *d, size_t size, bool first, bool last)
{
	(void)arg;
	buf_puts(&heard, first ? "[" : "");
	buf_add(&heard, d, size);
	buf_puts(&heard, last ? "]" : "");
}

static void closed(void *arg)
{
	(void)arg;
	buf_puts(&heard, "closed");
}

static const struct ws_ops ws_ops = { message, closed };

static int ws_hear(const char *hex, size_t step, struct buf *out)
{
	_cleanup_buf_ struct buf in = BUF_NULL;
	struct ws w = { .ops = &ws_ops };
	struct err e = ERR_NULL;
	int r = 0;

	buf_done(&heard);
	add_hex(&in, hex);
	for (size_t i = 0; i < in.len && r == 0; i += step)
		r = ws_feed(&w, in.data + i, MIN(step, in.len - i), out, &e);
	return r;
}

static void test_ws_messages(void **state)
{
	static const size_t steps[] = { 1, 3, 100 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		_cleanup_buf_ struct buf out = BUF_NULL;

		/* A PING inside of a message in two parts; an empty message; Close. */
		assert_int_equal(ws_hear("0283 00000000 616263 8982 01020304 7172 8081 00000000 64"
					 "8280 00000000 8882 00000000 03e8",
					 steps[i], &out),
				 0);
		assert_string_equal(heard.data, "[abcd][]closed");
		check_hex(&out, "8a02 7070 8802 03e8");
	}
}

static void test_ws_mask(void **state)
{
	_cleanup_buf_ struct buf out = BUF_NULL;

	(void)state;
	assert_int_equal(ws_hear("8285 beaff0d7 bece92b4b4", 2, &out), 0);
	assert_int_equal(heard.len, 7);
	assert_memory_equal(heard.data, "[\0abc\n]", 7);
}

static void test_ws_writes(void **state)
{
	_cleanup_buf_ struct buf out = BUF_NULL, large = BUF_NULL;
	struct ws w = { .ops = &ws_ops };

	(void)state;
	ws_put_message(&out, false, "\1", 1, "abc\n", 4);
	ws_put_close(&w, &out, 1000);
	ws_put_close(&w, &out, 1001);
	check_hex(&out, "8205 01 6162630a 8802 03e8");
	out.len = 0;
	buf_reserve(&large, 70000);
	buf_commit(&large, 70000);
	ws_put_message(&out, false, NULL, 0, large.data, 200);
	ws_put_message(&out, false, NULL, 0, large.data, 70000);
	assert_memory_equal(out.data, "\x82\x7e\x00\xc8", 4);
	assert_memory_equal(out.data + 204, "\x82\x7f\0\0\0\0\0\1\x11\x70", 10);
}

static void test_ws_refuses(void **state)
{
	static const char *const bad[] = {
		"8203 616263", /* not masked */
		"c280 00000000", /* a bit of an extension */
		"8380 00000000", /* an unknown opcode */
		"8080 00000000", /* the end of nothing */
		"0280 00000000 8280 00000000", /* a message inside of a message */
		"0980 00000000", /* a PING in parts */
		"89fe 007e 00000000", /* a PING too long */
		"82ff ffffffffffffffff 00000000",
		"8881 00000000 03", /* Close with half a code */
		"8882 00000000 03ed", /* a code that is never sent */
		"8883 00000000 03e8 ff",
	};
	static const char *const texts[] = {
		"8182 00000000 c328",
		"0182 00000000 e282 8081 00000000 28", /* cut inside of a character */
		"8181 00000000 c3", /* not whole */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_buf_ struct buf out = BUF_NULL;

		assert_true(ws_hear(bad[i], 1, &out) < 0);
		check_hex(&out, "8802 03ea");
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		_cleanup_buf_ struct buf out = BUF_NULL;

		assert_true(ws_hear(texts[i], 1, &out) < 0);
		check_hex(&out, "8802 03ef");
	}
}

static void test_ws_text(void **state)
{
	_cleanup_buf_ struct buf out = BUF_NULL;

	(void)state;
	/* U+20AC in two frames. */
	assert_int_equal(ws_hear("0182 00000000 e282 8081 00000000 ac", 1, &out), 0);
	assert_memory_equal(heard.data, "[\xe2\x82\xac]", 5);
}

/* A message in pieces through both layers: "CHANNEL:bytes". */
static int channel_hear(bool base64, const char *message, size_t step, struct buf *ret)
{
	struct wschan w = { .base64 = base64 };
	size_t n = strlen(message);
	unsigned ch = 0;
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i += step)
		r = wschan_read(&w, message + i, MIN(step, n - i), i == 0, i + step >= n, ret, &ch);
	buf_printf(ret, ":%u", ch);
	return r;
}

static void test_ws_channels(void **state)
{
	static const char *const bad[] = { "0Zg=",  "0Zg",   "0Zg==Zg==", "0Zh==",
					   "0Z===", "0Z g=", ":Zg==",	  "/Zg==" };

	(void)state;
	for (size_t step = 1; step < 12; step++) {
		_cleanup_buf_ struct buf out = BUF_NULL;

		assert_int_equal(channel_hear(true, "4Zm9vCg==", step, &out), 1);
		assert_string_equal(out.data, "foo\n:4");
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_buf_ struct buf out = BUF_NULL;

		if (channel_hear(true, bad[i], 2, &out) >= 0)
			fail_msg("taken: %s", bad[i]);
	}
}

static void test_ws_channel_writes(void **state)
{
	static const struct wschan text = { .base64 = true }, binary = { .base64 = false };
	_cleanup_buf_ struct buf out = BUF_NULL;

	(void)state;
	wschan_put(&text, &out, 1, NULL, 0);
	wschan_put(&text, &out, 1, "out\n", 4);
	wschan_put(&binary, &out, 1, "abc\n", 4);
	check_hex(&out, "8101 31 8109 316233563043673d3d 8205 01 6162630a");
}

static void test_ws_accept(void **state)
{
	char accept[WS_ACCEPT_LEN + 1];
	static const char key[] = "MDEyMzQ1Njc4OWFiY2RlZg==";
	unsigned char hash[SHA1_SIZE];

	(void)state;
	ws_accept(key, strlen(key), accept);
	assert_string_equal(accept, "BACScCJPNqyz+UBoqMH89VmURoA=");
	sha1("abc", 3, hash);
	assert_memory_equal(hash, "\xa9\x99\x3e\x36\x47\x06\x81\x6a", 8);
	sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hash);
	assert_memory_equal(hash, "\x84\x98\x3e\x44\x1c\x3b\xd2\x6e", 8);
}

/* --- HTTP --- */

static int parse(const char *text, struct http_head *h)
{
	struct err e = ERR_NULL;

	assert_int_equal(http_head_size(text, strlen(text)), strlen(text));
	return http_parse_head(text, strlen(text), h, &e);
}

static void test_http_good(void **state)
{
	static const char *const have[] = { "v4.channel.k8s.io", "v5.channel.k8s.io", NULL };
	struct http_head h;

	(void)state;
	assert_int_equal(parse("POST /exec/abc?tty=1 HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n"
			       "Connection: keep-alive, Upgrade\r\nUpgrade: SPDY/3.1\r\n"
			       "X-Stream-Protocol-Version: v9, v5.channel.k8s.io\r\n"
			       "X-Stream-Protocol-Version:v4.channel.k8s.io\r\n\r\n",
			       &h),
			 0);
	assert_true(h.method == HTTP_METHOD_POST && http_word_is(&h.path, "/exec/abc"));
	assert_true(h.connection_upgrade && h.spdy && !h.websocket);
	/* The client's order decides. */
	assert_int_equal(http_choose(&h.protocols, have), 1);
	assert_int_equal(http_choose(&h.subprotocols, have), -1);
	assert_int_equal(http_head_size("GET / HTTP/1.1\r\nHost: x\r\n", 25), 0);
}

static void test_http_refuses(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
		"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
		"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
		"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: Upgrade\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
		("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
		 "Transfer-Encoding: chunked\r\n\r\n"),
		"GET / HTTP/1.1\r\nHost: x\n",
		"GET / HTTP/1.1\n",
		"\n",
		"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
		"\r\n\r\n",
	};
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(bad[i], &h) != -ERR_INVALID)
			fail_msg("taken: %s", bad[i]);
}

/* --- status and tokens --- */

static void check_status(unsigned version, int code, const char *why, const char *want)
{
	struct stream_end end = { .code = code };
	_cleanup_free_ char *got = NULL;

	if (why)
		err_set(&end.err, ERR_INTERNAL, "%s", why);
	got = remotecommand_status(version, STREAM_KIND_EXEC, &end);
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void test_status(void **state)
{
	(void)state;
	check_status(4, 0, NULL, "{\"status\":\"Success\"}");
	check_status(5, 3, NULL,
		     "{\"status\":\"Failure\",\"message\":\"command terminated with non-zero exit "
		     "code: exit status 3\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":"
		     "[{\"reason\":\"ExitCode\",\"message\":\"3\"}]}}");
	check_status(4, -1, "boom: \"x\"",
		     "{\"status\":\"Failure\",\"message\":\"Internal error occurred: error "
		     "executing command in container: "
		     "boom: \\\"x\\\"\",\"reason\":\"InternalError\","
		     "\"code\":500}");
	check_status(1, 0, NULL, NULL);
	check_status(3, 3, NULL, "command terminated with non-zero exit code: exit status 3");
}

static unsigned freed;

static void free_value(void *value)
{
	(void)value;
	freed++;
}

static void test_tokens(void **state)
{
	struct tokens *t = tokens_new();
	char a[TOKEN_LEN + 1], b[TOKEN_LEN + 1], c[TOKEN_LEN + 1];
	int value;
	struct err e = ERR_NULL;

	(void)state;
	freed = 0;
	assert_int_equal(tokens_add(t, STREAM_KIND_EXEC, &value, 1, free_value, 0, a, &e), 0);
	assert_int_equal(tokens_add(t, STREAM_KIND_EXEC, &value, 1, free_value, 0, b, &e), 0);
	assert_int_equal(tokens_add(t, STREAM_KIND_EXEC, &value, 1, free_value, 5, c, &e), 0);
	assert_int_equal(strlen(a), TOKEN_LEN);
	assert_string_not_equal(a, b);
	/* Once; by the wrong door not at all; in time. */
	assert_ptr_equal(tokens_take(t, STREAM_KIND_EXEC, a, TOKEN_NS), &value);
	assert_null(tokens_take(t, STREAM_KIND_EXEC, a, TOKEN_NS));
	assert_null(tokens_take(t, STREAM_KIND_ATTACH, b, TOKEN_NS));
	assert_null(tokens_take(t, STREAM_KIND_EXEC, b, TOKEN_NS));
	assert_int_equal(freed, 1);
	assert_null(tokens_take(t, STREAM_KIND_EXEC, c, TOKEN_NS + 6));
	assert_int_equal(freed, 2);
	for (int i = 0; i < TOKENS_MAX; i++)
		assert_int_equal(tokens_add(t, STREAM_KIND_EXEC, &value, 1, free_value, 0, a, &e),
				 0);
	assert_int_equal(tokens_add(t, STREAM_KIND_EXEC, &value, 1, free_value, 0, b, &e),
			 -ERR_EXHAUSTED);
	/* The late ones make room. */
	assert_int_equal(
		tokens_add(t, STREAM_KIND_EXEC, &value, 1, free_value, TOKEN_NS + 1, b, &e), 0);
	assert_int_equal(tokens_count(t), 1);
	tokens_free(t);
	assert_int_equal(freed, 2 + TOKENS_MAX + 1);
}

/* Few that are large are as many as many that are small. */
static void test_tokens_bytes(void **state)
{
	struct tokens *t = tokens_new();
	char a[TOKEN_LEN + 1];
	const size_t half = TOKENS_BYTES_MAX / 2;
	int value;
	struct err e = ERR_NULL;

	(void)state;
	freed = 0;
	assert_int_equal(tokens_add(t, STREAM_KIND_EXEC, &value, half, free_value, 0, a, &e), 0);
	assert_int_equal(tokens_add(t, STREAM_KIND_EXEC, &value, half, free_value, 5, a, &e), 0);
	assert_int_equal(tokens_add(t, STREAM_KIND_EXEC, &value, 1, free_value, 6, a, &e),
			 -ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "16777216"));
	assert_int_equal(tokens_expire(t, TOKEN_NS + 1), half);
	assert_int_equal(
		tokens_add(t, STREAM_KIND_EXEC, &value, half, free_value, TOKEN_NS + 1, a, &e), 0);
	assert_ptr_equal(tokens_take(t, STREAM_KIND_EXEC, a, TOKEN_NS + 2), &value);
	assert_int_equal(tokens_expire(t, INT64_MAX), half);
	assert_int_equal(tokens_expire(t, INT64_MAX), 0);
	tokens_free(t);
	assert_int_equal(freed, 2);
}

static void test_origin(void **state)
{
	static const struct {
		const char *fields;
		bool may;
	} cases[] = {
		{ "Host: 127.0.0.1:80\r\n", true },
		{ "Host: 127.0.0.1:80\r\nOrigin: http://127.0.0.1:80\r\n", true },
		{ "Host: 127.0.0.1:80\r\nOrigin: HTTPS://127.0.0.1:80/\r\n", true },
		{ "Host: [::1]:80\r\nOrigin: http://[::1]:80\r\n", true },
		{ "Host: localhost:80\r\nOrigin: http://localhost:80\r\n", true },
		{ "Host: 127.0.0.1:80\r\nOrigin: http://localhost\r\n", true },
		{ "Host: 127.0.0.1:80\r\nOrigin: http://localhost.evil\r\n", false },
		{ "Host: 127.0.0.1:80\r\nOrigin: http://localhost:8080\r\n", false },
		{ "Host: 127.0.0.1:80\r\nOrigin: http://127.0.0.1:81\r\n", false },
		{ "Host: 127.0.0.1:80\r\nOrigin: http://evil.example\r\n", false },
		{ "Host: 127.0.0.1:80\r\nOrigin: null\r\n", false },
		{ "Host: 127.0.0.1:80\r\nOrigin:\r\n", false },
		{ "Host: 127.0.0.1:80\r\nOrigin: http://\r\n", false },
		{ "Host: 127.0.0.1:80\r\nOrigin: file:///x\r\n", false },
		/* A name that leads to us now. */
		{ "Host: evil.example:80\r\nOrigin: http://evil.example:80\r\n", false },
		{ "Host: api.example\r\nOrigin: https://api.example\r\n"
		  "X-Forwarded-For: 10.0.0.1\r\n",
		  true },
		{ "Host: api.example\r\nOrigin: https://evil.example\r\n"
		  "X-Forwarded-For: 10.0.0.1\r\n",
		  false },
	};
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *text = xasprintf("GET / HTTP/1.1\r\n%s\r\n", cases[i].fields);

		assert_int_equal(parse(text, &h), 0);
		if (http_origin_may(&h) != cases[i].may)
			fail_msg("%s: expected %d", cases[i].fields, cases[i].may);
	}
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n"
			       "Origin: http://y\r\n\r\n",
			       &h),
			 -ERR_INVALID);
}

static int end_heard(void **state)
{
	(void)state;
	buf_done(&heard);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spdy_streams), cmocka_unit_test(test_spdy_forward),
		cmocka_unit_test(test_spdy_answers), cmocka_unit_test(test_spdy_writes),
		cmocka_unit_test(test_spdy_refuses), cmocka_unit_test(test_spdy_opens),
		cmocka_unit_test(test_ws_messages),  cmocka_unit_test(test_ws_mask),
		cmocka_unit_test(test_ws_writes),    cmocka_unit_test(test_ws_refuses),
		cmocka_unit_test(test_ws_accept),    cmocka_unit_test(test_ws_text),
		cmocka_unit_test(test_ws_channels),  cmocka_unit_test(test_ws_channel_writes),
		cmocka_unit_test(test_http_good),    cmocka_unit_test(test_http_refuses),
		cmocka_unit_test(test_status),	     cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_tokens_bytes), cmocka_unit_test(test_origin),
	};

	return cmocka_run_group_tests(tests, NULL, end_heard);
}
