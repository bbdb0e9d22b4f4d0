/*
 * fuzz_spdy.c - SPDY of any bytes, in pieces: refused, or stream events in the order of the
 * protocol. Answers never grow beyond the bytes received.
 */
#include <assert.h>
#include <string.h>

#include "base/util.h"
#include "stream/spdy.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static uint32_t last_id;
static size_t data_bytes;

static void opened(void *arg, const struct spdy_open *o)
{
	(void)arg;
	assert(o->id > last_id && o->id % 2 == 1);
	assert(memchr(o->type, 0, sizeof(o->type)) && memchr(o->port, 0, sizeof(o->port)));
	last_id = o->id;
}

static void got_data(void *arg, uint32_t id, const void *data, size_t size)
{
	(void)arg;
	(void)id;
	(void)data;
	data_bytes += size;
}

static void of_stream(void *arg, uint32_t id)
{
	(void)arg;
	assert(id <= 0x7fffffff);
}

static void goaway(void *arg)
{
	(void)arg;
}

static const struct spdy_ops ops = { opened, got_data, of_stream, of_stream, goaway };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	/* The first byte says in which pieces the rest comes. */
	size_t step = size ? data[0] + 1U : 1;
	struct spdy *s = spdy_new(&ops, NULL);
	_cleanup_buf_ struct buf out = BUF_NULL;
	struct err e = ERR_NULL;
	int r = 0;

	last_id = 0;
	data_bytes = 0;
	for (size_t i = 1; i < size && r == 0; i += step)
		r = spdy_feed(s, data + i, MIN(step, size - i), &out, &e);
	assert(r == 0 || e.code == ERR_INVALID);
	assert(data_bytes <= size && out.len <= size);
	spdy_free(s);
	return 0;
}
