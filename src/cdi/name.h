/*
 * name.h - names of the Container Device Interface: "vendor.com/class=device".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* "vendor.com/class": both begin with a letter, end with a letter or digit, and have letters,
 * digits, '_', '-' and '.' between. */
bool cdi_is_kind(const char *text);
/* The name of a device within its kind: as above, but also with digits first and ':' inside. */
bool cdi_is_device(const char *text);

/* Length of the kind in a device's full name; ERR_INVALID: text is no such name. */
int cdi_name_check(const char *text, size_t *ret_kind, struct err *e);
