/*
 * print.h - the configuration as TOML.
 */
#pragma once

#include <stdbool.h>

struct buf;
struct conf;

/* Append the value of every key: crispd reads the text as a file, with the same values.  comments:
 * explain each key. */
void conf_print(const struct conf *c, bool comments, struct buf *out);
