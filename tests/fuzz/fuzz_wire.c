/*
 * fuzz_wire.c - any bytes as a message of the CRI: bytes that pass the wire check are decoded, and
 * strings end where the wire says.
 *
 * The first byte picks the message, the rest is its bytes.  The arena's cap may stop the decoding;
 * after wire_clean no string is bad.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "api.pb-c.h"
#include "api/wire.h"
#include "base/arena.h"
#include "base/str.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const messages[] = {
	&runtime__v1__version_request__descriptor,
	&runtime__v1__run_pod_sandbox_request__descriptor,
	&runtime__v1__create_container_request__descriptor,
	&runtime__v1__exec_sync_request__descriptor,
	&runtime__v1__exec_sync_response__descriptor,
	&runtime__v1__list_containers_request__descriptor,
	&runtime__v1__container_status_response__descriptor,
	&runtime__v1__container_stats_response__descriptor,
};

static void check_once(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(64 * 1024 * 1024);
	struct err e = ERR_NULL;
	ProtobufCMessage *m;

	if (wire_check(d, data, size, &e) < 0) {
		assert(e.text[0] && str_is_utf8(e.text, strlen(e.text)));
	} else {
		m = protobuf_c_message_unpack(d, arena_allocator(a), size, data);
		assert(m || arena_used(a) > 16 * 1024 * 1024);
	}
	arena_free(a);
}

/* After cleaning, a check can only fail for another reason than a string's bytes. */
static void check_clean(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *copy = xmemdup(data, size);
	struct err e = ERR_NULL;

	wire_clean(d, copy, size);
	if (wire_check(d, copy, size, &e) < 0)
		assert(!strstr(e.text, "UTF-8") && !strstr(e.text, "NUL"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *d;

	if (!size)
		return 0;
	d = messages[data[0] % ARRAY_LEN(messages)];
	check_once(d, data + 1, size - 1);
	check_clean(d, data + 1, size - 1);
	return 0;
}
