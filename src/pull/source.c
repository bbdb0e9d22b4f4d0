/*
 * source.c - send requests to the fetcher, and receive bytes through pipes.
 */
#include "pull/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "pull/base/ipc.h"

#define ANSWER_MAX (64 * 1024)
#define READ_BYTES 65536

void source_done(struct source *s)
{
	close_fdp(&s->channel);
	free(s->host);
	*s = SOURCE_NULL;
}

static void answer_freep(Crisp__Pull__FromFetcher **a)
{
	if (*a)
		crisp__pull__from_fetcher__free_unpacked(*a, NULL);
}

/* 0: fd is readable. <0: stopped. */
static int wait_for(struct source *s, int fd, struct err *e)
{
	struct pollfd p[3] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = s->stop->fd, .events = POLLIN },
		{ .fd = s->stop->watch_fd, .events = POLLIN },
	};

	while (!stop_is_set(s->stop)) {
		poll(p, 3, -1);
		if (p[0].revents)
			return 0;
	}
	/* Closing the channel makes the fetcher abort the request. */
	close_fdp(&s->channel);
	return err_set(e, ERR_CANCELLED, "cancelled");
}

/* Receive a reply. <0 also if it is a failure; *ret is set then. */
static int answer(struct source *s, Crisp__Pull__FromFetcher **ret, struct err *e)
{
	ProtobufCMessage *m = NULL;
	int r = wait_for(s, s->channel, e);

	r = r < 0 ? r
		  : ipc_recv(s->channel, &crisp__pull__from_fetcher__descriptor, ANSWER_MAX, &m,
			     NULL, NULL, e);
	*ret = (Crisp__Pull__FromFetcher *)m;
	if (r > 0 || (r < 0 && e->code == ERR_ABORTED))
		return helper_lost(s->fetcher, e);
	return r == 0 && (*ret)->failure ? ipc_get_error((*ret)->failure, e) : r;
}

static int connect_source(const Crisp__Pull__ToFetcher *ask, struct source *s, struct err *e)
{
	_cleanup_(answer_freep) Crisp__Pull__FromFetcher *a = NULL;
	int r = helper_channel(s->fetcher, &s->channel, e);

	r = r < 0 ? r : ipc_send(s->channel, &ask->base, NULL, 0, e);
	r = r < 0 ? r : answer(s, &a, e);
	if (r < 0) {
		source_done(s);
		return r;
	}
	s->id = a->source;
	s->host = xstrndup(a->host, 255);
	return 0;
}

int source_open(const struct helper *fetcher, struct stop *stop, const Crisp__Pull__Source *where,
		struct source *ret, struct err *e)
{
	Crisp__Pull__ToFetcher ask = CRISP__PULL__TO_FETCHER__INIT;

	ask.open = (Crisp__Pull__Source *)(uintptr_t)where;
	*ret = (struct source){ .fetcher = fetcher, .stop = stop, .channel = -1 };
	ret->layout = *where->layout_dir;
	return connect_source(&ask, ret, e);
}

int source_clone(const struct source *s, struct source *ret, struct err *e)
{
	Crisp__Pull__ToFetcher ask = CRISP__PULL__TO_FETCHER__INIT;

	ask.clone = s->id;
	*ret = (struct source){ .fetcher = s->fetcher, .stop = s->stop, .channel = -1 };
	ret->layout = s->layout;
	return connect_source(&ask, ret, e);
}

