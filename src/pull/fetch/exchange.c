/*
 * exchange.c - configure libcurl for one exchange, and collect its response.
 */
#include "pull/fetch/exchange.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"

#define ERROR_TEXT_MAX 2048
#define RECEIVE_BUFFER (256 * 1024L)

struct exchange {
	CURL *curl;
	struct stop *stop;
	char reason[CURL_ERROR_SIZE];
	/* Of the current exchange: */
	const struct exchange_request *req;
	struct exchange_response *resp;
	struct err *e;
	int failed; /* result of body */
	uint64_t at; /* offset of the next byte of the body */
	uint64_t whole; /* total size in Content-Range; UINT64_MAX: unknown */
	bool ranged; /* Content-Range was valid */
	bool started; /* the body has begun */
	int64_t alive_ns; /* time of the last byte */
	curl_off_t seen;
};

void exchange_response_done(struct exchange_response *r)
{
	free(r->content_type);
	free(r->redirect);
	challenge_done(&r->challenge);
	buf_done(&r->text);
	*r = EXCHANGE_RESPONSE_NULL;
}

static long status_of(struct exchange *h)
{
	long status = 0;

	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* Set the body's offset. Refuse a part of a different file before any byte is used. */
static int begin_body(struct exchange *h)
{
	h->started = true;
	if (status_of(h) == 200) {
		h->at = 0; /* the whole file, although a range was requested */
		return 0;
	}
	if (!h->ranged)
		return err_set(h->e, ERR_INVALID, "a part (HTTP 206) without its Content-Range");
	if (h->req->total && h->whole != UINT64_MAX && h->whole != h->req->total)
		return err_set(h->e, ERR_INVALID, "a part of %ju bytes instead of %ju",
			       (uintmax_t)h->whole, (uintmax_t)h->req->total);
	return 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
	struct exchange *h = arg;
	long status = status_of(h);

	(void)one;
	if (status != 200 && status != 206) {
		struct buf *text = &h->resp->text;

		buf_add(text, data, MIN(size, (size_t)ERROR_TEXT_MAX - text->len));
		return size;
	}
	if (!h->started)
		h->failed = begin_body(h);
	if (h->failed == 0 && h->req->body)
		h->failed = h->req->body(h->req->arg, h->at, data, size, h->e);
	h->at += size;
	/* Do not count the consumer's time as a stall. */
	h->alive_ns = clock_monotonic_ns();
	return h->failed < 0 ? 0 : size;
}

/* Parse "bytes FROM-TO/TOTAL"; TOTAL "*": unknown. */
static void read_range(struct exchange *h, char *text)
{
	char *dash = strchr(text, '-'), *slash = strchr(text, '/');

	h->ranged = false;
	h->whole = UINT64_MAX;
	if (!dash || !slash || slash < dash)
		return;
	*dash = '\0';
	*slash++ = '\0';
	h->ranged = str_to_u64(text, UINT64_MAX, &h->at) == 0 &&
		    (strcmp(slash, "*") == 0 || str_to_u64(slash, UINT64_MAX - 1, &h->whole) == 0);
}

static size_t on_header(char *line, size_t one, size_t size, void *arg)
{
	static const char auth[] = "www-authenticate:", range[] = "content-range: bytes ";
	struct exchange *h = arg;
	_cleanup_free_ char *text = xstrndup(line, size);

	(void)one;
	text[strcspn(text, "\r\n")] = '\0';
	if (strncasecmp(text, auth, sizeof(auth) - 1) == 0)
		challenge_parse(text + sizeof(auth) - 1, &h->resp->challenge);
	if (strncasecmp(text, range, sizeof(range) - 1) == 0)
		read_range(h, text + sizeof(range) - 1);
	return size;
}

static int64_t stall_ms(const struct exchange_request *req)
{
	return req->stall_ms ? req->stall_ms : HTTP_STALL_S * INT64_C(1000);
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total,
		       curl_off_t up)
{
	struct exchange *h = arg;
	int64_t t = clock_monotonic_ns();

	(void)total;
	(void)up_total;
	(void)up;
	if (now != h->seen) {
		h->seen = now;
		h->alive_ns = t;
	}
	return stop_is_set(h->stop) || t - h->alive_ns > stall_ms(h->req) * NSEC_PER_MSEC;
}

static void set_fixed_options(struct exchange *h)
{
	CURL *c = h->curl;

	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->reason);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "crisp");
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_S);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

struct exchange *exchange_new(struct stop *stop, struct err *e)
{
	struct exchange *h = xcalloc(1, sizeof(*h));

	h->stop = stop;
	h->curl = curl_easy_init();
	if (!h->curl) {
		free(h);
		err_set(e, ERR_INTERNAL, "libcurl cannot be initialised");
		return NULL;
	}
	return h;
}

void exchange_free(struct exchange *h)
{
	if (h)
		curl_easy_cleanup(h->curl);
	free(h);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(list, line);

	if (!longer)
		abort();
	return longer;
}

