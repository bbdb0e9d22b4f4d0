/*
 * emit.h - the text buffer that every generator writes its output through.
 *
 * What must hold: the same calls give the same bytes, so nothing here looks at the clock, the
 * host or the file system.  Lines are indented with tabs by the emitter, never by the caller's
 * format, and a line that would only be indentation comes out empty.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct emit {
	char *text; /* NUL-terminated once anything was emitted, else NULL */
	size_t len;
	size_t cap;
	unsigned indent; /* tabs before each emit_line */
};

#define EMIT_NULL ((struct emit){ .text = NULL })

/* Release the text; e is EMIT_NULL afterwards. */
void emit_done(struct emit *e);

/* The text so far, never NULL.  Valid until the next call on e. */
const char *emit_text(const struct emit *e);

/* Append exactly this, without indentation or newline. */
void emit_put(struct emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void emit_vput(struct emit *e, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Append n bytes as they are. */
void emit_bytes(struct emit *e, const char *bytes, size_t n);

/* Append one line: indentation, the text, a newline. */
void emit_line(struct emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append an empty line. */
void emit_blank(struct emit *e);

/* emit_line, then one tab more: for "{", "switch (...) {" and the like. */
void emit_open(struct emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One tab less, then emit_line: for "}" and "};". */
void emit_close(struct emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append s as a C string literal with its quotes. */
void emit_literal(struct emit *e, const char *s);

/* The comment every generated C file opens with: which command wrote it from which sources, that
 * it is not to be edited, and how to make it again. */
void emit_banner(struct emit *e, const char *tool, const char *sources);

/* Replace the file at path with the text, through a temporary file beside it.  0, or -errno. */
int emit_write_file(const struct emit *e, const char *path);
