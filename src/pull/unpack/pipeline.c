/*
 * pipeline.c - a ring with two byte counters that only grow. The lock protects the counters, but is
 * not held while bytes are copied or processed.
 */
#include "pull/unpack/pipeline.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PIECE (128 * 1024) /* bytes per call of the sink, so that ring space is freed early */

struct pipeline {
	pipeline_sink *sink;
	void *arg;
	pthread_t thread;
	bool joined;
	pthread_mutex_t lock;
	pthread_cond_t filled, emptied;
	uint64_t in, out; /* bytes put into and taken from the ring */
	bool end; /* end of input */
	bool drop; /* discard the ring's content */
	struct err e; /* error of the sink; code 0: none */
	unsigned char *ring;
};

/* Wait for the next piece: its size in bytes; 0: end. */
static size_t next_piece(struct pipeline *s)
{
	size_t at, n;

	pthread_mutex_lock(&s->lock);
	while (s->in == s->out && !s->end)
		pthread_cond_wait(&s->filled, &s->lock);
	at = s->out % PIPELINE_RING;
	n = s->drop ? 0 : (size_t)MIN(s->in - s->out, (uint64_t)PIECE);
	pthread_mutex_unlock(&s->lock);
	return MIN(n, PIPELINE_RING - at);
}

static void piece_done(struct pipeline *s, size_t n, const struct err *e)
{
	pthread_mutex_lock(&s->lock);
	s->out += n;
	if (e->code) {
		s->e = *e;
		s->drop = true;
	}
	pthread_cond_signal(&s->emptied);
	pthread_mutex_unlock(&s->lock);
}

static void *run(void *arg)
{
	struct pipeline *s = arg;
	struct err e = ERR_NULL;
	size_t n;

	pthread_setname_np(pthread_self(), "unpack");
	while (!e.code && (n = next_piece(s))) {
		s->sink(s->arg, s->ring + s->out % PIPELINE_RING, n, &e);
		piece_done(s, n, &e);
	}
	return NULL;
}

int pipeline_new(pipeline_sink *sink, void *arg, struct pipeline **ret, struct err *e)
{
	struct pipeline *s = xmalloc(sizeof(*s));

	*s = (struct pipeline){ .sink = sink, .arg = arg, .ring = xmalloc(PIPELINE_RING) };
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->filled, NULL);
	pthread_cond_init(&s->emptied, NULL);
	if (pthread_create(&s->thread, NULL, run, s) != 0) {
		s->joined = true;
		pipeline_free(s);
		return err_set(e, ERR_EXHAUSTED, "start a thread");
	}
	*ret = s;
	return 0;
}

/* Wait for room: bytes free at the ring's end, or <0. */
static int64_t wait_for_room(struct pipeline *s, struct err *e)
{
	size_t at, room;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (s->in - s->out == PIPELINE_RING && !s->drop)
		pthread_cond_wait(&s->emptied, &s->lock);
	if (s->e.code) {
		*e = s->e;
		r = -(int)e->code;
	}
	at = s->in % PIPELINE_RING;
	room = PIPELINE_RING - (size_t)(s->in - s->out);
	pthread_mutex_unlock(&s->lock);
	return r < 0 ? r : (int64_t)MIN(room, PIPELINE_RING - at);
}

int pipeline_feed(struct pipeline *s, const void *data, size_t size, struct err *e)
{
	const unsigned char *p = data;

	while (size) {
		int64_t room = wait_for_room(s, e);
		size_t n;

		if (room < 0)
			return (int)room;
		n = MIN(size, (size_t)room);
		memcpy(s->ring + s->in % PIPELINE_RING, p, n);
		p += n;
		size -= n;
		pthread_mutex_lock(&s->lock);
		s->in += n;
		pthread_cond_signal(&s->filled);
		pthread_mutex_unlock(&s->lock);
	}
	return 0;
}

static void end(struct pipeline *s, bool drop)
{
	if (s->joined)
		return;
	pthread_mutex_lock(&s->lock);
	s->end = true;
	s->drop = s->drop || drop;
	pthread_cond_signal(&s->filled);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	s->joined = true;
}

int pipeline_finish(struct pipeline *s, struct err *e)
{
	end(s, false);
	if (!s->e.code)
		return 0;
	*e = s->e;
	return -(int)e->code;
}

void pipeline_free(struct pipeline *s)
{
	if (!s)
		return;
	end(s, true);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->filled);
	pthread_cond_destroy(&s->emptied);
	free(s->ring);
	free(s);
}