static CURLcode on_tls(CURL *c, void *ctx, void *certs)
{
	(void)c;
	return certs_trust(certs, ctx) == 0 ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

static void set_certs(CURL *c, const struct certs *certs)
{
	if (certs->n) {
		/* Do not reuse a cached CA store, which belongs to another host. */
		curl_easy_setopt(c, CURLOPT_CA_CACHE_TIMEOUT, 0L);
		curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_tls);
		curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, (void *)(uintptr_t)certs);
	}
	if (certs->cert) {
		curl_easy_setopt(c, CURLOPT_SSLCERT, certs->cert);
		curl_easy_setopt(c, CURLOPT_SSLKEY, certs->key);
	}
}

/* libcurl ignores OpenSSL's SSL_CERT_FILE and SSL_CERT_DIR. */
static void set_authorities(CURL *c)
{
	const char *file = getenv("SSL_CERT_FILE"), *dir = getenv("SSL_CERT_DIR");

	if (file && *file)
		curl_easy_setopt(c, CURLOPT_CAINFO, file);
	if (dir && *dir)
		curl_easy_setopt(c, CURLOPT_CAPATH, dir);
}

static struct curl_slist *set_options(struct exchange *h, const struct exchange_request *req)
{
	struct curl_slist *headers = NULL;
	CURL *c = h->curl;

	/* Reset all options of the previous exchange; connections stay open. */
	curl_easy_reset(c);
	set_fixed_options(h);
	curl_easy_setopt(c, CURLOPT_URL, req->url);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, req->insecure ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, req->insecure ? 0L : 2L);
	set_authorities(c);
	if (req->certs)
		set_certs(c, req->certs);
	if (req->direct)
		curl_easy_setopt(c, CURLOPT_PROXY, "");
	if (req->post)
		curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, req->post);
	if (req->accept)
		headers = add_header(headers, req->accept);
	if (req->authorization) {
		_cleanup_free_ char *line = xasprintf("Authorization: %s", req->authorization);

		headers = add_header(headers, line);
	}
	if (req->offset) {
		_cleanup_free_ char *line = xasprintf("Range: bytes=%ju-", (uintmax_t)req->offset);

		headers = add_header(headers, line);
	}
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	return headers;
}

static void collect(struct exchange *h)
{
	char *type = NULL, *redirect = NULL;
	curl_off_t retry = 0;

	h->resp->status = status_of(h);
	curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &redirect);
	curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &retry);
	if (type) {
		h->resp->content_type = xstrdup(type);
		/* Cut parameters: "type; charset=..." */
		h->resp->content_type[strcspn(type, "; ")] = '\0';
	}
	h->resp->redirect = redirect ? xstrdup(redirect) : NULL;
	h->resp->retry_after_s = retry;
}

int exchange_perform(struct exchange *h, const struct exchange_request *req,
		     struct exchange_response *ret, struct err *e)
{
	struct curl_slist *headers = set_options(h, req);
	CURLcode code;

	*ret = EXCHANGE_RESPONSE_NULL;
	h->req = req;
	h->resp = ret;
	h->e = e;
	h->failed = 0;
	h->at = req->offset;
	h->whole = UINT64_MAX;
	h->ranged = false;
	h->started = false;
	h->seen = 0;
	h->alive_ns = clock_monotonic_ns();
	h->reason[0] = '\0';
	code = curl_easy_perform(h->curl);
	curl_slist_free_all(headers);
	if (h->failed < 0)
		return h->failed;
	if (stop_is_set(h->stop))
		return err_set(e, ERR_CANCELLED, "cancelled");
	collect(h);
	if (code == CURLE_OK)
		return 0;
	ret->no_tls = code == CURLE_SSL_CONNECT_ERROR;
	ret->refused = code == CURLE_COULDNT_CONNECT;
	ret->untrusted = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM ||
			 code == CURLE_SSL_CACERT_BADFILE;
	buf_done(&ret->text);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		buf_printf(&ret->text, "no data for %jd ms", (intmax_t)stall_ms(req));
	else
		buf_puts(&ret->text, h->reason[0] ? h->reason : curl_easy_strerror(code));
	return 1;
}

int exchange_check_redirect(const char *from, const char *to, bool insecure, struct err *e)
{
	if (!to)
		return err_set(e, ERR_UNAVAILABLE, "a redirect without a location");
	if (!str_starts(to, "https://") && !str_starts(to, "http://"))
		return err_set(e, ERR_PRECONDITION, "redirected to %.200s: refused", to);
	if (!insecure && str_starts(from, "https:") && !str_starts(to, "https:"))
		return err_set(e, ERR_PRECONDITION, "redirected from https to %.200s: refused", to);
	return 0;
}

char *exchange_escape(const char *s)
{
	char *escaped = curl_easy_escape(NULL, s, 0), *ret;

	if (!escaped)
		abort();
	ret = xstrdup(escaped);
	curl_free(escaped);
	return ret;
}

char *exchange_url_host(const char *url)
{
	const char *host = strstr(url, "://"), *at;
	size_t n;

	if (!host)
		return xstrdup("");
	host += 3;
	n = strcspn(host, "/?#\\");
	at = memrchr(host, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	return xstrndup(host, n);
}
