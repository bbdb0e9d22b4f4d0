/*
 * registry.c - GET with redirects, authentication, retries and resumption.
 */
#include "pull/fetch/registry.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define TRIES 5 /* consecutive failures without a new byte */
#define BACKOFF_MS 250
#define BACKOFF_MAX_MS 30000
#define RETRY_AFTER_MAX_S 60 /* for a longer Retry-After the client must ask again */
#define REDIRECTS_MAX 10
#define PING_MAX (64 * 1024) /* bytes of an answer at /v2/ */

struct registry {
	struct exchange *http;
	struct registry_session *session;
	struct stop *stop;
};

/* A file to download, over any number of exchanges. */
struct download {
	const char *path; /* below the repository */
	const char *url; /* or a URL elsewhere, without credentials */
	const char *accept; /* a whole header line; NULL: none */
	int (*sink)(void *arg, const void *data, size_t size, struct err *e);
	void *arg;
	struct registry_meter *meter;
	uint64_t got; /* bytes given to sink */
	uint64_t max;
	bool exact; /* max is the exact size */
};

static struct registry *registry_on(struct registry_session *s, struct stop *stop, struct err *e)
{
	struct exchange *http = exchange_new(stop, e);
	struct registry *g;

	if (!http) {
		session_unref(s);
		return NULL;
	}
	g = xcalloc(1, sizeof(*g));
	g->http = http;
	g->session = s;
	g->stop = stop;
	return g;
}

struct registry *registry_new(const struct registry_options *o, struct err *e)
{
	struct registry_session *s = NULL;

	return session_new(o, &s, e) < 0 ? NULL : registry_on(s, o->stop, e);
}

struct registry *registry_clone(const struct registry *g, struct stop *stop, struct err *e)
{
	return registry_on(session_ref(g->session), stop, e);
}

void registry_free(struct registry *g)
{
	if (!g)
		return;
	exchange_free(g->http);
	session_unref(g->session);
	free(g);
}

const char *registry_host(const struct registry *g)
{
	return g->session->host;
}

/* Skip bytes received before: a server may ignore the range. */
static int on_body(void *arg, uint64_t offset, const void *data, size_t size, struct err *e)
{
	struct download *f = arg;
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
	atomic_store(&f->meter->alive_ns, clock_monotonic_ns());
	return f->sink(f->arg, (const char *)data + known, size - known, e);
}

/* A redirect to another origin gets no authorization header. */
static bool same_origin(const char *a, const char *b)
{
	const char *host_a = strstr(a, "://"), *host_b = strstr(b, "://");
	size_t n;

	if (!host_a || !host_b)
		return false;
	n = (size_t)(host_a - a) + 3 + strcspn(host_a + 3, "/?#");
	return strncasecmp(a, b, n) == 0 && (!b[n] || strchr("/?#", b[n]));
}

/* Send one request, to the registry (own) or to a URL from it or from a manifest. */
static int request(struct registry *g, const char *url, bool own, const char *authorization,
		   struct exchange_request *req, struct exchange_response *resp, struct err *e)
{
	struct registry_session *s = g->session;
	_cleanup_(certs_done) struct certs other = CERTS_NULL;
	_cleanup_free_ char *host = exchange_url_host(url);
	int64_t timeout = s->progress_timeout_ms;

	/* Other hosts get the registry's CAs, but not its client certificate. */
	if (!own && (certs_add(&other, s->certs_dirs, host, false, e) < 0 ||
		     certs_add(&other, s->certs_dirs, s->host, false, e) < 0))
		return -(int)e->code;
	req->url = url;
	req->authorization = own ? authorization : NULL;
	req->certs = own ? &s->certs : &other;
	req->direct = image_host_is_loopback(host);
	req->stall_ms = timeout ? MIN(timeout, HTTP_STALL_S * INT64_C(1000)) : 0;
	return exchange_perform(g->http, req, resp, e);
}

/* GET with redirects. first_is_own: first is at the registry, and authorization is for its origin.
 * *ret_own: the response is the registry's. Returns as exchange_perform. */
static int exchange(struct registry *g, const char *first, bool first_is_own,
		    const char *authorization, struct exchange_request *req,
		    struct exchange_response *resp, bool *ret_own, struct err *e)
{
	_cleanup_free_ char *url = xstrdup(first);

	for (int i = 0; i <= REDIRECTS_MAX; i++) {
		int r;

		*ret_own = first_is_own && same_origin(first, url);
		r = request(g, url, *ret_own, authorization, req, resp, e);
		if (r != 0 || resp->status < 300 || resp->status > 399)
			return r;
		r = exchange_check_redirect(url, resp->redirect, req->insecure, e);
		if (r < 0)
			return r;
		free(url);
		url = take_ptr(resp->redirect);
		exchange_response_done(resp);
	}
	return err_set(e, ERR_UNAVAILABLE, "more than %d redirects", REDIRECTS_MAX);
}

/* true: retry with plain HTTP. Only if insecure; without a port in the name only if the https port
 * is closed. */
