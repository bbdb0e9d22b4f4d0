/*
 * badregistry.c - a registry over HTTP/1.1 on 127.0.0.1 that serves an OCI layout, and misbehaves
 * as the first component of the repository says:
 *
 *   plain     as it should          flaky     each thing is a 503 at first, Retry-After: 0
 *   cut       blobs break off after half, ranges work        norange   the same, ranges ignored
 *   redirect  blobs are at another port, where credentials are an error
 *   basic     user:pass             token     Bearer, from /token with user:pass or "refresh"
 *   loop      redirects to itself   broken    always 500     none      always 404
 *   endless   manifests without end longer    blobs with more bytes than said
 *   other     blobs with one byte changed     stuck     large blobs stop after a byte
 *   slow      blobs at 1 MiB/s
 *   later     429 at first, with a date in Retry-After          hour      429, for an hour
 *   expire    Bearer, tokens expire before each new thing       trap      blobs are at another
 *   port, which asks for credentials in its own name            file      blobs are in a file:
 *   swap      cut, and the rest is of something longer          bare206   cut, and the rest does
 *   not say where it belongs                                    page      manifests are a web page
 *   parts     cut, and the rest comes in parts of its own
 *
 * Standard output gets a line a request: port, path, Authorization.
 *
 * usage: badregistry PORT LAYOUT     (also listens on PORT + 1: the other place)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

#define USER_PASS "Basic dXNlcjpwYXNz"
#define SEEN_MAX 1024
#define SLOW_PIECE 16384
#define SLOW_PIECE_MS 16

static const char *layout;
static int port;
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static char *seen[SEEN_MAX];

struct call {
	int fd;
	bool elsewhere; /* on the second port */
	char head[16384], path[4096], kind[64], what[4096], auth[4096];
	uint64_t from;
	char *body;
};

static bool is(const struct call *c, const char *kind)
{
	return strcmp(c->kind, kind) == 0;
}

static void out(struct call *c, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = send(c->fd, p, size, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		p += n;
		size -= (size_t)n;
	}
}

static void answer(struct call *c, const char *status, const char *headers, const char *body)
{
	char text[8192];
	int n = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s",
			 status, strlen(body), headers, body);

	out(c, text, (size_t)n);
}

static atomic_uint token_serial;

/* A token was given out, and it has not expired: which it does before each new thing. */
static bool token_is_good(const char *auth, bool expired)
{
	return !expired && strncmp(auth, "Bearer t", 8) == 0;
}

static bool first_time(const char *path)
{
	bool first = true;
	int i = 0;

	pthread_mutex_lock(&seen_lock);
	for (; i < SEEN_MAX - 1 && seen[i]; i++)
		first = first && strcmp(seen[i], path) != 0;
	if (first)
		seen[i] = strdup(path);
	pthread_mutex_unlock(&seen_lock);
	return first;
}

/* As a far one: so that there is a middle of a pull. */
static void slowly(struct call *c, const char *data, size_t size)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	for (size_t n; size; data += n, size -= n) {
		n = size < SLOW_PIECE ? size : SLOW_PIECE;
		out(c, data, n);
		if (poll(&p, 1, SLOW_PIECE_MS) > 0)
			return;
	}
}

static void blob_bytes(struct call *c, const char *data, size_t size)
{
	bool part = c->from && !is(c, "norange") && c->from < size;
	size_t from = part ? c->from : 0, half = size > 2000 ? size / 2 : size;
	size_t end = part && is(c, "parts") && size - from > 7000 ? from + 7000 : size;
	char head[512], other;
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n",
			 part ? "206 Partial Content" : "200 OK",
			 end - from + (is(c, "longer") ? 10 : 0));

	out(c, head, (size_t)n);
	n = snprintf(head, sizeof(head), "Content-Range: bytes %zu-%zu/%zu\r\n", from, end - 1,
		     is(c, "swap") ? size + 5 : size);
	if (part && !is(c, "bare206"))
		out(c, head, (size_t)n);
	out(c, "\r\n", 2);
	/* What is asked for again is whole: these two break only the first answer. */
	if ((is(c, "cut") || is(c, "norange") || is(c, "swap") || is(c, "bare206") ||
	     is(c, "parts")) &&
	    first_time(c->path)) {
		out(c, data + from, half - from < size ? half - from : 0);
		shutdown(c->fd, SHUT_RDWR);
	} else if (is(c, "stuck") && size > 2000) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };

		out(c, data, 1);
		poll(&p, 1, -1);
	} else if (is(c, "other")) {
		other = data[0] ^ 1;
		out(c, &other, 1);
		out(c, data + 1, size - 1);
	} else if (is(c, "slow")) {
		slowly(c, data + from, size - from);
	} else {
		out(c, data + from, end - from);
	}
	if (is(c, "longer"))
		out(c, "and so on.", 10);
}

