/*
 * http.c - strict parser of the upgrade request, and the check of Origin.
 */
#include "stream/http.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"

enum seen {
	SEEN_HOST = 1,
	SEEN_UPGRADE = 2,
	SEEN_LENGTH = 4,
	SEEN_WS_KEY = 8,
	SEEN_WS_VERSION = 16,
	SEEN_CONNECTION = 32,
	SEEN_ORIGIN = 64,
};

size_t http_head_size(const char *data, size_t size)
{
	const char *end = size ? data + size : data; /* data may be NULL with size 0 */

	for (const char *p = data; p < end; p++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return 0;
		if (p == data || p[-1] != '\r' || (p - data >= 3 && memcmp(p - 3, "\r\n", 2) == 0))
			return (size_t)(p - data) + 1;
	}
	return 0;
}

bool http_word_is(const struct http_word *w, const char *text)
{
	return w->n == strlen(text) && memcmp(w->p, text, w->n) == 0;
}

static bool word_is_nocase(const struct http_word *w, const char *text)
{
	return w->n == strlen(text) && strncasecmp(w->p, text, w->n) == 0;
}

int http_choose(const struct http_words *want, const char *const *offered)
{
	for (size_t i = 0; i < want->n; i++)
		for (int k = 0; offered[k]; k++)
			if (http_word_is(&want->words[i], offered[k]))
				return k;
	return -1;
}

static struct http_word trim(struct http_word w)
{
	while (w.n && (*w.p == ' ' || *w.p == '\t'))
		w.p++, w.n--;
	while (w.n && (w.p[w.n - 1] == ' ' || w.p[w.n - 1] == '\t'))
		w.n--;
	return w;
}

/* Cut the next element off a comma-separated list.  false: end of list. */
static bool next_element(struct http_word *rest, struct http_word *ret)
{
	while (rest->n) {
		const char *comma = memchr(rest->p, ',', rest->n);
		size_t n = comma ? (size_t)(comma - rest->p) : rest->n;

		*ret = trim((struct http_word){ rest->p, n });
		n += comma != NULL;
		*rest = (struct http_word){ rest->p + n, rest->n - n };
		if (ret->n)
			return true;
	}
	return false;
}

static void add_words(struct http_words *ws, struct http_word value)
{
	struct http_word w;

	ws->present = true;
	while (ws->n < HTTP_WORDS_MAX && next_element(&value, &w))
		ws->words[ws->n++] = w;
}

static bool list_has(struct http_word value, const char *text)
{
	struct http_word w;

	while (next_element(&value, &w))
		if (word_is_nocase(&w, text))
			return true;
	return false;
}

