/*
 * err.c - fill and prefix errors.  Truncation keeps whole UTF-8 characters, since gRPC clients
 * refuse invalid UTF-8.
 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Drop an incomplete last character; replace bytes that are not text. */
static void text_clean(char *s)
{
	size_t size = strlen(s);

	for (size_t i = 0; i < size;) {
		size_t n = str_utf8_char(s + i, size - i);

		if (!n && size == ERR_TEXT_MAX - 1 && size - i < 4) {
			s[i] = '\0';
			return;
		}
		if (!n)
			s[i] = '?';
		i += n ? n : 1;
	}
}

int err_fill(struct err *e, enum err_code code, int errnum, const char *file, int line,
	     const char *fmt, ...)
{
	va_list ap;
	int n;

	if (errnum == ENOSPC || errnum == EDQUOT || errnum == EMFILE || errnum == ENFILE)
		code = ERR_EXHAUSTED;
	e->code = code;
	e->errnum = errnum;
	e->file = file;
	e->line = line;
	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (errnum && n >= 0 && (size_t)n < sizeof(e->text)) {
		char buf[128];

		snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %s",
			 strerror_r(errnum, buf, sizeof(buf)));
	}
	text_clean(e->text);
	return -(int)code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list ap;
	int n;

	memcpy(old, e->text, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->text))
		snprintf(e->text + n, sizeof(e->text) - (size_t)n, ": %.*s",
			 (int)(sizeof(e->text) - (size_t)n), old);
	text_clean(e->text);
	return -(int)e->code;
}

const char *err_code_name(enum err_code code)
{
	static const char *const names[] = {
		[ERR_OK] = "OK",
		[ERR_CANCELLED] = "CANCELLED",
		[ERR_UNKNOWN] = "UNKNOWN",
		[ERR_INVALID] = "INVALID_ARGUMENT",
		[ERR_DEADLINE] = "DEADLINE_EXCEEDED",
		[ERR_NOT_FOUND] = "NOT_FOUND",
		[ERR_EXISTS] = "ALREADY_EXISTS",
		[ERR_DENIED] = "PERMISSION_DENIED",
		[ERR_EXHAUSTED] = "RESOURCE_EXHAUSTED",
		[ERR_PRECONDITION] = "FAILED_PRECONDITION",
		[ERR_ABORTED] = "ABORTED",
		[ERR_RANGE] = "OUT_OF_RANGE",
		[ERR_UNIMPLEMENTED] = "UNIMPLEMENTED",
		[ERR_INTERNAL] = "INTERNAL",
		[ERR_UNAVAILABLE] = "UNAVAILABLE",
		[ERR_DATA_LOSS] = "DATA_LOSS",
		[ERR_UNAUTHENTICATED] = "UNAUTHENTICATED",
	};

	if ((size_t)code >= sizeof(names) / sizeof(names[0]))
		return "UNKNOWN";
	return names[code];
}
