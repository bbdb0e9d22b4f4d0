/*
 * test_wire.c - crafted protobuf bytes against the wire check, each with the error that it must
 * give.
 *
 * Messages of the schema stand in for shapes: VersionRequest{1: string}, ListContainersRequest{1:
 * filter{1: string id, 2: state{1: enum}, 4: map}}, ExecSyncRequest{2: repeated string, 3: int64},
 * IDMapping lists {repeated message}, Capability {repeated string}, ExecSyncResponse{1: bytes}.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "api.pb-c.h"
#include "api/wire.h"
#include "base/util.h"

#define VERSION (&runtime__v1__version_request__descriptor)
#define LIST (&runtime__v1__list_containers_request__descriptor)
#define EXEC (&runtime__v1__exec_sync_request__descriptor)
#define OUTPUT (&runtime__v1__exec_sync_response__descriptor)
#define SECURITY (&runtime__v1__linux_container_security_context__descriptor)

#define BYTES(s) s, sizeof(s) - 1

static const struct {
	const char *name;
	const ProtobufCMessageDescriptor *desc;
	const char *data;
	size_t size;
	int result; /* -code */
	const char *text; /* NULL: fine */
} cases[] = {
	{ "empty", VERSION, BYTES(""), 0, NULL },
	{ "string", VERSION, BYTES("\x0a\x02hi"), 0, NULL },
	{ "string with two-byte character", VERSION, BYTES("\x0a\x02\xc3\xa9"), 0, NULL },
	{ "NUL inside", VERSION,
	  BYTES("\x0a\x03"
		"a\0b"),
	  -ERR_INVALID, "version: a NUL byte inside a string" },
	{ "NUL at the end", VERSION,
	  BYTES("\x0a\x02"
		"a\0"),
	  -ERR_INVALID, "version: a NUL byte inside a string" },
	{ "not UTF-8", VERSION, BYTES("\x0a\x01\xff"), -ERR_INVALID, "version: not valid UTF-8" },
	{ "surrogate", VERSION, BYTES("\x0a\x03\xed\xa0\x80"), -ERR_INVALID,
	  "version: not valid UTF-8" },
	{ "overlong", VERSION, BYTES("\x0a\x02\xc0\x80"), -ERR_INVALID,
	  "version: not valid UTF-8" },
	{ "cut character", VERSION, BYTES("\x0a\x01\xc3"), -ERR_INVALID,
	  "version: not valid UTF-8" },
	{ "bytes may be anything", OUTPUT, BYTES("\x0a\x02\xff\0"), 0, NULL },
	{ "string too long", VERSION, BYTES("\x0a\x05hi"), -ERR_INVALID,
	  "version: longer than the message it is in" },
	{ "length of 2^64-1", VERSION, BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	  -ERR_INVALID, "version: longer than the message it is in" },
	{ "length cut", VERSION, BYTES("\x0a\x80"), -ERR_INVALID,
	  "version: longer than the message it is in" },
	{ "tag cut", VERSION, BYTES("\x80"), -ERR_INVALID,
	  "runtime.v1.VersionRequest: truncated or malformed field tag" },
	{ "field 0", VERSION, BYTES("\x02\x00"), -ERR_INVALID,
	  "runtime.v1.VersionRequest: truncated or malformed field tag" },
	{ "field number too large", VERSION, BYTES("\x80\x80\x80\x80\x10\x00"), -ERR_INVALID,
	  "runtime.v1.VersionRequest: truncated or malformed field tag" },
	{ "largest field number", VERSION, BYTES("\xf8\xff\xff\xff\x0f\x00"), 0, NULL },
	{ "string as varint", VERSION, BYTES("\x08\x01"), -ERR_INVALID,
	  "version: encoded as another type than declared" },
	{ "varint as fixed", EXEC, BYTES("\x19\1\2\3\4\5\6\7\x08"), -ERR_INVALID,
	  "timeout: encoded as another type than declared" },
	{ "scalar that is not repeated, packed", EXEC, BYTES("\x1a\x01\x01"), -ERR_INVALID,
	  "timeout: encoded as another type than declared" },
	{ "group start", VERSION, BYTES("\x0b"), -ERR_INVALID,
	  "version: encoded as another type than declared" },
	{ "unknown group", VERSION, BYTES("\x7b\x7c"), -ERR_INVALID,
	  "runtime.v1.VersionRequest: truncated or malformed value" },
	{ "wire type 7", VERSION, BYTES("\x7f\x00"), -ERR_INVALID,
	  "runtime.v1.VersionRequest: truncated or malformed value" },
	{ "varint of ten bytes", EXEC, BYTES("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0,
	  NULL },
	{ "varint of more than 64 bits", EXEC,
	  BYTES("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), -ERR_INVALID,
	  "timeout: truncated or malformed value" },
	{ "varint of eleven bytes", EXEC, BYTES("\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
	  -ERR_INVALID, "timeout: truncated or malformed value" },
	{ "unknown varint", VERSION, BYTES("\x78\x05"), 0, NULL },
	{ "unknown fixed", VERSION, BYTES("\x79\1\2\3\4\5\6\7\x08\x7d\1\2\3\4"), 0, NULL },
	{ "unknown fixed64, cut", VERSION, BYTES("\x79\1\2\3\4\5\6\7"), -ERR_INVALID,
	  "runtime.v1.VersionRequest: truncated or malformed value" },
	{ "unknown fixed32, cut", VERSION, BYTES("\x7d\1\2\3"), -ERR_INVALID,
	  "runtime.v1.VersionRequest: truncated or malformed value" },
	{ "unknown bytes need no text", VERSION, BYTES("\x7a\x02\xff\0"), 0, NULL },
	{ "path of a nested field", LIST, BYTES("\x0a\x03\x0a\x01\xff"), -ERR_INVALID,
	  "filter.id: not valid UTF-8" },
	{ "path into a map", LIST, BYTES("\x0a\x05\x22\x03\x0a\x01\xff"), -ERR_INVALID,
	  "filter.label_selector.key: not valid UTF-8" },
	{ "inner message longer than outer", LIST, BYTES("\x0a\x03\x0a\x05x"), -ERR_INVALID,
	  "filter.id: longer than the message it is in" },
	{ "packed numbers", SECURITY, BYTES("\x42\x03\x01\x02\x03"), 0, NULL },
	{ "numbers one by one", SECURITY, BYTES("\x40\x01\x40\x02"), 0, NULL },
	{ "packed numbers, cut", SECURITY, BYTES("\x42\x02\x01\x80"), -ERR_INVALID,
	  "supplemental_groups: truncated or malformed packed values" },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		/* An exact copy, so that a sanitizer sees a byte too many. */
		_cleanup_free_ void *data = xmemdup(cases[i].data, cases[i].size);
		struct err e = ERR_NULL;
		int r = wire_check(cases[i].desc, data, cases[i].size, &e);

		if (r != cases[i].result || strcmp(e.text, cases[i].text ? cases[i].text : "") != 0)
			fail_msg("%s: %d \"%s\"", cases[i].name, r, e.text);
	}
}

/* A message that contains itself, which the CRI has not. */
extern const ProtobufCMessageDescriptor loop_descriptor;
static const ProtobufCFieldDescriptor loop_fields[] = {
	{
		.name = "inner",
		.id = 1,
		.label = PROTOBUF_C_LABEL_NONE,
		.type = PROTOBUF_C_TYPE_MESSAGE,
		.descriptor = &loop_descriptor,
	},
};
static const ProtobufCIntRange loop_ranges[] = { { 1, 0 }, { 0, 1 } };
const ProtobufCMessageDescriptor loop_descriptor = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "Loop",
	.n_fields = 1,
	.fields = loop_fields,
	.n_field_ranges = 1,
	.field_ranges = loop_ranges,
};

/* depth messages in each other, of at most 128 bytes altogether. */
static int check_depth(unsigned depth, struct err *e)
{
	unsigned char data[128] = { 0 };
	size_t n = 0;

	for (unsigned i = depth - 1; i > 0; i--) {
		data[n++] = 0x0a;
		data[n++] = (unsigned char)(2 * (i - 1));
	}
	return wire_check(&loop_descriptor, data, n, e);
}

static void test_depth(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(check_depth(1, &e), 0);
	assert_int_equal(check_depth(WIRE_DEPTH_MAX, &e), 0);
	assert_int_equal(check_depth(WIRE_DEPTH_MAX + 1, &e), -ERR_EXHAUSTED);
	assert_non_null(strstr(e.text, "inner.inner: messages nested more than 32 deep"));
}

static void test_elements(void **state)
{
	size_t size = 2 * (size_t)WIRE_ELEMENTS_MAX;
	_cleanup_free_ char *data = xcalloc(1, size + 2 + 8);
	_cleanup_free_ char *packed = NULL;
	struct err e = ERR_NULL;

	(void)state;
	/* Empty strings: two bytes each on the wire, a pointer and an allocation each decoded. */
	for (size_t i = 0; i < size + 2; i += 2)
		data[i] = 0x12;
	assert_int_equal(wire_check(EXEC, data, size, &e), 0);
	assert_int_equal(wire_check(EXEC, data, size + 2, &e), -ERR_EXHAUSTED);
	assert_string_equal(e.text, "cmd: the message has more than 1000000 elements");
	/* Packed values count as well: 1000000 of them and their field are one too many. */
	packed = xcalloc(1, WIRE_ELEMENTS_MAX + 4);
	memcpy(packed, "\x42\xc0\x84\x3d", 4);
	assert_int_equal(wire_check(SECURITY, packed, WIRE_ELEMENTS_MAX + 4, &e), -ERR_EXHAUSTED);
}

static void test_clean(void **state)
{
	char data[] = "\x0a\x0e\x0a\x05"
		      "a\xff\0\xc3\xa9"
		      "\x22\x05\x0a\x03\xed\xa0\x80";
	char bytes[] = "\x0a\x02\xff\0";
	struct err e = ERR_NULL;

	(void)state;
	wire_clean(LIST, data, sizeof(data) - 1);
	assert_memory_equal(data,
			    "\x0a\x0e\x0a\x05"
			    "a??\xc3\xa9"
			    "\x22\x05\x0a\x03???",
			    sizeof(data) - 1);
	assert_int_equal(wire_check(LIST, data, sizeof(data) - 1, &e), 0);
	wire_clean(OUTPUT, bytes, sizeof(bytes) - 1); /* not a string: kept */
	assert_memory_equal(bytes, "\x0a\x02\xff\0", sizeof(bytes) - 1);
}

static void test_clean_text(void **state)
{
	char fine[] = "gr\xc3\xbc\xc3\x9f dich";
	char bad[] = "x\xc3\xbc\xc3 \xf0\x9f\x98\x80\xf0\x9f\x98";

	(void)state;
	wire_clean_text(fine, strlen(fine));
	assert_string_equal(fine, "gr\xc3\xbc\xc3\x9f dich");
	wire_clean_text(bad, strlen(bad));
	assert_string_equal(bad, "x\xc3\xbc? \xf0\x9f\x98\x80???");
	wire_clean_text(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),	   cmocka_unit_test(test_depth),
		cmocka_unit_test(test_elements),   cmocka_unit_test(test_clean),
		cmocka_unit_test(test_clean_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
