/*
 * seccomp_table.h - the built-in seccomp profile as data: the system calls a container may make.
 *
 * The list is common to container engines: calls that programs need, except those that reach past
 * namespaces and capabilities.  All others fail with EPERM.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* One condition on an argument; op in libseccomp's spelling. */
struct seccomp_table_arg {
	unsigned index;
	uint64_t value, value2;
	const char *op; /* NULL: no condition */
};

struct seccomp_table_rule {
	const char *names; /* separated by single spaces */
	uint64_t caps_all; /* applies only if the bounding set has all of these */
	uint64_t caps_none; /* and none of these */
	const char *arches; /* libseccomp names separated by spaces; NULL: all */
	struct seccomp_table_arg arg;
	int errno_ret; /* 0: allow, else fail with this errno */
};

/* Ends with names == NULL. */
extern const struct seccomp_table_rule seccomp_table[];