static bool try_plain(const struct registry_session *s, const struct exchange_response *resp)
{
	bool has_port = strchr(s->base + strcspn(s->base, "]"), ':') ||
			(*s->base != '[' && strchr(s->base, ':'));

	return s->insecure && !atomic_load(&s->plain) &&
	       (resp->no_tls || (resp->refused && !has_port));
}

static int ignore_body(void *arg, uint64_t offset, const void *data, size_t size, struct err *e)
{
	(void)arg;
	(void)data;
	return offset + size > PING_MAX
		       ? err_set(e, ERR_UNAVAILABLE, "the registry's answer at /v2/ is too long")
		       : 0;
}

/* Some registries hide a private image from anonymous clients, and ask for a login at /v2/ alone.
 * 1: *resp has a challenge from there instead.  0: it is unchanged. */
static int ping(struct registry *g, struct exchange_response *resp, struct err *e)
{
	struct registry_session *s = g->session;
	_cleanup_free_ char *url =
		xasprintf("%s://%s/v2/", atomic_load(&s->plain) ? "http" : "https", s->base);
	struct exchange_request req = { .insecure = s->insecure, .body = ignore_body };
	struct exchange_response pong = EXCHANGE_RESPONSE_NULL;
	bool own = true;
	int r = exchange(g, url, true, NULL, &req, &pong, &own, e);

	if (r == 0 && own && pong.status == 401 &&
	    (pong.challenge.scheme == CHALLENGE_SCHEME_BEARER ||
	     (pong.challenge.scheme == CHALLENGE_SCHEME_BASIC && s->cred.username))) {
		exchange_response_done(resp);
		*resp = pong;
		return 1;
	}
	exchange_response_done(&pong);
	return r < 0 && e->code == ERR_CANCELLED ? r : 0;
}

/* May the answer to an anonymous request hide an image? */
static bool may_hide(struct registry_session *s, const char *authorization,
		     const struct exchange_response *resp)
{
	bool refused = resp->status == 403 || resp->status == 404 ||
		       (resp->status == 401 && resp->challenge.scheme == CHALLENGE_SCHEME_NONE);

	return refused && !authorization && !s->cred.registry_token &&
	       !atomic_exchange(&s->pinged, true);
}

/* GET from the registry: probes for TLS, and answers one challenge. */
static int exchange_authorized(struct registry *g, const char *path, struct exchange_request *req,
			       struct exchange_response *resp, struct err *e)
{
	struct registry_session *s = g->session;
	bool answered = false;

	req->insecure = s->insecure;
	for (;;) {
		unsigned generation;
		_cleanup_free_ char *authorization = session_authorization(s, &generation);
		_cleanup_free_ char *url =
			xasprintf("%s://%s/v2/%s/%s", atomic_load(&s->plain) ? "http" : "https",
				  s->base, s->repository, path);
		bool own = true;
		int r = exchange(g, url, true, authorization, req, resp, &own, e);

		if (r > 0 && try_plain(s, resp)) {
			atomic_store(&s->plain, true);
			exchange_response_done(resp);
			continue;
		}
		if (r == 0 && own && !answered && may_hide(s, authorization, resp))
			r = MIN(ping(g, resp, e), 0);
		/* Ignore challenges of other hosts, which must not direct credentials. */
		if (r != 0 || resp->status != 401 || !own || answered || s->cred.registry_token)
			return r;
		answered = true;
		r = session_renew(s, g->http, &resp->challenge, generation, e);
		if (r < 0)
			return r;
		exchange_response_done(resp);
	}
}

static int refuse(const struct registry_session *s, const struct exchange_response *resp,
		  struct err *e)
{
	/* {"errors":[{"code":"...","message":"..."}]} or other text: for users, not parsed. */
	_cleanup_buf_ struct buf text = BUF_NULL;
	static const struct {
		long status;
		enum err_code code;
		const char *what;
	} known[] = {
		{ 401, ERR_UNAUTHENTICATED, "the registry wants other credentials" },
		{ 403, ERR_DENIED, "the registry denies access" },
		{ 404, ERR_NOT_FOUND, "not found" },
		{ 416, ERR_INVALID, "the registry has fewer bytes than the manifest says" },
		{ 0, ERR_UNAVAILABLE, "the registry fails" },
	};
	const char *hint = resp->status == 401 || resp->status == 403 ? s->cred.hint : NULL;
	size_t i = 0;

	while (known[i].status && known[i].status != resp->status)
		i++;
	if (resp->text.len)
		buf_add_clean(&text, resp->text.data, MIN(resp->text.len, (size_t)300));
	return err_set(e, known[i].code, "%s (HTTP %ld)%s%s%s%s", known[i].what, resp->status,
		       text.len ? ": " : "", text.len ? text.data : "", hint ? "; " : "",
		       hint ? hint : "");
}

static bool may_try_again(int r, const struct exchange_response *resp)
{
	if (r > 0)
		return !resp->untrusted;
	return (resp->status >= 500 || resp->status == 429 || resp->status == 408) &&
	       resp->retry_after_s <= RETRY_AFTER_MAX_S;
}

