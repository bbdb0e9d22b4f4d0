/*
 * reload.h - SIGHUP: the configuration is read again, all or nothing.
 */
#pragma once

struct conf;
struct conf_args;

/* a: the command line, which stays valid until reload_stop. */
void reload_start(const struct conf_args *a);

/* On the loop: read the configuration again on a worker, once more if it is being read. */
void reload_request(void);

/* After the workers have ended: free all configurations but the first one. */
void reload_stop(void);

/* Log each finding; a single error is left to the caller. */
void reload_log_findings(const struct conf *c);
