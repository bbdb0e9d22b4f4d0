/*
 * arrivals.h - accept connections at the CRI socket and sort them by their first bytes: gRPC
 * (HTTP/2 with prior knowledge), or HTTP/1.1 for the inspection.
 * A connection that sends nothing is closed after some seconds.  Their number is bounded: the
 * oldest is closed for a new one.
 * Call all functions on the loop's thread, or before and after it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct arrivals;
struct http_head;
struct httpd_answer;
struct loop;

/* How a client begins. */
enum arrival_kind {
	ARRIVAL_KIND_UNKNOWN, /* too few bytes to tell */
	ARRIVAL_KIND_GRPC,
	ARRIVAL_KIND_HTTP, /* or garbage, for an answer 400 */
};
/* data: the client's first bytes. */
enum arrival_kind arrival_kind_of(const char *data, size_t size);

struct arrival_hooks {
	/* Serve a gRPC client, whose bytes are all unread.  Takes fd. */
	void (*grpc)(void *arg, int fd);
	/* Close an idle gRPC connection, to free its descriptor. */
	void (*evict)(void *arg);
	void *arg;
	/* As in struct httpd. */
	void (*http)(const struct http_head *head, struct httpd_answer *ret);
};

/* Watch the listening socket fd, which stays the caller's.  hooks is copied. */
int arrivals_open(struct loop *loop, int fd, const struct arrival_hooks *hooks,
		  struct arrivals **ret, struct err *e);
/* Close all connections that are not gRPC.  a may be NULL. */
void arrivals_close(struct arrivals *a);