/* Read the pipe until EOF. */
static int collect(struct source *s, int fd, size_t max, struct buf *ret, struct err *e)
{
	for (;;) {
		ssize_t n;
		int r = wait_for(s, fd, e);

		if (r < 0)
			return r;
		n = read(fd, buf_reserve(ret, READ_BYTES), READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? 0 : err_errno(e, ERR_INTERNAL, errno, "read a pipe");
		buf_commit(ret, (size_t)n);
		if (ret->len > max)
			return err_set(e, ERR_INVALID, "more than %zu bytes arrived", max);
	}
}

static int ask_for_text(struct source *s, const Crisp__Pull__ToFetcher *ask, size_t max,
			struct buf *ret, Crisp__Pull__FromFetcher **ret_answer, struct err *e)
{
	_cleanup_close_ int from = -1;
	int fds[2], r;

	*ret_answer = NULL;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make a pipe");
	from = fds[0];
	r = ipc_send(s->channel, &ask->base, &fds[1], 1, e);
	close(fds[1]);
	if (r < 0)
		return e->code == ERR_ABORTED ? helper_lost(s->fetcher, e) : r;
	r = collect(s, from, max, ret, e);
	/* The channel still has a pending reply, so it cannot be reused. */
	if (r < 0)
		close_fdp(&s->channel);
	return r < 0 ? r : answer(s, ret_answer, e);
}

int source_manifest(struct source *s, const char *reference, struct buf *ret, char **ret_type,
		    struct err *e)
{
	_cleanup_(answer_freep) Crisp__Pull__FromFetcher *a = NULL;
	Crisp__Pull__ToFetcher ask = CRISP__PULL__TO_FETCHER__INIT;
	int r;

	ask.manifest = (char *)(uintptr_t)reference;
	r = ask_for_text(s, &ask, LIMIT_MANIFEST, ret, &a, e);
	*ret_type = r == 0 && *a->content_type ? xstrdup(a->content_type) : NULL;
	return r;
}

static void blob_question(const struct descriptor *d, Crisp__Pull__Blob *ret)
{
	crisp__pull__blob__init(ret);
	ret->digest = d->digest;
	ret->size = d->size;
	ret->urls = d->urls;
	ret->n_urls = d->n_urls;
}

int source_collect(struct source *s, const struct descriptor *d, struct buf *ret, struct err *e)
{
	_cleanup_(answer_freep) Crisp__Pull__FromFetcher *a = NULL;
	Crisp__Pull__ToFetcher ask = CRISP__PULL__TO_FETCHER__INIT;
	Crisp__Pull__Blob blob;

	blob_question(d, &blob);
	ask.blob = &blob;
	return ask_for_text(s, &ask, LIMIT_MANIFEST, ret, &a, e);
}

int source_signature(struct source *s, const char *url, unsigned tries, struct buf *ret,
		     struct err *e)
{
	_cleanup_(answer_freep) Crisp__Pull__FromFetcher *a = NULL;
	Crisp__Pull__SignatureFile file = CRISP__PULL__SIGNATURE_FILE__INIT;
	Crisp__Pull__ToFetcher ask = CRISP__PULL__TO_FETCHER__INIT;
	int r;

	file.url = (char *)(uintptr_t)url;
	file.tries = tries;
	ask.signature = &file;
	r = ask_for_text(s, &ask, LIMIT_MANIFEST, ret, &a, e);
	return r < 0 ? r : a->nothing;
}

int source_blob(struct source *s, const struct descriptor *d, int pipe, struct err *e)
{
	Crisp__Pull__ToFetcher ask = CRISP__PULL__TO_FETCHER__INIT;
	Crisp__Pull__Blob blob;
	int r;

	blob_question(d, &blob);
	ask.blob = &blob;
	r = ipc_send(s->channel, &ask.base, &pipe, 1, e);
	return r < 0 && e->code == ERR_ABORTED ? helper_lost(s->fetcher, e) : r;
}

int source_answer(struct source *s, bool *ret_pipe_closed, struct err *e)
{
	_cleanup_(answer_freep) Crisp__Pull__FromFetcher *a = NULL;
	int r = answer(s, &a, e);

	*ret_pipe_closed = r < 0 && a && a->pipe_closed;
	return r;
}

static bool is_named(const struct descriptor *d, const char *reference, const char *tag)
{
	return d->ref_name &&
	       (strcmp(d->ref_name, reference) == 0 || strcmp(d->ref_name, tag) == 0);
}

int source_layout_entry(struct source *s, const char *dir, const char *reference, const char *tag,
			struct manifest *ret_index, const struct descriptor **ret, struct err *e)
{
	_cleanup_(answer_freep) Crisp__Pull__FromFetcher *a = NULL;
	Crisp__Pull__ToFetcher ask = CRISP__PULL__TO_FETCHER__INIT;
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r;

	ask.index = true;
	r = ask_for_text(s, &ask, LIMIT_MANIFEST, &text, &a, e);
	*ret_index = MANIFEST_NULL;
	if (r < 0)
		return r;
	r = manifest_parse(text.data ? text.data : "", text.len, NULL, ret_index, e);
	if (r < 0)
		return err_wrap(e, "%s/index.json", dir);
	if (ret_index->kind != MANIFEST_KIND_INDEX || ret_index->n == 0)
		return err_set(e, ERR_INVALID, "%s/index.json lists no image", dir);
	*ret = NULL;
	for (size_t i = 0; i < ret_index->n && !*ret; i++)
		if (is_named(&ret_index->entries[i], reference, tag))
			*ret = &ret_index->entries[i];
	if (!*ret && ret_index->n == 1)
		*ret = &ret_index->entries[0];
	if (!*ret)
		return err_set(e, ERR_INVALID,
			       "%s/index.json lists %zu images: say which one by its name", dir,
			       ret_index->n);
	return 0;
}
