/*
 * server.h - the gRPC server on a unix socket: connections, calls, limits, drain.
 * Invariants: every call that arrives gets a reply, at least a status.  A handler gets a call only
 * after its bytes and fields were checked.  A client that leaves, waits too long or sends malformed
 * data affects only its own connection.
 * Handlers run on one of the server's threads and must not block: they post to the loop and return.
 * See rpc.h for how to answer a call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct http_head;
struct httpd_answer;
struct server;
struct rpc_method;

/* One call, for the hook and server_calls.  Strings live as long as the callback. */
struct server_call_info {
	const char *path; /* "/runtime.v1.RuntimeService/Version"; as sent when unknown */
	const char *name; /* "Version"; "" when the method is unknown */
	pid_t peer_pid; /* the connected process; -1: not known (it has gone) */
	uid_t peer_uid; /* valid when peer_pid is */
	int64_t age_ns; /* since its arrival */
	int64_t deadline_ns; /* CLOCK_REALTIME, INT64_MAX: none */
	bool cancelled; /* the client no longer waits */
	size_t request_bytes;
	size_t response_bytes; /* hook only: 0 for a status */
	enum err_code code; /* hook only: code of the reply */
	const char *text; /* hook only: the status text, "" for ERR_OK */
};

struct server_options {
	const char *path; /* of the socket: absolute, at most 107 bytes */
	mode_t mode; /* of the socket, independent of the umask; 0: 0660 */
	size_t max_recv, max_send; /* bytes of one message; 0: LIMIT_MESSAGE (+ slack) */
	unsigned max_calls; /* accepted and not yet answered; 0: LIMIT_CALLS_IN_FLIGHT */
	unsigned threads; /* that run handlers; 0: 2 */
	const struct rpc_method *methods; /* live as long as the server */
	size_t n_methods;
	/* Called after each reply on the replying thread; must not block or answer calls. */
	void (*on_call)(const struct server_call_info *info, void *arg);
	void *arg;
	/* Answer a request of HTTP/1.1 at the socket, as in struct httpd, on the accept thread.
	 * NULL: there are none. */
	void (*http)(const struct http_head *head, struct httpd_answer *ret);
};

/* Listen and serve.  Call grpc_env_init (grpc_env.h) first and block the signals that main waits
 * for: the library's threads inherit the mask.
 * A stale socket is replaced.  ERR_EXISTS: a server answers on the socket, or holds PATH.lock.
 * ERR_PRECONDITION: another kind of file is at the path. */
int server_start(const struct server_options *o, struct server **ret, struct err *e);

/* Refuse new connections and calls: clients see GOAWAY, and the socket is unlinked at once.  Let
 * calls in flight finish for up to grace_ms, then cancel the others towards their clients.  0: all
 * were answered.  1: some were cancelled; later replies of their handlers are dropped. */
int server_drain(struct server *s, int64_t grace_ms);

/* Drain with no grace unless server_drain was called, stop the threads and free s.  Calls that a
 * handler still owns are freed with their reply.  s may be NULL. */
void server_stop(struct server *s);

/* Call fn for every call in flight, for explain and metrics.  fn runs under the server's lock and
 * must neither block nor answer. */
void server_calls(struct server *s, void (*fn)(const struct server_call_info *info, void *arg),
		  void *arg);

/* Calls in flight; calls answered, and refused by the limit, since the start. */
struct server_counts {
	unsigned in_flight;
	uint64_t answered, refused;
};
struct server_counts server_get_counts(struct server *s);
