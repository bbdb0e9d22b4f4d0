/*
 * runtime_log.h - extract the cause of a failure from the OCI runtime's log.
 *
 * The log has one JSON object per line with "level" and "msg".  Another program writes it, so treat
 * it as untrusted input.
 */
#pragma once

#include <stddef.h>

#define RUNTIME_LOG_TEXT_MAX 768

/* Copy the message of the last line with level error or worse, as clean text on one line.  Without
 * such a line: of the last line with a message.  Returns its length; 0: no message. */
size_t runtime_log_message(const char *log, size_t size, char out[RUNTIME_LOG_TEXT_MAX]);

/* Copy the end of the runtime's stderr as clean text on one line.  Returns its length. */
size_t runtime_log_clean_tail(const char *text, size_t size, char out[RUNTIME_LOG_TEXT_MAX]);

/* 127: the text reports a missing program.  126: one that could not be executed.  -1: neither. */
int runtime_log_exit_code(const char *text);
