/*
 * seccomp.h - seccomp profiles as the OCI runtime takes them (linux.seccomp of the runtime spec):
 * the built-in one, and files in the format that docker introduced.
 *
 * What must hold: leaving out a name must not change a decision of the filter.  Only names are
 * left out that no architecture of the profile has: for those no rule can exist.  It matters
 * because the runtime compiles the profile for every create and every exec, and that is a third
 * of their time with the full list for three architectures.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define SECCOMP_PROFILE_MAX (1024 * 1024) /* bytes of a profile file */

/* The built-in profile for a container with bounding set caps.  With compat also for programs of
 * the native architecture's 32-bit sibling (x86 on x86-64, arm on arm64), which are killed
 * otherwise.  A new value the caller owns, never NULL. */
json_t *seccomp_profile_default(uint64_t caps, bool compat);

/* A profile text: conditions are decided for caps, this architecture and this kernel; system
 * calls that nobody knows here are left out and their names appended to unknown (may be NULL),
 * separated by spaces.  ERR_INVALID with the path of the member that is wrong; a member that
 * is not known is wrong too.  *ret is the caller's. */
int seccomp_profile_parse(const char *text, size_t size, uint64_t caps, struct buf *unknown,
			  json_t **ret, struct err *e);

/* The same from a file; a missing one is ERR_PRECONDITION. */
int seccomp_profile_load(const char *path, uint64_t caps, struct buf *unknown, json_t **ret,
			 struct err *e);
