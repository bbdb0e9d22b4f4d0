/*
 * registry.c - see registry.h.
 */
#include "pull/registry.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define TRIES 5 /* without a byte of progress in between */
#define BACKOFF_MS 250
#define BACKOFF_MAX_MS 30000
#define REDIRECTS_MAX 10
#define CERTS_DIR "/etc/containers/certs.d"

struct registry {
	struct http *http;
	struct stop *stop;
	char *host, *repository;
	char *certs_dir;
	bool insecure, plain; /* plain: http, found out */
	struct credentials cred;
	char *authorization; /* answers the registry's last challenge */
};

/* One thing that is fetched, over any number of exchanges. */
struct fetch {
	int (*sink)(void *arg, const void *data, size_t size, struct err *e);
	void *arg;
	uint64_t got; /* bytes given to sink */
	uint64_t max;
};

struct registry *registry_new(const struct image_source *source, const struct credentials *cred,
			      struct stop *stop, struct err *e)
{
	struct http *http = http_new(stop, e);
	struct registry *g;

	if (!http)
		return NULL;
	g = xcalloc(1, sizeof(*g));
	g->http = http;
	g->stop = stop;
	g->host = xstrdup(source->host);
	g->repository = xstrdup(source->repository);
	g->certs_dir = xasprintf(CERTS_DIR "/%s", source->host);
	g->insecure = source->insecure;
	g->cred = credentials_copy(cred);
	if (cred->registry_token)
		g->authorization = xasprintf("Bearer %s", cred->registry_token);
	return g;
}

struct registry *registry_clone(const struct registry *g, struct err *e)
{
	const struct image_source source = {
		.host = g->host,
		.repository = g->repository,
		.insecure = g->insecure,
	};
	struct registry *copy = registry_new(&source, &g->cred, g->stop, e);

	if (!copy)
		return NULL;
	copy->plain = g->plain;
	free(copy->authorization);
	copy->authorization = g->authorization ? xstrdup(g->authorization) : NULL;
	return copy;
}

void registry_free(struct registry *g)
{
	if (!g)
		return;
	http_free(g->http);
	free(g->host);
	free(g->repository);
	free(g->certs_dir);
	free(g->authorization);
	credentials_done(&g->cred);
	free(g);
}

/* Bytes that are known already are passed over: a server may ignore a range. */
static int on_body(void *arg, uint64_t offset, const void *data, size_t size, struct err *e)
{
	struct fetch *f = arg;
	size_t known;

	if (offset > f->got)
		return err_set(e, ERR_INVALID, "the registry left out bytes %ju to %ju",
			       (uintmax_t)f->got, (uintmax_t)offset);
	known = (size_t)MIN((uint64_t)size, f->got - offset);
	if (known == size)
		return 0;
	if (size - known > f->max - f->got)
		return err_set(e, ERR_INVALID, "the registry sends more than %ju bytes",
			       (uintmax_t)f->max);
	f->got += size - known;
	return f->sink(f->arg, (const char *)data + known, size - known, e);
}

/* The other end of a redirect is not the registry: it gets no header of ours. */
static bool same_origin(const char *a, const char *b)
{
	const char *host_a = strstr(a, "://"), *host_b = strstr(b, "://");
	size_t n;

	if (!host_a || !host_b)
		return false;
	n = (size_t)(host_a - a) + 3 + strcspn(host_a + 3, "/?#");
	return strncasecmp(a, b, n) == 0 && (!b[n] || strchr("/?#", b[n]));
}

/* GET with redirects.  Returns as http_perform does. */
static int exchange(struct registry *g, const char *first, struct http_request *req,
		    struct http_response *resp, struct err *e)
{
	_cleanup_free_ char *url = xstrdup(first);

	for (int i = 0; i <= REDIRECTS_MAX; i++) {
		bool own = same_origin(first, url);
		int r;

		req->url = url;
		req->authorization = own ? g->authorization : NULL;
		req->certs_dir = own ? g->certs_dir : NULL;
		req->insecure = g->insecure;
		r = http_perform(g->http, req, resp, e);
		if (r != 0 || resp->status < 300 || resp->status > 399)
			return r;
		if (!resp->redirect)
			return err_set(e, ERR_UNAVAILABLE, "HTTP %ld without a location",
				       resp->status);
		if (!g->insecure && str_starts(url, "https:") &&
		    !str_starts(resp->redirect, "https:"))
			return err_set(e, ERR_UNAVAILABLE,
				       "redirected from https to %.200s: refused", resp->redirect);
		free(url);
		url = take_ptr(resp->redirect);
		http_response_done(resp);
	}
	return err_set(e, ERR_UNAVAILABLE, "more than %d redirects", REDIRECTS_MAX);
}

/* The same, answering a challenge once and finding out whether the registry speaks TLS. */
static int exchange_authorized(struct registry *g, const char *path, struct http_request *req,
			       struct http_response *resp, struct err *e)
{
	bool answered = false;

