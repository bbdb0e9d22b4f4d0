/*
 * runtimes.h - what the OCI runtimes of the handlers can do.
 */
#pragma once

struct conf;
struct conf_runtime;
struct oci_features;

/* Ask each handler's runtime for its features, one path once in this process; blocks up to 30 s for
 * each.  Logs a runtime with known holes.  Not on two threads at a time. */
void runtimes_probe(struct conf *c);

/* Never NULL: without an answer, or for rt NULL, there are none. */
const struct oci_features *runtimes_features(const struct conf_runtime *rt);

void runtimes_free(void);
