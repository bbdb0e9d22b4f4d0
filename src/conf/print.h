/*
 * print.h - the configuration as TOML.
 */
#pragma once

struct buf;
struct conf;

/* Append every key in force, with derived values: crispd reads the text as a file. */
void conf_print(const struct conf *c, struct buf *out);
