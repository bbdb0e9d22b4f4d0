/*
 * seccomp.h - seccomp profiles as the OCI runtime takes them (runtime spec, linux.seccomp): the
 * built-in one, and files in docker's format.
 *
 * Invariant: an omitted name must not change a decision of the filter.  Only names that no
 * architecture of the profile has are omitted: no rule can exist for those.  It matters because the
 * runtime compiles the profile for every create and every exec.  With the full list for three
 * architectures this takes a third of their time.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SECCOMP_PROFILE_MAX (1024 * 1024) /* bytes of a profile file */

/* The built-in profile for a container with bounding set caps.  compat: also for programs of the
 * native architecture's 32-bit sibling (x86 on x86-64, arm on arm64), which are killed otherwise.
 * The caller owns the result, never NULL. */
json_t *seccomp_profile_default(uint64_t caps, bool compat);

/* Parse a profile; decide its conditions for caps, this architecture and this kernel.  Omits
 * unknown system calls and appends their names to unknown (may be NULL), separated by spaces.
 * ERR_INVALID: with the path of the wrong or unknown member.  The caller owns *ret. */
int seccomp_profile_parse(const char *text, size_t size, uint64_t caps, struct buf *unknown,
			  json_t **ret, struct err *e);

/* Parse a profile file; ERR_PRECONDITION: it is missing. */
int seccomp_profile_load(const char *path, uint64_t caps, struct buf *unknown, json_t **ret,
			 struct err *e);
