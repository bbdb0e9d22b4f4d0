/*
 * hand.c - send requests to the unpacker, each on its own channel, and check the replies.
 */
#include "pull/hand.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "pull/base/ipc.h"

#define ANSWER_MAX (64 * 1024)
#define PIPE_BYTES (1024 * 1024)

static void answer_freep(Crisp__Pull__FromUnpacker **a)
{
	if (*a)
		crisp__pull__from_unpacker__free_unpacked(*a, NULL);
}

/* Receive the next message. <0 also if it is a failure. */
static int next_answer(const struct helper *unpacker, int channel, Crisp__Pull__FromUnpacker **ret,
		       struct err *e)
{
	ProtobufCMessage *m = NULL;
	int r = ipc_recv(channel, &crisp__pull__from_unpacker__descriptor, ANSWER_MAX, &m, NULL,
			 NULL, e);

	*ret = (Crisp__Pull__FromUnpacker *)m;
	if (r > 0 || (r < 0 && e->code == ERR_ABORTED))
		return helper_lost(unpacker, e);
	return r == 0 && (*ret)->failure ? ipc_get_error((*ret)->failure, e) : r;
}

/* Shut down and wait for EOF: then the unpacker no longer uses the layer. */
static void abandon(int *channel)
{
	char bytes[4096];

	shutdown(*channel, SHUT_WR);
	while (recv(*channel, bytes, sizeof(bytes), 0) > 0)
		;
	close_fdp(channel);
}

static int take_sum(const Crisp__Pull__Unpacked *u, char sum[TREESUM_TEXT], struct err *e)
{
	struct treesum_value value;

	if (*u->sum && treesum_value_parse(u->sum, &value) < 0)
		return err_set(e, ERR_INTERNAL, "the unpacker sent an invalid checksum");
	snprintf(sum, TREESUM_TEXT, "%s", u->sum);
	return 0;
}

/* --- unpack --- */

struct transfer {
	const struct helper *unpacker;
	struct source *source;
	const struct descriptor *d;
	int channel;
	bool fetched; /* the source reported success */
	void (*fed)(void *arg, uint64_t bytes);
	void *arg;
	struct unpack_result *result;
};

