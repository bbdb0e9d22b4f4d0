/*
 * tokensrv.c - what stands around a registry, on one address:
 *
 *   tokensrv token ADDRESS PORT KEY CERT LOG    a token server as docker-registry wants it: GET
 * with user:pass, POST with the refresh token "refresh", anonymous GET for repositories below
 *       "open/"; answers with JWTs signed by KEY; the first request for one below "shaky/" gets
 *       a 503
 *   tokensrv proxy ADDRESS PORT LOG             an HTTP proxy that only knows CONNECT
 *
 * Both write a line for each request into LOG: its first line, and the headers that may hold a
 * secret.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

static EVP_PKEY *key;
static char chain[8192]; /* the certificate, in base64 */
static FILE *log_file;
static bool proxy;
static atomic_bool shaken;

struct call {
	int fd;
	size_t n;
	char head[16384], line[4096], auth[4096], proxy_auth[1024];
	char *body;
};

static void header_value(const char *head, const char *name, char *ret, size_t size)
{
	const char *at = strcasestr(head, name);

	*ret = '\0';
	if (at)
		snprintf(ret, size, "%.*s", (int)strcspn(at + strlen(name), "\r\n"),
			 at + strlen(name));
}

static void note(const struct call *c)
{
	flockfile(log_file);
	fprintf(log_file, "%s|%s|%s|%s\n", c->line, c->auth, c->proxy_auth, c->body ? c->body : "");
	fflush(log_file);
	funlockfile(log_file);
}

static int read_call(struct call *c)
{
	uint64_t size = 0;
	char value[64];

	while (!(c->body = strstr(c->head, "\r\n\r\n"))) {
		ssize_t got = recv(c->fd, c->head + c->n, sizeof(c->head) - 1 - c->n, 0);

		if (got <= 0)
			return -1;
		c->n += (size_t)got;
		c->head[c->n] = '\0';
	}
	c->body += 4;
	header_value(c->head, "\r\nContent-Length: ", value, sizeof(value));
	(void)str_to_u64(value, sizeof(c->head), &size);
	while (strlen(c->body) < size) {
		ssize_t got = recv(c->fd, c->head + c->n, sizeof(c->head) - 1 - c->n, 0);

		if (got <= 0)
			return -1;
		c->n += (size_t)got;
		c->head[c->n] = '\0';
	}
	snprintf(c->line, sizeof(c->line), "%.*s", (int)strcspn(c->head, "\r"), c->head);
	header_value(c->head, "\r\nAuthorization: ", c->auth, sizeof(c->auth));
	header_value(c->head, "\r\nProxy-Authorization: ", c->proxy_auth, sizeof(c->proxy_auth));
	return 0;
}

