/*
 * runtime_log.h - why the OCI runtime failed, in its own words.
 *
 * The runtime's log is one JSON object a line with "level" and "msg"; it is written by another
 * program and read with suspicion.
 */
#pragma once

#include <stddef.h>

#define RUNTIME_LOG_TEXT_MAX 768

/* The message of the last line of level error or worse, else of the last line with a message, as
 * clean text on one line.  Returns its length, 0 when there is none. */
size_t runtime_log_message(const char *log, size_t size, char out[RUNTIME_LOG_TEXT_MAX]);

/* The end of what the runtime said on stderr, as clean text on one line. */
size_t runtime_log_clean_tail(const char *text, size_t size, char out[RUNTIME_LOG_TEXT_MAX]);

/* 127 when the text says that a program was not found, 126 when it could not be executed, else
 * -1. */
int runtime_log_exit_code(const char *text);