static int start(struct transfer *t, const struct layer *l, struct err *e)
{
	const struct unpack_spec spec = layer_spec(l);
	Crisp__Pull__Unpack unpack = CRISP__PULL__UNPACK__INIT;
	Crisp__Pull__ToUnpacker ask = CRISP__PULL__TO_UNPACKER__INIT;
	int fds[2], r;

	unpack.name = (char *)(uintptr_t)layer_work_name(l);
	unpack.blob_digest = (char *)(uintptr_t)spec.blob_digest;
	unpack.diff_id = (char *)(uintptr_t)spec.diff_id;
	unpack.blob_size = spec.blob_size;
	if (spec.file)
		unpack.file = (char *)(uintptr_t)spec.file;
	ask.unpack = &unpack;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make a pipe");
	(void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	r = ipc_send(t->channel, &ask.base, &fds[0], 1, e);
	if (r < 0)
		r = helper_lost(t->unpacker, e);
	r = r < 0 ? r : source_blob(t->source, t->d, fds[1], e);
	close(fds[0]);
	close(fds[1]);
	return r;
}

/* The source has ended. If the unpacker ended first, report the unpacker's error. */
static int on_source(struct transfer *t, struct err *e)
{
	Crisp__Pull__ToUnpacker finish = CRISP__PULL__TO_UNPACKER__INIT;
	bool pipe_closed;
	int r = source_answer(t->source, &pipe_closed, e);

	if (r < 0 && !pipe_closed)
		return r;
	t->fetched = true;
	*e = ERR_NULL;
	if (r < 0)
		return 0;
	finish.finish = true;
	return ipc_send(t->channel, &finish.base, NULL, 0, e) < 0 ? helper_lost(t->unpacker, e) : 0;
}

/* 1: unpacked. */
static int on_unpacker(struct transfer *t, struct err *e)
{
	_cleanup_(answer_freep) Crisp__Pull__FromUnpacker *a = NULL;
	int r = next_answer(t->unpacker, t->channel, &a, e);

	if (r < 0)
		return r;
	if (!a->unpacked) {
		t->fed(t->arg, MIN(a->fed, t->d->size));
		return 0;
	}
	if (!t->fetched)
		return err_set(e, ERR_INTERNAL, "the unpacker answered before the end of the blob");
	*t->result = (struct unpack_result){
		.bytes = a->unpacked->bytes,
		.disk = a->unpacked->disk,
		.inodes = a->unpacked->inodes,
	};
	r = take_sum(a->unpacked, t->result->sum, e);
	return r < 0 ? r : 1;
}

/* 1: unpacked. */
static int step(struct transfer *t, struct err *e)
{
	struct stop *stop = t->source->stop;
	struct pollfd p[4] = {
		{ .fd = t->channel, .events = POLLIN },
		{ .fd = t->fetched ? -1 : t->source->channel, .events = POLLIN },
		{ .fd = stop->fd, .events = POLLIN },
		{ .fd = stop->watch_fd, .events = POLLIN },
	};

	poll(p, ARRAY_LEN(p), -1);
	if (stop_is_set(stop))
		return err_set(e, ERR_CANCELLED, "cancelled");
	if (p[0].revents)
		return on_unpacker(t, e);
	return p[1].revents ? on_source(t, e) : 0;
}

int hand_unpack(const struct helper *unpacker, struct source *s, const struct descriptor *d,
		const struct layer *l, void (*fed)(void *arg, uint64_t bytes), void *arg,
		struct unpack_result *ret, struct err *e)
{
	struct transfer t = { .unpacker = unpacker,
			      .source = s,
			      .d = d,
			      .channel = -1,
			      .fed = fed,
			      .arg = arg,
			      .result = ret };
	int r = helper_channel(unpacker, &t.channel, e);

	if (r < 0)
		return r;
	r = start(&t, l, e);
	while (r == 0)
		r = step(&t, e);
	/* The source's channel still has a pending reply, so it cannot be reused. */
	if (r < 0 && !t.fetched)
		close_fdp(&s->channel);
	abandon(&t.channel);
	if (r > 0)
		fed(arg, d->size);
	return r < 0 ? r : 0;
}

/* --- inherit and judge --- */

/* Only an inherit has more descriptors than a message takes. */
static int send_parts(int channel, const Crisp__Pull__ToUnpacker *q, const int *fds, size_t n,
		      struct err *e)
{
	size_t sent = 0, part;
	int r;

	do {
		part = MIN(n - sent, (size_t)WIRE_FDS_MAX);
		if (q->inherit)
			q->inherit->more = sent + part < n;
		r = ipc_send(channel, &q->base, part ? fds + sent : NULL, part, e);
		sent += part;
	} while (r == 0 && sent < n);
	return r;
}

static int ask(const struct helper *unpacker, const Crisp__Pull__ToUnpacker *q, const int *fds,
	       size_t n, Crisp__Pull__FromUnpacker **ret, struct err *e)
{
	int channel, r = helper_channel(unpacker, &channel, e);

	*ret = NULL;
	if (r < 0)
		return r;
	r = send_parts(channel, q, fds, n, e) < 0 ? helper_lost(unpacker, e) : 0;
	r = r < 0 ? r : next_answer(unpacker, channel, ret, e);
	abandon(&channel);
	return r;
}

int hand_inherit(const struct helper *unpacker, const struct layer *l, int list_fd,
		 const int *lower, size_t n, char sum[TREESUM_TEXT], struct err *e)
{
	_cleanup_(answer_freep) Crisp__Pull__FromUnpacker *a = NULL;
	Crisp__Pull__ToUnpacker q = CRISP__PULL__TO_UNPACKER__INIT;
	Crisp__Pull__Inherit inherit = CRISP__PULL__INHERIT__INIT;
	int fds[LIMIT_LAYERS + 1], r;

	assert(n <= LIMIT_LAYERS);
	fds[0] = list_fd;
	memcpy(fds + 1, lower, n * sizeof(*fds));
	inherit.name = (char *)(uintptr_t)layer_work_name(l);
	inherit.sum = sum;
	q.inherit = &inherit;
	r = ask(unpacker, &q, fds, n + 1, &a, e);
	if (r == 0 && !a->unpacked)
		r = err_set(e, ERR_INTERNAL, "the unpacker sent an unexpected answer");
	return r < 0 ? r : take_sum(a->unpacked, sum, e);
}

int hand_judge(const struct helper *unpacker, const struct image_ref *ref,
	       Crisp__State__Signature **signatures, size_t n, bool *accepted, struct err *e)
{
	_cleanup_(answer_freep) Crisp__Pull__FromUnpacker *a = NULL;
	Crisp__Pull__ToUnpacker q = CRISP__PULL__TO_UNPACKER__INIT;
	Crisp__Pull__Judge judge = CRISP__PULL__JUDGE__INIT;
	int r;

	judge.domain = ref->domain;
	judge.path = ref->path;
	judge.tag = ref->tag;
	judge.digest = ref->digest;
	judge.signatures = signatures;
	judge.n_signatures = n;
	q.judge = &judge;
	r = ask(unpacker, &q, NULL, 0, &a, e);
	if (r == 0 && (!a->judged || a->judged->n_accepted != n))
		r = err_set(e, ERR_INTERNAL, "the unpacker sent an unexpected answer");
	for (size_t i = 0; r == 0 && i < n; i++)
		accepted[i] = a->judged->accepted[i];
	return r;
}