	for (;;) {
		_cleanup_free_ char *url = xasprintf("%s://%s/v2/%s/%s",
						     g->plain ? "http" : "https", g->host,
						     g->repository, path);
		char *authorization = NULL;
		int r = exchange(g, url, req, resp, e);

		if (r > 0 && resp->no_tls && g->insecure && !g->plain) {
			g->plain = true;
			http_response_done(resp);
			continue;
		}
		if (r != 0 || resp->status != 401 || answered || g->cred.registry_token)
			return r;
		answered = true;
		r = auth_answer(g->http, &resp->challenge, &g->cred, g->repository, g->insecure,
				&authorization, e);
		if (r < 0)
			return r;
		free(g->authorization);
		g->authorization = authorization;
		http_response_done(resp);
	}
}

/* {"errors":[{"code":"...","message":"..."}]} or whatever came: for people, not parsed. */
static int refuse(const struct http_response *resp, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	enum err_code code = resp->status == 404   ? ERR_NOT_FOUND
			     : resp->status == 401 ? ERR_UNAUTHENTICATED
			     : resp->status == 403 ? ERR_DENIED
						   : ERR_UNAVAILABLE;
	const char *what = resp->status == 404	 ? "not found"
			   : resp->status == 401 ? "the registry wants other credentials"
			   : resp->status == 403 ? "the registry denies access"
						 : "the registry fails";

	if (resp->text.len)
		buf_add_clean(&text, resp->text.data, MIN(resp->text.len, (size_t)300));
	return err_set(e, code, "%s (HTTP %ld)%s%s", what, resp->status, text.len ? ": " : "",
		       text.len ? text.data : "");
}

static bool may_try_again(int r, const struct http_response *resp)
{
	return r > 0 || resp->status >= 500 || resp->status == 429 || resp->status == 408;
}

static int64_t backoff_ms(int failures, const struct http_response *resp)
{
	int64_t ms = (int64_t)BACKOFF_MS << failures;

	if (resp->retry_after_s > 0)
		ms = MAX(ms, resp->retry_after_s * 1000);
	return MIN(ms, (int64_t)BACKOFF_MAX_MS);
}

/* Without a connection to begin with, more tries are a waste of the client's time. */
static int fetch(struct registry *g, const char *path, const char *accept, struct fetch *f,
		 char **ret_type, struct err *e)
{
	int failures = 0;

	for (;;) {
		_cleanup_(http_response_done) struct http_response resp = HTTP_RESPONSE_NULL;
		struct http_request req = { .accept = accept, .body = on_body, .arg = f };
		uint64_t before = f->got;
		int r;

		req.offset = f->got;
		r = exchange_authorized(g, path, &req, &resp, e);
		if (r < 0)
			return r;
		if (r == 0 && (resp.status == 200 || resp.status == 206)) {
			*ret_type = take_ptr(resp.content_type);
			return 0;
		}
		if (f->got > before)
			failures = 0;
		if (!may_try_again(r, &resp))
			return refuse(&resp, e);
		if (++failures >= TRIES) {
			if (r == 0)
				return refuse(&resp, e);
			return err_set(e, ERR_UNAVAILABLE, "%.400s", resp.text.data);
		}
		if (stop_wait(g->stop, backoff_ms(failures - 1, &resp)))
			return err_set(e, ERR_CANCELLED, "cancelled");
	}
}

static int collect(void *arg, const void *data, size_t size, struct err *e)
{
	(void)e;
	buf_add(arg, data, size);
	return 0;
}

int registry_manifest(struct registry *g, const char *reference, struct buf *ret, char **ret_type,
		      struct err *e)
{
	_cleanup_free_ char *path = xasprintf("manifests/%s", reference);
	struct fetch f = { .sink = collect, .arg = ret, .max = LIMIT_MANIFEST };

	if (fetch(g, path, MANIFEST_ACCEPT, &f, ret_type, e) < 0)
		return err_wrap(e, "manifest %s of %s/%s", reference, g->host, g->repository);
	return 0;
}

int registry_blob(struct registry *g, const struct descriptor *d,
		  int (*sink)(void *, const void *, size_t, struct err *), void *arg,
		  struct err *e)
{
	_cleanup_free_ char *path = xasprintf("blobs/%s", d->digest);
	_cleanup_free_ char *type = NULL;
	struct fetch f = { .sink = sink, .arg = arg, .max = d->size };

	if (fetch(g, path, NULL, &f, &type, e) < 0)
		return err_wrap(e, "blob %s from %s/%s", d->digest, g->host, g->repository);
	if (f.got != d->size)
		return err_set(e, ERR_INVALID, "blob %s from %s/%s has %ju bytes instead of %ju",
			       d->digest, g->host, g->repository, (uintmax_t)f.got,
			       (uintmax_t)d->size);
	return 0;
}
