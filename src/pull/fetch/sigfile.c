/*
 * sigfile.c - GET with a few redirects and tries, or a read.
 */
#include "pull/fetch/sigfile.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "pull/fetch/registries.h"
#include "pull/trust/evaluate.h"

#define BACKOFF_MS 500
#define REDIRECTS_MAX 5

static int on_body(void *arg, uint64_t offset, const void *data, size_t size, struct err *e)
{
	struct buf *text = arg;

	(void)offset;
	if (text->len + size > SIGNATURE_MAX)
		return err_set(e, ERR_DENIED, "larger than %d bytes", SIGNATURE_MAX);
	buf_add(text, data, size);
	return 0;
}

/* One GET. 0: done; 1: not found; 2: retry; 3: redirected, *url is new. */
static int get_once(struct exchange *http, char **url, struct buf *ret, struct err *e)
{
	_cleanup_(exchange_response_done) struct exchange_response resp = EXCHANGE_RESPONSE_NULL;
	_cleanup_free_ char *host = exchange_url_host(*url);
	struct exchange_request req = { .url = *url, .body = on_body, .arg = ret };
	int r;

	req.direct = image_host_is_loopback(host);
	r = exchange_perform(http, &req, &resp, e);
	if (r < 0)
		return r;
	if (r == 0 && resp.status == 200)
		return 0;
	if (r == 0 && (resp.status == 404 || resp.status == 410))
		return 1;
	if (r == 0 && resp.status >= 300 && resp.status < 400) {
		if (exchange_check_redirect(*url, resp.redirect, false, e) < 0)
			return -(int)e->code;
		free(*url);
		*url = take_ptr(resp.redirect);
		return 3;
	}
	if (r > 0)
		err_set(e, ERR_UNAVAILABLE, "%.400s", resp.text.data);
	else
		err_set(e, ERR_UNAVAILABLE, "HTTP %ld", resp.status);
	return r > 0 || resp.status >= 500 || resp.status == 429 ? 2 : -(int)e->code;
}

/* 1: not found. */
static int get_url(struct exchange *http, const char *first, uint32_t tries, struct stop *stop,
		   struct buf *ret, struct err *e)
{
	_cleanup_free_ char *url = xstrdup(first);
	uint32_t failures = 0;
	int redirects = 0;

	for (;;) {
		int r = get_once(http, &url, ret, e);

		if (r <= 1)
			return r < 0 ? err_wrap(e, "%s", first) : r;
		buf_done(ret);
		if (r == 3 && ++redirects <= REDIRECTS_MAX)
			continue;
		if (r == 3)
			return err_set(e, ERR_UNAVAILABLE, "%s: too many redirects", first);
		if (++failures >= tries)
			return err_wrap(e, "%s", first);
		if (stop_wait(stop, BACKOFF_MS << failures))
			return err_set(e, ERR_CANCELLED, "cancelled");
	}
}

static int get_file(const char *path, struct buf *ret, struct err *e)
{
	int r = fs_read_file(path, SIGNATURE_MAX, ret, e);

	if (r < 0)
		e->code = ERR_PRECONDITION;
	return r;
}

int sigfile_get(const char *url, uint32_t tries, struct stop *stop, struct exchange **http,
		struct buf *ret, struct err *e)
{
	if (str_starts(url, "file://"))
		return get_file(url + strlen("file://"), ret, e);
	if (!*http)
		*http = exchange_new(stop, e);
	return *http ? get_url(*http, url, tries, stop, ret, e) : -(int)e->code;
}
