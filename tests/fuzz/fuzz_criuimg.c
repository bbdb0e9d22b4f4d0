/*
 * fuzz_criuimg.c - any bytes as an image of CRIU, of each kind: an error with a text, or messages.
 */
#include <assert.h>

#include "pod/criuimg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(const ProtobufCMessage *message, void *arg, struct err *e)
{
	(void)e;
	assert(message->descriptor);
	++*(size_t *)arg;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t kinds[] = { CRIUIMG_INVENTORY, CRIUIMG_PSTREE, CRIUIMG_CORE,
					  CRIUIMG_MOUNTS, CRIUIMG_FILES };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct err e = ERR_NULL;
		size_t n = 0;

		if (criuimg_each(data, size, kinds[i], count, &n, &e) < 0)
			assert(e.code == ERR_INVALID && e.text[0]);
		assert(n <= size / 4);
	}
	return 0;
}
