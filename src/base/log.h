/*
 * log.h - logfmt lines on stderr.  Only main, api, obj and the shim log; lower layers return
 * errors.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Drop lines above the level. */
void log_set_level(enum log_level level);
/* Parse CRI-O's level names (fatal error warn info debug trace).  0, or -1: unknown name. */
int log_parse_level(const char *name, enum log_level *ret);

/* A line in parts: fields are logfmt, without control characters. */
struct log_parts {
	enum log_level level;
	const char *time, *msg, *fields;
};

/* sink is called with each line before it is written as text; true: it is done with.  Any
 * thread may call either. */
void log_set_sink(bool (*sink)(const struct log_parts *l));
const char *log_level_name(enum log_level level);

/* msg: the event in a few words.  fmt formats " key=value" fields: log_info("listening",
 * "socket=%s", path).  Control characters become spaces; one line is one write(2).  The caller
 * quotes values that may hold spaces. */
void log_line(enum log_level level, const char *msg, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(msg, ...) log_line(LOG_LEVEL_ERROR, (msg), __VA_ARGS__)
#define log_warn(msg, ...) log_line(LOG_LEVEL_WARN, (msg), __VA_ARGS__)
#define log_info(msg, ...) log_line(LOG_LEVEL_INFO, (msg), __VA_ARGS__)
#define log_debug(msg, ...) log_line(LOG_LEVEL_DEBUG, (msg), __VA_ARGS__)

/* Log the error on one line: code, origin, quoted text. */
void log_err(enum log_level level, const char *msg, const struct err *e);
