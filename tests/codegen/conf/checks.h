/* checks.h - the checks of good.keys, in place of src/conf/checks.h. */
#pragma once

#include <stdbool.h>

bool conf_is_room(const char *s);
bool conf_is_duration(const char *s);
bool conf_is_closed(const char *s);
