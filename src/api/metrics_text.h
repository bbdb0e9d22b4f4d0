/*
 * metrics_text.h - Prometheus' text format 0.0.4, and which families are served.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

struct buf;

/* Which collection a family belongs to. */
#define METRICS_CRISP "crisp_"
#define METRICS_CRIO "container_runtime_crio_"

/* Begin a family if the configuration wants it; false: add no value.  Its full name is prefix and
 * family. */
bool metrics_begin(const struct conf *conf, struct buf *out, const char *prefix, const char *family,
		   const char *type, const char *help);

/* Append NAME="value", with what would end the value escaped. */
void metrics_label(struct buf *out, const char *name, const char *value);
/* Append a value and the end of its line. */
void metrics_seconds(struct buf *out, uint64_t ns);
void metrics_value(struct buf *out, uint64_t value);
/* A family of one value without labels. */
void metrics_plain(const struct conf *conf, struct buf *out, const char *prefix, const char *family,
		   const char *type, const char *help, uint64_t value);
