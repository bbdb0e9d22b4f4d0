/*
 * emit.h - the text buffer through which every generator writes its output.
 * Deterministic: the same calls give the same bytes, independent of clock, host and file system.
 * The emitter indents lines with tabs; the caller's format never does.  A line of indentation alone
 * is emitted empty.
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

/* Append formatted text without indentation or newline. */
void emit_put(struct emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void emit_vput(struct emit *e, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/* Append n bytes unchanged. */
void emit_bytes(struct emit *e, const char *bytes, size_t n);

/* Append one line: indentation, the text, a newline. */
void emit_line(struct emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void emit_blank(struct emit *e);

/* emit_line, then indent one tab more: for "{", "switch (...) {" and similar. */
void emit_open(struct emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Indent one tab less, then emit_line: for "}" and "};". */
void emit_close(struct emit *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Append s as a C string literal with its quotes. */
void emit_literal(struct emit *e, const char *s);

/* Append the opening comment of a generated C file: the command and sources that made it, a ban on
 * edits, and how to regenerate it. */
void emit_banner(struct emit *e, const char *tool, const char *sources);

/* Replace the file at path with the text, through a temporary file in the same directory.  0, or
 * -errno. */
int emit_write_file(const struct emit *e, const char *path);
