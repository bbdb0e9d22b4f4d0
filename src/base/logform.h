/*
 * logform.h - other forms of a log line: a JSON object, and an entry for journald.  Pure.
 */
#pragma once

#include <stddef.h>

#include "base/log.h"

#define LOGFORM_LINE 2048 /* bytes of a line as text */
#define LOGFORM_MAX (4 * LOGFORM_LINE) /* of a line in any form */

/* Each returns the length of what it writes to out; a line that is too long loses fields.
 * What is no logfmt becomes the field "text".  Bytes that are no UTF-8 become U+FFFD. */

/* {"time":...,"level":...,"msg":...,KEY:"VALUE"...} and a newline.  A key of the first three gets
 * the prefix "fields.". */
size_t logform_json(const struct log_parts *l, char out[LOGFORM_MAX]);

/* MESSAGE, PRIORITY, SYSLOG_IDENTIFIER=crispd, and CRISP_KEY=VALUE for each field, in journald's
 * native protocol. */
size_t logform_journal(const struct log_parts *l, char out[LOGFORM_MAX]);
