/*
 * seccomp_table.h - the built-in seccomp profile as data: which system calls a container may make.
 *
 * It is the list that container engines agree on: what programs need, less what reaches past
 * namespaces and capabilities.  Everything else fails with EPERM.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* One condition on an argument; op as libseccomp spells it. */
struct seccomp_table_arg {
	unsigned index;
	uint64_t value, value2;
	const char *op; /* NULL: no condition */
};

struct seccomp_table_rule {
	const char *names; /* separated by single spaces */
	uint64_t caps_all; /* applies only with all of these in the bounding set */
	uint64_t caps_none; /* and with none of these */
	const char *arches; /* libseccomp names separated by spaces; NULL: all */
	struct seccomp_table_arg arg;
	int errno_ret; /* 0: allowed, else fails with this number */
};

/* Ends with names == NULL. */
extern const struct seccomp_table_rule seccomp_table[];