static void serve_file(struct call *c, const char *path, const char *type)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[512];
	struct stat st;
	char *data;
	int n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		answer(c, "404 Not Found", "", "{\"errors\":[{\"code\":\"NOT_HERE\"}]}");
		return;
	}
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (type) {
		n = snprintf(head, sizeof(head),
			     "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
			     type, (size_t)st.st_size);
		out(c, head, (size_t)n);
		out(c, data, (size_t)st.st_size);
	} else {
		blob_bytes(c, data, (size_t)st.st_size);
	}
	munmap(data, (size_t)st.st_size);
	close(fd);
}

/* The digest that a tag has in index.json, by searching the text. */
static void resolve(char *what, size_t size)
{
	char path[4096], text[65536] = "", key[256];
	const char *at, *digest = NULL, *next;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/index.json", layout);
	f = fopen(path, "re");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = '\0';
	snprintf(key, sizeof(key), "ref.name\":\"%.100s\"", what);
	at = strstr(text, key);
	for (next = text; at && (next = strstr(next, "\"digest\":\"")) && next < at; next++)
		digest = next + strlen("\"digest\":\"");
	if (digest)
		snprintf(what, size, "%.71s", digest);
}

static void endless(struct call *c)
{
	static const char piece[4096] = "{\"schemaVersion\":2,";

	out(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 38);
	for (int i = 0; i < 65536; i++)
		out(c, piece, sizeof(piece));
}

static void serve_thing(struct call *c, bool blob)
{
	char path[8192], location[8192];

	if (blob && is(c, "file")) {
		snprintf(location, sizeof(location), "Location: file://%s/index.json\r\n", layout);
		answer(c, "307 Temporary Redirect", location, "");
		return;
	}
	if (blob && (is(c, "redirect") || is(c, "trap")) && !c->elsewhere) {
		snprintf(location, sizeof(location), "Location: http://127.0.0.1:%d%s\r\n",
			 port + 1, c->path);
		answer(c, "307 Temporary Redirect", location, "");
		return;
	}
	if (!blob && is(c, "page")) {
		answer(c, "200 OK", "Content-Type: text/html\r\n", "<html>Please log in</html>");
		return;
	}
	if (!blob && is(c, "endless")) {
		endless(c);
		return;
	}
	if (!blob && strncmp(c->what, "sha256:", 7) != 0)
		resolve(c->what, sizeof(c->what));
	snprintf(path, sizeof(path), "%s/blobs/sha256/%s", layout,
		 strncmp(c->what, "sha256:", 7) == 0 ? c->what + 7 : "none");
	serve_file(c, path, blob ? NULL : "application/vnd.oci.image.manifest.v1+json");
}

static void serve_token(struct call *c)
{
	char token[64];

	if (strstr(c->path, "%3Aexpire%2F")) {
		snprintf(token, sizeof(token), "{\"token\":\"t%u\"}", ++token_serial);
		answer(c, "200 OK", "Content-Type: application/json\r\n", token);
		return;
	}
	if (strcmp(c->auth, USER_PASS) == 0 ||
	    (c->body && strstr(c->body, "refresh_token=refresh") &&
	     strstr(c->body, "grant_type=refresh_token")))
		answer(c, "200 OK", "Content-Type: application/json\r\n",
		       "{\"access_token\":\"good\",\"expires_in\":60}");
	else
		answer(c, "401 Unauthorized", "", "{}");
}

