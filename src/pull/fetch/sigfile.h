/*
 * sigfile.h - fetch one signature file from a web server or a directory. Used in the fetcher.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "pull/fetch/exchange.h"

/* url: file, http or https. *http: created on demand; the caller frees it with exchange_free. 1: no
 * such file. ERR_DENIED: larger than a signature. */
int sigfile_get(const char *url, uint32_t tries, struct stop *stop, struct exchange **http,
		struct buf *ret, struct err *e);
