/*
 * logsink.h - where the daemon's log lines go, and which of them.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum log_form {
	LOG_FORM_TEXT,
	LOG_FORM_JSON,
	LOG_FORM_JOURNAL, /* entries at journald's socket; while it takes none, text on stderr */
};

/* Start: before other threads. */
void logsink_set_form(enum log_form form);
/* Is stderr a stream to journald, as systemd sets it up (JOURNAL_STREAM)? */
bool logsink_is_journal(void);

bool logsink_is_filter(const char *expression);
/* Drop lines that the extended regular expression of POSIX does not match anywhere in "MSG FIELDS".
 * "": keep all.  ERR_INVALID: no such expression; the former one stays.  One thread. */
int logsink_set_filter(const char *expression, struct err *e);