/* A date two seconds from now. */
static void answer_later(struct call *c)
{
	char header[128];
	time_t t = time(NULL) + 2;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(header, sizeof(header), "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	answer(c, "429 Too Many Requests", header, "not now");
}

static void serve(struct call *c)
{
	char *blob = strstr(c->path, "/blobs/"), *manifest = strstr(c->path, "/manifests/");
	char headers[512];

	printf("%d %s %s\n", port + c->elsewhere, c->path, c->auth);
	fflush(stdout);
	if (strncmp(c->path, "/token", 6) == 0) {
		serve_token(c);
		return;
	}
	snprintf(c->kind, sizeof(c->kind), "%.*s", (int)strcspn(c->path + 4, "/"), c->path + 4);
	snprintf(c->what, sizeof(c->what), "%s", blob ? blob + 7 : manifest ? manifest + 11 : "");
	snprintf(headers, sizeof(headers),
		 "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:%d/token\",service=\"bad\"\r\n",
		 port + c->elsewhere);
	if (c->elsewhere && *c->auth)
		answer(c, "400 Bad Request", "", "credentials where none belong");
	else if (is(c, "broken"))
		answer(c, "500 Internal Server Error", "", "out of order");
	else if (is(c, "none"))
		answer(c, "404 Not Found", "", "{}");
	else if (is(c, "flaky") && first_time(c->path))
		answer(c, "503 Service Unavailable", "Retry-After: 0\r\n", "not now");
	else if (is(c, "later") && first_time(c->path))
		answer_later(c);
	else if (is(c, "hour"))
		answer(c, "429 Too Many Requests", "Retry-After: 3600\r\n", "not today");
	else if (is(c, "trap") && c->elsewhere)
		answer(c, "401 Unauthorized", headers, "{}");
	else if (is(c, "expire") && !token_is_good(c->auth, first_time(c->path)))
		answer(c, "401 Unauthorized", headers, "{}");
	else if (is(c, "loop"))
		answer(c, "302 Found", "Location: /v2/loop/x/manifests/odd\r\n", "");
	else if ((is(c, "basic") || (is(c, "trap") && !c->elsewhere) ||
		  (is(c, "redirect") && !c->elsewhere)) &&
		 strcmp(c->auth, USER_PASS) != 0)
		answer(c, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"bad\"\r\n", "{}");
	else if (is(c, "token") && strcmp(c->auth, "Bearer good") != 0)
		answer(c, "401 Unauthorized", headers, "{}");
	else
		serve_thing(c, blob != NULL);
}

static void header_value(const char *head, const char *name, char *ret, size_t size)
{
	const char *at = strcasestr(head, name);

	*ret = '\0';
	if (at)
		snprintf(ret, size, "%.*s", (int)strcspn(at + strlen(name), "\r\n"),
			 at + strlen(name));
}

/* 0: a request is in c. */
static int read_request(struct call *c)
{
	uint64_t size = 0;
	char value[256];
	size_t n = 0;

	for (c->head[0] = '\0'; !(c->body = strstr(c->head, "\r\n\r\n"));) {
		ssize_t got = recv(c->fd, c->head + n, sizeof(c->head) - 1 - n, 0);

		if (got <= 0)
			return -1;
		n += (size_t)got;
		c->head[n] = '\0';
		if (c->head[0] < 'A') /* TLS, as a client may try first */
			return -1;
	}
	c->body += 4;
	header_value(c->head, "\r\nContent-Length: ", value, sizeof(value));
	(void)str_to_u64(value, sizeof(c->head), &size);
	while (strlen(c->body) < size) {
		ssize_t got = recv(c->fd, c->head + n, sizeof(c->head) - 1 - n, 0);

		if (got <= 0)
			return -1;
		n += (size_t)got;
		c->head[n] = '\0';
	}
	header_value(c->head, "\r\nAuthorization: ", c->auth, sizeof(c->auth));
	header_value(c->head, "\r\nRange: bytes=", value, sizeof(value));
	value[strcspn(value, "-")] = '\0';
	c->from = 0;
	(void)str_to_u64(value, UINT64_MAX, &c->from);
	return sscanf(c->head, "%*s %4095s", c->path) == 1 ? 0 : -1;
}

static void *connection(void *arg)
{
	struct call *c = arg;

	while (read_request(c) == 0)
		serve(c);
	close(c->fd);
	free(c);
	return NULL;
}

static void *listener(void *arg)
{
	bool elsewhere = arg != NULL;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	a.sin_port = htons((uint16_t)(port + elsewhere));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0)
		exit(1);
	for (;;) {
		struct call *c = calloc(1, sizeof(*c));
		pthread_t t;

		c->elsewhere = elsewhere;
		c->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (c->fd < 0 || pthread_create(&t, NULL, connection, c) != 0)
			exit(1);
		pthread_detach(t);
	}
}

int main(int argc, char **argv)
{
	pthread_t other;
	uint64_t number;

	if (argc != 3 || str_to_u64(argv[1], 65534, &number) < 0)
		return 2;
	port = (int)number;
	layout = argv[2];
	if (pthread_create(&other, NULL, listener, argv) != 0)
		return 1;
	listener(NULL);
	return 0;
}
