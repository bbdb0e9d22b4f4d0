/*
 * server.h - the gRPC server on a unix socket: connections, calls, limits, drain.
 *
 * What must hold: every call that arrives is answered, with a status at the least; no call is
 * handed to a handler before its bytes and its fields were checked; a client that leaves, waits
 * too long or sends rubbish costs its own connection and nothing else.
 *
 * Handlers run on one of the server's threads and must not block: they post to the loop and
 * return.  See rpc.h for how a call is answered.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct server;
struct rpc_method;

/* One call, as the hook and server_calls see it.  Strings live as long as the callback. */
struct server_call_info {
	const char *path; /* "/runtime.v1.RuntimeService/Version"; as sent when unknown */
	const char *name; /* "Version"; "" when the method is unknown */
	pid_t peer_pid; /* who connected, -1: not known (it has gone) */
	uid_t peer_uid; /* valid when peer_pid is */
	int64_t age_ns; /* since it arrived */
	int64_t deadline_ns; /* CLOCK_REALTIME, INT64_MAX: none */
	bool cancelled; /* the client no longer waits */
	size_t request_bytes;
	size_t response_bytes; /* hook only: 0 for a status */
	enum err_code code; /* hook only: how it was answered */
	const char *text; /* hook only: the status text, "" for ERR_OK */
};

struct server_options {
	const char *path; /* of the socket: absolute, at most 107 bytes */
	mode_t mode; /* of the socket, whatever the umask; 0: 0660 */
	size_t max_recv, max_send; /* bytes of one message; 0: LIMIT_MESSAGE (+ slack) */
	unsigned max_calls; /* accepted and not yet answered; 0: LIMIT_CALLS_IN_FLIGHT */
	unsigned threads; /* that run handlers; 0: 2 */
	const struct rpc_method *methods; /* live as long as the server */
	size_t n_methods;
	/* After each answer, on the answering thread; must not block or answer calls. */
	void (*on_call)(const struct server_call_info *info, void *arg);
	void *arg;
};

/* Listen and serve.  Call grpc_env_init (grpc_env.h) first and block the signals that main
 * waits for: the library's threads inherit the mask.
 * A stale socket is replaced; one that somebody answers on is left alone: ERR_EXISTS, as well
 * when another server holds PATH.lock.  Anything else in the way is ERR_PRECONDITION. */
int server_start(const struct server_options *o, struct server **ret, struct err *e);

/* Take no more connections and calls (clients see GOAWAY; the socket is unlinked at once so
 * that nobody new comes), let those in flight finish until grace_ms have passed, then cancel the
 * rest towards their clients.  0: all were answered.  1: some were cancelled; their handlers
 * may still answer, nobody listens. */
int server_drain(struct server *s, int64_t grace_ms);

/* Drain without grace unless that was done, stop the threads and free everything except calls
 * that a handler still holds: they are freed when they are answered.  NULL is fine. */
void server_stop(struct server *s);

/* Every call in flight, for explain and metrics; fn runs under the server's lock and must
 * neither block nor answer. */
void server_calls(struct server *s, void (*fn)(const struct server_call_info *info, void *arg),
		  void *arg);

/* How many there are, and how many the limit has refused since the start. */
struct server_counts {
	unsigned in_flight;
	uint64_t answered, refused;
};
struct server_counts server_get_counts(struct server *s);
