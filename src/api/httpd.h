/*
 * httpd.h - HTTP/1.1 connections of one request and one answer each, on a loop.  A client costs a
 * bounded buffer and a bounded time; their number is bounded by the caller's gate.
 * Call all functions on the loop's thread, unless said otherwise.
 */
#pragma once

#include "base/buf.h"
#include "base/gate.h"
#include "base/list.h"
#include "loop/loop.h"
#include "stream/http.h"

struct tls_link;

struct httpd_answer {
	int client; /* the connection's socket */
	const char *status; /* "200 OK"; NULL: httpd_finish follows, on a copy of client */
	const char *type; /* Content-Type */
	struct buf body;
};
/* "text/plain" with text and a newline as the body. */
void httpd_say(struct httpd_answer *a, const char *status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The answer to a method other than GET. */
void httpd_only_get(struct httpd_answer *a);

/* Send the answer on fd and close fd; any thread.  A client that does not read loses it. */
void httpd_finish(int fd, const struct httpd_answer *a);

struct httpd {
	struct loop *loop;
	/* Set all of ret, whose body is BUF_NULL; must not block.  Malformed and oversized requests
	 * are answered before. */
	void (*answer)(const struct http_head *head, struct httpd_answer *ret);
	struct list clients;
};

/* answer as in struct httpd. */
void httpd_init(struct httpd *h, struct loop *loop,
		void (*answer)(const struct http_head *head, struct httpd_answer *ret));
/* Close all connections.  Safe after httpd_init alone. */
void httpd_done(struct httpd *h);

/* Serve a connected non-blocking socket; takes fd and tls (NULL: none).  At the gate's limits the
 * oldest connection is closed. */
void httpd_add(struct httpd *h, struct gate *gate, int fd, struct tls_link *tls);

/* Close one connection of the gate, to free its descriptor.  false: it has none. */
bool httpd_evict(struct gate *gate);
