/*
 * feed.h - server-streaming answers inside the server: struct feeding joins a call to its rpc_feed.
 */
#pragma once

struct calls;
struct feeding;
struct rpc_call;

/* The client has gone: end the call's stream, if it has one. */
void feeding_cancel(struct rpc_call *call);

/* End all endless streams with UNAVAILABLE, and refuse new ones. */
void feeding_drain(struct calls *cs);

/* With the call.  f may be NULL. */
void feeding_free(struct feeding *f);
