/*
 * ref.h - image references: [registry[:port]/]path[:tag][@digest], by the grammar of
 * github.com/distribution/reference.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

struct image_ref {
	char *domain; /* "host[:port]", "" for a short name */
	char *path; /* "library/busybox" */
	char *tag; /* "" when absent */
	char *digest; /* "sha256:<64 hex>", "" when absent */
};

#define IMAGE_REF_NULL ((struct image_ref){ .domain = NULL })

/* The first component is a domain if it contains a dot or a colon, or is "localhost".
 * docker.io/NAME becomes docker.io/library/NAME; index.docker.io becomes docker.io.
 * ERR_INVALID names the part and the rule. */
int image_ref_parse(const char *text, struct image_ref *ret, struct err *e);
void image_ref_done(struct image_ref *r);

/* "domain/path"; of a short name the path only; malloc'ed. */
char *image_ref_name(const struct image_ref *r);
/* name:tag, malloc'ed; "latest" if there is neither tag nor digest; NULL: only a digest. */
char *image_ref_tagged(const struct image_ref *r);

/* "sha256:" and 64 lower-case hex digits. */
bool image_digest_is_valid(const char *s);
/* 1 to 128 of [A-Za-z0-9_.-], the first one a letter, digit or underscore. */
bool image_tag_is_valid(const char *s);
