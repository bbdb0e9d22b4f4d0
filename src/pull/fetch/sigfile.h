/*
 * sigfile.h - one file of a signature, from a web server or a directory.  For the process that
 * fetches.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "pull/fetch/exchange.h"

/* url: file, http or https.  *http: made when it is needed, then the caller's for exchange_free.
 * 1: there is no such file.  ERR_DENIED: larger than a signature. */
int sigfile_get(const char *url, uint32_t tries, struct stop *stop, struct exchange **http,
		struct buf *ret, struct err *e);
