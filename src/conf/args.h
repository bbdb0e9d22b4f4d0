/*
 * args.h - the command line and the environment of crispd.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "gen/conf_keys.h"

struct conf;
struct conf_given;

/* The command line; its strings are those of argv. */
struct conf_args {
	const char *options[CONF_OPTION_COUNT]; /* by enum conf_option_id; NULL: not given */
	const char *command; /* "config"; NULL: none */
	struct conf_given *given; /* internal: keys, in the order of the command line */
	size_t n_given;
};

#define CONF_ARGS_NULL ((struct conf_args){ .command = NULL })

/* ERR_INVALID: an option that is unknown, abbreviated or without its value, or a second command. */
int conf_args_parse(struct conf_args *ret, int argc, char **argv, struct err *e);
void conf_args_done(struct conf_args *a);

/* Is the option given, and not as --name=false? */
bool conf_args_has(const struct conf_args *a, enum conf_option_id id);
/* The option's value, else that of its variable; NULL: neither. */
const char *conf_args_value(const struct conf_args *a, enum conf_option_id id);

/* Merge files, variables and options into c, which has the defaults, and finish it.  With
 * --strict-config a name that was ignored is an error. */
int conf_args_apply(const struct conf_args *a, struct conf *c, struct err *e);

/* All options with their meaning. */
void conf_args_help(FILE *out);
