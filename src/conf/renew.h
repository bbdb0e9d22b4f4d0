/*
 * renew.h - a configuration that is read again while the daemon runs.
 */
#pragma once

#include "base/err.h"

struct conf;
struct conf_args;

/* The outcome; lists are NULL-terminated, NULL: empty. */
struct conf_news {
	char **changed; /* keys and handlers with another value */
	char **restart; /* keys that change with a restart only; they keep their value */
};

#define CONF_NEWS_NULL ((struct conf_news){ .changed = NULL })

/* Read files and variables again below the options of a into c, which is complete afterwards; now
 * is in force.  After an error c has the findings, and is of no other use.  conf_done frees c. */
int conf_renew(const struct conf *now, const struct conf_args *a, struct conf *c,
	       struct conf_news *ret, struct err *e);

void conf_news_done(struct conf_news *n);
