/*
 * fetcher.c - one thread per channel, with its own exchange; clones of a source share its session.
 */
#include "pull/fetcher.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "image/ref.h"
#include "pull/base/ipc.h"
#include "pull/confine.h"
#include "pull/fetch/certs.h"
#include "pull/fetch/credstore.h"
#include "pull/fetch/origin.h"
#include "pull/fetch/sigfile.h"
#include "pull/view.h"

#define QUESTION_MAX (4 * 1024 * 1024)
#define SOURCES_MAX 4096 /* per pull: mirrors and short-name expansions */

/* The fetcher's state. Only sources changes after threads start. */
struct fetcher {
	const Crisp__Pull__Request *request;
	const struct admit *trust;
	struct registry_meter *meter;
	struct credstore *wallet;
	struct err credstore_error;
	struct certs_dirs *certs_dirs;
	struct stop stop; /* for all sources; never set */
	/* Open sources; the id is the index plus 1. Channels clone them. */
	pthread_mutex_t lock;
	struct origin *sources;
	uint32_t n;
};

/* One channel. */
struct fetcher_channel {
	struct fetcher *fetcher;
	int fd;
	struct stop stop; /* set when the channel closes */
	struct origin origin;
	struct exchange *http; /* for signatures */
};

/* Destination of a response's bytes. */
struct sink {
	int fd;
	bool closed;
};

static int write_on(void *arg, const void *data, size_t size, struct err *e)
{
	struct sink *s = arg;

	if (fs_write_all(s->fd, data, size) == 0)
		return 0;
	s->closed = true;
	return err_errno(e, ERR_ABORTED, errno, "write to the unpacker");
}

/* --- sources --- */

static int open_registry(struct fetcher *f, const Crisp__Pull__Source *q, struct origin *ret,
			 struct err *e)
{
	_cleanup_(credentials_done) struct credentials cred = CREDENTIALS_NULL;
	const struct image_ref ref = { q->domain, q->path, q->tag, q->digest };
	const struct image_source where = {
		.host = q->host,
		.repository = q->repository,
		.insecure = q->insecure,
		.mirror = q->mirror,
	};
	const struct registry_options options = {
		.source = &where,
		.cred = &cred,
		.certs_dirs = f->certs_dirs,
		.progress_timeout_ms = f->request->pull_progress_timeout_ms,
		.meter = f->meter,
		.stop = &f->stop,
	};

	if (f->credstore_error.code) {
		*e = f->credstore_error;
		return -(int)e->code;
	}
	if (credstore_find(f->wallet, &ref, &where, q->alone, &cred, e) < 0)
		return -(int)e->code;
	ret->registry = registry_new(&options, e);
	return ret->registry ? 0 : -(int)e->code;
}

/* Keep o until the process ends. *ret: its id. */
static int remember(struct fetcher *f, struct origin *o, uint32_t *ret, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&f->lock);
	if (f->n < SOURCES_MAX) {
		f->sources = xrealloc(f->sources, (f->n + 1) * sizeof(*f->sources));
		f->sources[f->n++] = *o;
		*o = ORIGIN_NULL;
		*ret = f->n;
	} else {
		r = err_set(e, ERR_EXHAUSTED, "more than %d sources", SOURCES_MAX);
	}
	pthread_mutex_unlock(&f->lock);
	origin_done(o);
	return r;
}

/* Clone the source for this channel. */
static int use_source(struct fetcher_channel *sv, uint32_t id, struct err *e)
{
	struct fetcher *f = sv->fetcher;
	int r;

	origin_done(&sv->origin);
	pthread_mutex_lock(&f->lock);
	r = id && id <= f->n ? origin_clone(&f->sources[id - 1], &sv->stop, &sv->origin, e)
			     : err_set(e, ERR_INTERNAL, "there is no source %u", id);
	pthread_mutex_unlock(&f->lock);
	return r;
}

static int open_source(struct fetcher_channel *sv, const Crisp__Pull__Source *q, uint32_t *ret,
		       struct err *e)
{
	struct origin o = ORIGIN_NULL;
	int r = 0;

	if (*q->layout_dir)
		o.layout = xstrdup(q->layout_dir);
	else
		r = open_registry(sv->fetcher, q, &o, e);
	return r < 0 ? r : remember(sv->fetcher, &o, ret, e);
}

/* --- requests --- */

static int get_manifest(struct fetcher_channel *sv, const char *reference, struct sink *sink,
			char **ret_type, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = origin_manifest(&sv->origin, reference, &text, ret_type, e);

	return r < 0 ? r : write_on(sink, text.data, text.len, e);
}

static int get_index(struct fetcher_channel *sv, struct sink *sink, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = origin_index(&sv->origin, &text, e);

	return r < 0 ? r : write_on(sink, text.data, text.len, e);
}

static int get_blob(struct fetcher_channel *sv, const Crisp__Pull__Blob *q, struct sink *sink,
		    struct err *e)
{
	const struct descriptor d = {
		.digest = q->digest,
		.size = q->size,
		.urls = q->urls,
		.n_urls = q->n_urls,
	};