static bool is_token(const struct http_word *w)
{
	for (size_t i = 0; i < w->n; i++) {
		char c = w->p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (!c || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return w->n > 0;
}

static bool is_plain(const struct http_word *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (((unsigned char)w->p[i] < ' ' && w->p[i] != '\t') || w->p[i] == 0x7f)
			return false;
	return true;
}

static int request_line(struct http_word line, struct http_head *h, struct err *e)
{
	const char *s1 = memchr(line.p, ' ', line.n), *end = line.p + line.n, *s2, *query;
	struct http_word method;

	s2 = s1 ? memchr(s1 + 1, ' ', (size_t)(end - s1 - 1)) : NULL;
	if (!s2 || !is_plain(&line))
		return err_set(e, ERR_INVALID, "not a request line");
	method = (struct http_word){ line.p, (size_t)(s1 - line.p) };
	h->path = (struct http_word){ s1 + 1, (size_t)(s2 - s1 - 1) };
	if (!is_token(&method) || !h->path.n || *h->path.p != '/')
		return err_set(e, ERR_INVALID, "not a request line");
	if (!http_word_is(&(struct http_word){ s2 + 1, (size_t)(end - s2 - 1) }, "HTTP/1.1"))
		return err_set(e, ERR_INVALID, "only HTTP/1.1 is supported");
	query = memchr(h->path.p, '?', h->path.n);
	if (query)
		h->path.n = (size_t)(query - h->path.p);
	h->method = http_word_is(&method, "GET")    ? HTTP_METHOD_GET
		    : http_word_is(&method, "POST") ? HTTP_METHOD_POST
						    : HTTP_METHOD_OTHER;
	return 0;
}

/* "127.0.0.1:80", "[::1]:80", "localhost:80": hosts that no foreign DNS resolves. */
static bool is_address(struct http_word host)
{
	static const char local[] = "localhost";
	unsigned char addr[sizeof(struct in6_addr)];
	char text[INET6_ADDRSTRLEN];
	const char *end;
	int family = AF_INET;

	if (host.n && *host.p == '[') {
		end = memchr(host.p, ']', host.n);
		family = AF_INET6;
		host.p++, host.n--;
	} else {
		end = memchr(host.p, ':', host.n);
	}
	if (end)
		host.n = (size_t)(end - host.p);
	if (word_is_nocase(&host, local))
		return true;
	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return inet_pton(family, text, addr) == 1;
}

bool http_origin_may(const struct http_head *h)
{
	static const char *const schemes[] = { "http://", "https://" };
	struct http_word o = h->origin;

	if (!o.n)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (o.n <= n || strncasecmp(o.p, schemes[i], n) != 0)
			continue;
		o = (struct http_word){ o.p + n, o.n - n };
		o.n -= o.p[o.n - 1] == '/';
		if (word_is_nocase(&o, "localhost"))
			return true;
		return o.n == h->host.n && strncasecmp(o.p, h->host.p, o.n) == 0 &&
		       (h->forwarded || is_address(h->host));
	}
	return false;
}

/* Refuse the second occurrence of a header. */
static int once(unsigned *seen, enum seen what, const struct http_word *name, struct err *e)
{
	if (*seen & what)
		return err_set(e, ERR_INVALID, "header %.*s is there twice", (int)name->n, name->p);
	*seen |= what;
	return 0;
}

static int field(struct http_head *h, unsigned *seen, const struct http_word *name,
		 struct http_word value, struct err *e)
{
	int r = 0;

	if (word_is_nocase(name, "Host")) {
		r = once(seen, SEEN_HOST, name, e);
		h->host = value;
	} else if (word_is_nocase(name, "Origin")) {
		r = once(seen, SEEN_ORIGIN, name, e);
		h->origin = value.n ? value : (struct http_word){ "null", 4 };
	} else if (word_is_nocase(name, "X-Forwarded-For")) {
		h->forwarded = true;
	} else if (word_is_nocase(name, "Connection")) {
		r = once(seen, SEEN_CONNECTION, name, e);
		h->connection_upgrade = list_has(value, "upgrade");
	} else if (word_is_nocase(name, "Upgrade")) {
		r = once(seen, SEEN_UPGRADE, name, e);
		h->websocket = word_is_nocase(&value, "websocket");
		h->spdy = list_has(value, "SPDY/3.1");
	} else if (word_is_nocase(name, "X-Stream-Protocol-Version")) {
		add_words(&h->protocols, value);
	} else if (word_is_nocase(name, "Sec-WebSocket-Protocol")) {
		add_words(&h->subprotocols, value);
	} else if (word_is_nocase(name, "Sec-WebSocket-Key")) {
		r = once(seen, SEEN_WS_KEY, name, e);
		h->ws_key = value;
	} else if (word_is_nocase(name, "Sec-WebSocket-Version")) {
		r = once(seen, SEEN_WS_VERSION, name, e);
		h->ws_version_13 = http_word_is(&value, "13");
	} else if (word_is_nocase(name, "Content-Length")) {
		r = once(seen, SEEN_LENGTH, name, e);
		if (r == 0 && !http_word_is(&value, "0"))
			r = err_set(e, ERR_INVALID, "a request with a body");
	} else if (word_is_nocase(name, "Transfer-Encoding")) {
		r = err_set(e, ERR_INVALID, "a request with a body");
	}
	return r;
}

int http_parse_head(const char *data, size_t size, struct http_head *ret, struct err *e)
{
	struct http_head h = { .method = HTTP_METHOD_OTHER };
	const char *p = data, *end = data + size - 2; /* without the empty line */
	unsigned seen = 0;
	int r = 0;

	if (size < 4 || memcmp(end - 2, "\r\n\r\n", 4) != 0)
		return err_set(e, ERR_INVALID, "a line that does not end with CR LF");
	for (bool first = true; p < end && r == 0; first = false) {
		const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);
		struct http_word line = { p, (size_t)((eol ? eol : end) - p) }, name, value;
		const char *colon = memchr(line.p, ':', line.n);

		p += line.n + 2;
		if (first) {
			r = request_line(line, &h, e);
			continue;
		}
		name = (struct http_word){ line.p, colon ? (size_t)(colon - line.p) : 0 };
		if (!is_token(&name))
			return err_set(e, ERR_INVALID, "not a header line");
		value = trim((struct http_word){ colon + 1, line.n - name.n - 1 });
		if (!is_plain(&value))
			return err_set(e, ERR_INVALID, "control characters in header %.*s",
				       (int)MIN(name.n, (size_t)64), name.p);
		if (++h.fields > HTTP_FIELDS_MAX)
			return err_set(e, ERR_INVALID, "more than %d headers", HTTP_FIELDS_MAX);
		r = field(&h, &seen, &name, value, e);
	}
	if (r == 0 && !(seen & SEEN_HOST))
		r = err_set(e, ERR_INVALID, "no Host header");
	if (r == 0)
		*ret = h;
	return r;
}
