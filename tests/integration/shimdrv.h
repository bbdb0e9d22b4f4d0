/*
 * shimdrv.h - what the shim's test scenarios are written with: a loop on a thread of its own,
 * calls that wait for their answer, reports that can be waited for, bundles for the runtime.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "shimproto/shimlink.h"

/* Give up waiting after this long: a bound on a broken test, not a requirement. */
#define PATIENCE_MS 60000

struct answer {
	int calls; /* how often the callback came */
	bool failed;
	struct err err;
	struct shim_status status;
	int fd;
};

extern const char *shim_program, *runtime_program, *work_dir;
extern int failures;

/* TAP. */
void check(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A path in work_dir.  Kept until the end, as all strings here are: requests point to them. */
const char *kept(char *s);
const char *path_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void drv_begin(void);
/* Connect to the shim of pod directory dir and wait for the end of the re-sync. */
void drv_connect(const char *dir);
void drv_disconnect(void);
bool drv_was_lost(void);
bool drv_wait_lost(void);

/* Send and wait. */
struct answer call(const struct shim_request *req);
struct answer call_fds(const struct shim_request *req, const int *fds, size_t n);
/* Send now, wait later. */
void call_begin(const struct shim_request *req, const int *fds, size_t n, struct answer *into);
bool call_end(struct answer *a);

/* The report that the container or session has ended, waited for. */
bool wait_ended(const char *name, struct shim_status *ret);
bool wait_log_error(const char *id, struct err *ret);
/* Did the current connection's re-sync or any report mention it, in which state? 0: no. */
enum shim_state seen_state(const char *name);

enum bundle_flags {
	BUNDLE_TTY = 1,
	BUNDLE_HOST_PID = 2,
	BUNDLE_OOM = 4,
	BUNDLE_POD_PID = 8, /* the PID namespace of pod_init_pid */
};
extern unsigned pod_init_pid;
/* Write WORK/bundles/ID/config.json that runs a shell script; returns a request to create it. */
struct shim_request bundle(const char *id, const char *script, unsigned flags);
struct shim_request simple(enum shim_type type, const char *id);
/* process.json of an exec; args are JSON strings. */
const char *process(const char *name, const char *args, bool tty);
void runtime_delete(const char *id);

/* Whole file, "" when it is not there; a ring of 4. */
const char *text_of(const char *path);
bool wait_text(const char *path, const char *needle);
int count_fds(int pid);