static void out(int fd, const char *text)
{
	for (size_t n = strlen(text); n;) {
		ssize_t done = send(fd, text, n, MSG_NOSIGNAL);

		if (done <= 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

static void answer(struct call *c, const char *status, const char *body)
{
	char text[32768];

	snprintf(text, sizeof(text),
		 "HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 status, strlen(body), body);
	out(c->fd, text);
}

/* --- token --- */

/* base64 as JWTs have it. */
static char *code(const void *data, size_t size)
{
	char *s = calloc(1, size / 3 * 4 + 8);

	EVP_EncodeBlock((unsigned char *)s, data, (int)size);
	for (char *p = s; *p; p++)
		*p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p);
	return s;
}

static char *make_token(const char *repository)
{
	static _Atomic unsigned serial;
	char head[9000], claims[2048], *text = NULL, *token = NULL, *h, *b, *s;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char sig[1024];
	size_t n = sizeof(sig);
	long now = (long)time(NULL);

	snprintf(head, sizeof(head), "{\"typ\":\"JWT\",\"alg\":\"RS256\",\"x5c\":[\"%s\"]}", chain);
	snprintf(claims, sizeof(claims),
		 "{\"iss\":\"tests\",\"sub\":\"\",\"aud\":\"tests\",\"exp\":%ld,\"nbf\":%ld,"
		 "\"iat\":%ld,\"jti\":\"%u\",\"access\":[{\"type\":\"repository\",\"name\":\"%s\","
		 "\"actions\":[\"pull\"]}]}",
		 now + 300, now - 10, now, ++serial, repository);
	h = code(head, strlen(head));
	b = code(claims, strlen(claims));
	if (asprintf(&text, "%s.%s", h, b) < 0 ||
	    EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestSign(md, sig, &n, (unsigned char *)text, strlen(text)) != 1)
		abort();
	s = code(sig, n);
	if (asprintf(&token, "%s.%s", text, s) < 0)
		abort();
	EVP_MD_CTX_free(md);
	free(h);
	free(b);
	free(s);
	free(text);
	return token;
}

static void serve_token(struct call *c)
{
	bool post = strncmp(c->line, "POST ", 5) == 0;
	const char *scope = strstr(post ? c->body : c->line, "scope=repository%3A");
	char repository[512] = "", body[16384], *token;
	size_t n = 0;

	for (scope = scope ? scope + 19 : ""; *scope && n < sizeof(repository) - 1; scope++) {
		if (strncmp(scope, "%3A", 3) == 0)
			break;
		repository[n++] = strncmp(scope, "%2F", 3) == 0 ? '/' : *scope;
		scope += strncmp(scope, "%2F", 3) == 0 ? 2 : 0;
	}
	if (post ? !strstr(c->body, "refresh_token=refresh&") &&
			    !str_ends(c->body, "refresh_token=refresh")
		 : strcmp(c->auth, "Basic dXNlcjpwYXNz") != 0 &&
			    (*c->auth || !str_starts(repository, "open/"))) {
		answer(c, "401 Unauthorized", "{\"errors\":[]}");
		return;
	}
	if (str_starts(repository, "shaky/") && !atomic_exchange(&shaken, true)) {
		answer(c, "503 Service Unavailable", "{}");
		return;
	}
	token = make_token(repository);
	snprintf(body, sizeof(body), "{\"%s\":\"%s\",\"expires_in\":300}",
		 post ? "access_token" : "token", token);
	free(token);
	answer(c, "200 OK", body);
}

/* --- proxy --- */

static int dial(char *target)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char *port = strrchr(target, ':');
	int fd = -1;

	if (!port)
		return -1;
	*port++ = '\0';
	if (getaddrinfo(target, port, &hints, &list) != 0)
		return -1;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, list->ai_addr, list->ai_addrlen) < 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	return fd;
}

static void serve_proxy(struct call *c)
{
	char target[512] = "", data[65536];
	int there = -1;

	if (sscanf(c->line, "CONNECT %511s", target) == 1)
		there = dial(target);
	if (there < 0) {
		answer(c, "502 Bad Gateway", "{}");
		return;
	}
	out(c->fd, "HTTP/1.1 200 OK\r\nWWW-Authenticate: Basic realm=\"trap\"\r\n\r\n");
	for (;;) {
		struct pollfd p[2] = { { .fd = c->fd, .events = POLLIN },
				       { .fd = there, .events = POLLIN } };

		if (poll(p, 2, -1) < 0)
			break;
		for (int i = 0; i < 2; i++) {
			ssize_t n = p[i].revents ? recv(p[i].fd, data, sizeof(data), 0) : 0;

			if (p[i].revents && n <= 0)
				goto end;
			for (ssize_t sent = 0, k; sent < n; sent += k) {
				k = send(p[!i].fd, data + sent, (size_t)(n - sent), MSG_NOSIGNAL);
				if (k <= 0)
					goto end;
			}
		}
	}
end:
	close(there);
}

static void *connection(void *arg)
{
	struct call *c = arg;

	if (read_call(c) == 0) {
		note(c);
		if (proxy)
			serve_proxy(c);
		else
			serve_token(c);
	}
	close(c->fd);
	free(c);
	return NULL;
}

static void load_key(const char *key_path, const char *cert_path)
{
	FILE *f = fopen(key_path, "re");
	unsigned char *der = NULL;
	X509 *cert;
	int n;

	key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	if (f)
		fclose(f);
	f = fopen(cert_path, "re");
	cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	if (f)
		fclose(f);
	n = cert ? i2d_X509(cert, &der) : 0;
	if (!key || n <= 0 || n > 6000)
		exit(3);
	EVP_EncodeBlock((unsigned char *)chain, der, n);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	uint64_t port;

	if (argc < 5 || str_to_u64(argv[3], 65535, &port) < 0 ||
	    inet_pton(AF_INET, argv[2], &a.sin_addr) != 1)
		return 2;
	proxy = strcmp(argv[1], "proxy") == 0;
	if (!proxy && argc == 7)
		load_key(argv[4], argv[5]);
	log_file = fopen(argv[argc - 1], "ae");
	a.sin_port = htons((uint16_t)port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!log_file || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0)
		return 1;
	for (;;) {
		struct call *c = calloc(1, sizeof(*c));
		pthread_t t;

		c->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (c->fd < 0 || pthread_create(&t, NULL, connection, c) != 0)
			return 1;
		pthread_detach(t);
	}
}
