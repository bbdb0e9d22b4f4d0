/*
 * apparmor.h - AppArmor profiles: detect AppArmor, find a profile, load the default.
 *
 * apparmor_none.c has the same functions for a build without AppArmor.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

#define APPARMOR_DEFAULT_NAME "crisp-default"
#define APPARMOR_NAME_MAX 255

bool apparmor_is_enabled(void);

/* 0: a profile of that name is loaded.  1: none is. */
int apparmor_find_profile(const char *name, struct err *e);

/* Load or replace the built-in default profile for containers with apparmor_parser.  Blocks up to
 * half a minute: call at the start of the daemon. */
int apparmor_load_default(struct err *e);