static int64_t backoff_ms(int failures, const struct exchange_response *resp)
{
	int64_t ms = MIN((int64_t)BACKOFF_MS << failures, (int64_t)BACKOFF_MAX_MS);

	return MAX(ms, resp->retry_after_s * 1000);
}

static int give_up(const struct registry_session *s, int r, const struct exchange_response *resp,
		   struct err *e)
{
	if (r == 0)
		return refuse(s, resp, e);
	if (resp->untrusted)
		return err_set(e, ERR_PRECONDITION,
			       "%.400s; an authority for it alone belongs into certs.d/%.200s/",
			       resp->text.data, s->host);
	return err_set(e, ERR_UNAVAILABLE, "%.400s", resp->text.data);
}

/* Milliseconds until the progress timeout; 0: expired. */
static int64_t patience_ms(const struct registry_session *s)
{
	int64_t idle = clock_monotonic_ns() - atomic_load(&s->meter->alive_ns);

	if (!s->progress_timeout_ms)
		return INT64_MAX;
	return MAX(INT64_C(0), s->progress_timeout_ms - idle / NSEC_PER_MSEC);
}

/* Download with retries, each from the first missing byte. */
static int fetch(struct registry *g, struct download *f, char **ret_type, struct err *e)
{
	struct registry_session *s = g->session;
	int failures = 0;

	f->meter = s->meter;
	atomic_store(&s->meter->alive_ns, clock_monotonic_ns());
	for (;;) {
		_cleanup_(exchange_response_done) struct exchange_response resp =
			EXCHANGE_RESPONSE_NULL;
		struct exchange_request req = { .accept = f->accept, .body = on_body, .arg = f };
		uint64_t before = f->got;
		bool own;
		int r;

		req.offset = f->got;
		req.total = f->exact ? f->max : 0;
		r = f->url ? exchange(g, f->url, false, NULL, &req, &resp, &own, e)
			   : exchange_authorized(g, f->path, &req, &resp, e);
		if (r < 0)
			return r;
		/* The registry may send less than the requested range. */
		if (r == 0 && resp.status == 206 && f->got > before && f->got < f->max)
			continue;
		if (r == 0 && (resp.status == 200 || resp.status == 206)) {
			*ret_type = take_ptr(resp.content_type);
			return 0;
		}
		if (f->got > before)
			failures = 0;
		if (!may_try_again(r, &resp) || ++failures >= TRIES)
			return give_up(s, r, &resp, e);
		if (patience_ms(s) == 0)
			return err_set(e, ERR_UNAVAILABLE,
				       "no data for %jd ms (pull_progress_timeout)",
				       (intmax_t)s->progress_timeout_ms);
		atomic_fetch_add(&s->meter->retries, 1);
		if (stop_wait(g->stop, MIN(backoff_ms(failures - 1, &resp), patience_ms(s))))
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
	const struct registry_session *s = g->session;
	_cleanup_free_ char *path = xasprintf("manifests/%s", reference);
	struct download f = {
		.path = path,
		.accept = MANIFEST_ACCEPT,
		.sink = collect,
		.arg = ret,
		.max = LIMIT_MANIFEST,
	};

	if (fetch(g, &f, ret_type, e) < 0)
		return err_wrap(e, "manifest %s of %s/%s", reference, s->host, s->repository);
	return 0;
}

/* Fetch a nondistributable layer from the URLs of its descriptor. */
static int fetch_elsewhere(struct registry *g, const struct descriptor *d, struct download *f,
			   char **ret_type, struct err *e)
{
	int r = -(int)e->code;

	f->path = NULL;
	for (size_t i = 0; i < d->n_urls && r < 0 && !stop_is_set(g->stop); i++) {
		*e = ERR_NULL;
		f->url = d->urls[i];
		r = fetch(g, f, ret_type, e);
		if (r < 0)
			err_wrap(e, "%.200s", f->url);
	}
	return r;
}

int registry_blob(struct registry *g, const struct descriptor *d,
		  int (*sink)(void *, const void *, size_t, struct err *), void *arg, struct err *e)
{
	const struct registry_session *s = g->session;
	_cleanup_free_ char *path = xasprintf("blobs/%s", d->digest);
	_cleanup_free_ char *type = NULL;
	struct download f = {
		.path = path, .sink = sink, .arg = arg, .max = d->size, .exact = true
	};
	int r = fetch(g, &f, &type, e);

	if (r < 0 && e->code == ERR_NOT_FOUND && f.got == 0 && d->n_urls)
		r = fetch_elsewhere(g, d, &f, &type, e);
	if (r < 0)
		return err_wrap(e, "blob %s from %s/%s", d->digest, s->host, s->repository);
	if (f.got != d->size)
		return err_set(e, ERR_INVALID, "blob %s from %s/%s has %ju bytes instead of %ju",
			       d->digest, s->host, s->repository, (uintmax_t)f.got,
			       (uintmax_t)d->size);
	return 0;
}
