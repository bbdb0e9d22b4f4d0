/*
 * fuzz_cri_validate.c - any bytes as the request of any RPC: unpacked, validated and printed
 * without a memory error, and each refusal has a text.
 *
 * The first byte picks the RPC, the rest is its request.
 *
 * Beside memory errors it looks for broken promises: a refusal without a text, a text or a line
 * that is not terminated in its buffer, a line break in what is printed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cri_print.h"
#include "cri_validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_print(const ProtobufCMessage *m, size_t size)
{
	char line[4096];
	size_t n;

	memset(line, '#', sizeof(line));
	n = cri_print(m, line, size);
	require(n < size && line[n] == '\0' && strlen(line) == n);
	require(!strpbrk(line, "\n\r\t\x1b"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cri_validator *v;
	char msg[256] = "";
	ProtobufCMessage *m;

	if (size == 0)
		return 0;
	v = &cri_validators[data[0] % CRI_VALIDATORS];
	m = protobuf_c_message_unpack(v->request, NULL, size - 1, data + 1);
	if (!m)
		return 0;
	if (!v->validate(m, msg, sizeof(msg)))
		require(msg[0] && memchr(msg, '\0', sizeof(msg)));
	else
		require(!msg[0]);
	check_print(m, 4096);
	check_print(m, 7);
	protobuf_c_message_free_unpacked(m, NULL);
	return 0;
}