	return origin_blob(&sv->origin, &d, &sv->stop, write_on, sink, e);
}

/* 1: not found. */
static int get_signature(struct fetcher_channel *sv, const Crisp__Pull__SignatureFile *q,
			 struct sink *sink, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = sigfile_get(q->url, q->tries, &sv->stop, &sv->http, &text, e);

	return r != 0 ? r : write_on(sink, text.data, text.len, e);
}

static int act(struct fetcher_channel *sv, const Crisp__Pull__ToFetcher *q, struct sink *sink,
	       Crisp__Pull__FromFetcher *a, char **type, struct err *e)
{
	int r;

	a->source = q->clone;
	if (q->open || q->clone) {
		r = q->open ? open_source(sv, q->open, &a->source, e) : 0;
		r = r < 0 ? r : use_source(sv, a->source, e);
		if (r == 0 && sv->origin.registry)
			a->host = (char *)(uintptr_t)registry_host(sv->origin.registry);
		return r;
	}
	if (sink->fd < 0 || (!sv->origin.registry && !sv->origin.layout))
		return err_set(e, ERR_INTERNAL, "a request without a source");
	if (q->index)
		return get_index(sv, sink, e);
	if (q->blob)
		return get_blob(sv, q->blob, sink, e);
	if (q->signature)
		return get_signature(sv, q->signature, sink, e);
	return get_manifest(sv, q->manifest, sink, type, e);
}

/* <0: the channel is broken. */
static int answer(struct fetcher_channel *sv, const Crisp__Pull__ToFetcher *q, int pipe)
{
	Crisp__Pull__FromFetcher a = CRISP__PULL__FROM_FETCHER__INIT;
	struct sink sink = { .fd = pipe };
	_cleanup_free_ char *type = NULL;
	Crisp__Pull__Failure failure;
	struct err e = ERR_NULL;
	int r = act(sv, q, &sink, &a, &type, &e);

	/* The pipe must reach EOF before the reply. */
	close_fdp(&sink.fd);
	if (r < 0) {
		ipc_put_error(&e, &failure);
		a.failure = &failure;
		a.pipe_closed = sink.closed;
	}
	a.nothing = r > 0;
	if (type)
		a.content_type = type;
	return ipc_send(sv->fd, &a.base, NULL, 0, &e);
}

static void serve(void *arg, int fd)
{
	struct fetcher_channel sv = { .fetcher = arg, .fd = fd };
	struct err e = ERR_NULL;

	if (stop_init(&sv.stop, fd, &e) < 0)
		return;
	for (;;) {
		ProtobufCMessage *m;
		int pipe = -1, r;
		size_t n = 1;

		r = ipc_recv(fd, &crisp__pull__to_fetcher__descriptor, QUESTION_MAX, &m, &pipe, &n,
			     &e);
		if (r != 0)
			break;
		r = answer(&sv, (Crisp__Pull__ToFetcher *)m, pipe);
		protobuf_c_message_free_unpacked(m, NULL);
		if (r < 0)
			break;
	}
	origin_done(&sv.origin);
	exchange_free(sv.http);
	stop_done(&sv.stop);
}

static void refuse(int fd, const struct err *e)
{
	Crisp__Pull__FromFetcher a = CRISP__PULL__FROM_FETCHER__INIT;
	Crisp__Pull__Failure failure;
	struct err ignored = ERR_NULL;

	ipc_put_error(e, &failure);
	a.failure = &failure;
	(void)ipc_send(fd, &a.base, NULL, 0, &ignored);
}

/* --- start --- */

static int prepare(void *arg, struct err *e)
{
	struct fetcher *f = arg;
	struct confine_view view = CONFINE_VIEW_NULL;
	int r = 0;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_INTERNAL, "libcurl cannot be initialised");
	pthread_mutex_init(&f->lock, NULL);
	if (stop_init(&f->stop, -1, e) < 0)
		return -(int)e->code;
	if (!*f->request->layout_dir)
		credstore_open(f->request, &f->wallet, &f->credstore_error);
	f->certs_dirs = certs_dirs_new(f->request->certs_dirs, f->request->n_certs_dirs);
	view_of_fetcher(f->request, f->trust, &view);
	if (*f->request->layout_dir)
		r = confine_leave_network(e);
	else
		view_load_resolver();
	r = r < 0 ? r : confine_enter(CONFINE_FETCHER, &view, e);
	confine_view_done(&view);
	return r;
}

int fetcher_start(const Crisp__Pull__Request *request, const struct admit *trust,
		  struct registry_meter *meter, struct helper *ret, struct err *e)
{
	struct fetcher f = { .request = request, .trust = trust, .meter = meter };
	const struct helper_ops ops = {
		.name = "crisp-pull-net",
		.prepare = prepare,
		.serve = serve,
		.refuse = refuse,
		.arg = &f,
	};

	return helper_start(ret, &ops, NULL, 0, e);
}
