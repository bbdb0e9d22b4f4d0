/*
 * reason.h - the words that a kubelet recognizes at the beginning of an error's text.
 *
 * The kubelet matches the words only there, and in PullImage only with gRPC code UNKNOWN: so the
 * word is the first of the text, and a reply has code UNKNOWN.  Inside the daemon the error keeps
 * its code.  reason.c has the table.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum reason {
	REASON_REGISTRY_UNAVAILABLE,
	REASON_SIGNATURE_VALIDATION_FAILED,
	REASON_RRO_UNSUPPORTED,
	REASON_IMAGE_VOLUME_MOUNT_FAILED,
};

/* The word, as in the errors package of k8s.io/cri-api. */
const char *reason_word(enum reason reason);
/* Prepend "WORD: " to the text, unless a word of the table begins it.  Returns -code. */
int reason_set(struct err *e, enum reason reason);
/* The gRPC code of a reply with error e: UNKNOWN if a word begins the text, else e's. */
enum err_code reason_code(const struct err *e);
