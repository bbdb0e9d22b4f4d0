/*
 * log.c - format a log line and write it with one write(2), so that threads never mix lines.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"

static _Atomic enum log_level log_level = LOG_LEVEL_INFO;
static bool (*_Atomic log_sink)(const struct log_parts *l);

void log_set_level(enum log_level level)
{
	log_level = level;
}

int log_parse_level(const char *name, enum log_level *ret)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{ "fatal", LOG_LEVEL_ERROR },  { "panic", LOG_LEVEL_ERROR },
		{ "error", LOG_LEVEL_ERROR },  { "warn", LOG_LEVEL_WARN },
		{ "warning", LOG_LEVEL_WARN }, { "info", LOG_LEVEL_INFO },
		{ "debug", LOG_LEVEL_DEBUG },  { "trace", LOG_LEVEL_DEBUG },
	};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*ret = levels[i].level;
			return 0;
		}
	}
	return -1;
}

void log_set_sink(bool (*sink)(const struct log_parts *l))
{
	log_sink = sink;
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARN] = "warn",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};

	return names[level];
}

void log_line(enum log_level level, const char *msg, const char *fmt, ...)
{
	bool (*sink)(const struct log_parts *l) = log_sink;
	char line[2048], time[36];
	size_t len, start;
	va_list ap;
	int n;

	if (level > log_level)
		return;
	clock_format(clock_realtime_ns(), time);
	n = snprintf(line, sizeof(line), "time=%s level=%s msg=\"%s\" ", time,
		     log_level_name(level), msg);
	start = MIN((size_t)n, sizeof(line) - 2);
	va_start(ap, fmt);
	n = vsnprintf(line + start, sizeof(line) - start - 1, fmt, ap);
	va_end(ap);
	len = start + MIN((size_t)MAX(n, 0), sizeof(line) - start - 2);
	for (size_t i = start; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	line[len] = '\0';
	if (sink && sink(&(struct log_parts){ level, time, msg, line + start }))
		return;
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* stderr is the only log */
}

void log_err(enum log_level level, const char *msg, const struct err *e)
{
	char quoted[2 * ERR_TEXT_MAX];
	size_t n = 0;

	for (const char *p = e->text; *p; p++) {
		if (*p == '"' || *p == '\\')
			quoted[n++] = '\\';
		quoted[n++] = *p;
	}
	quoted[n] = '\0';
	log_line(level, msg, "code=%s origin=%s:%d error=\"%s\"", err_code_name(e->code),
		 e->file ? e->file : "?", e->line, quoted);
}
