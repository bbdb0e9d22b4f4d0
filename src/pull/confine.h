/*
 * confine.h - takes from a process of the puller all it does not need, for good.
 *
 * | role     | network | files                                | capabilities                     |
 * |----------|---------|--------------------------------------|----------------------------------|
 * | fetcher  | node's  | its view, read-only                  | none                             |
 * | keeper   | none    | images' root, the file of slots      | DAC_OVERRIDE, FOWNER             |
 * | unpacker | none    | the pull's work folder; lower layers | CHOWN, DAC_OVERRIDE, FOWNER,     |
 * |          |         | by descriptor, read-only             | FSETID, MKNOD, SETFCAP,          |
 * |          |         |                                      | SYS_ADMIN                        |
 * | judge    | none    | none                                 | none                             |
 *
 * Each role has a mount namespace whose root is a read-only tmpfs with its view in it, nosuid,
 * nodev and noexec; a seccomp filter that lists the system calls it may make; no_new_privs;
 * Landlock rules where the kernel has Landlock (ABI 2).  SYS_ADMIN stays with the unpacker for
 * trusted.overlay.opaque alone: mount, setns, unshare, bpf, ioctl and everything else that the
 * capability opens is not in its filter, and nodev keeps the device nodes that it makes closed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum confine_role {
	CONFINE_FETCHER,
	CONFINE_KEEPER,
	CONFINE_UNPACKER,
	CONFINE_JUDGE,
};

/* One file or directory of the host that a role sees. */
struct confine_path {
	char *path; /* absolute; a link is followed and made anew */
	char *at; /* where it is seen; NULL: at its own path */
	bool writable;
	bool optional; /* left out when it does not exist */
};

struct confine_view {
	struct confine_path *list;
	size_t n;
	/* Directories that are reached by descriptors alone: Landlock lets them be read. */
	const char *lower[2];
	bool own_fds; /* /proc/self/fd, without the rest of /proc */
};

#define CONFINE_VIEW_NULL ((struct confine_view){ .list = NULL })

/* path is copied, at too; at may be NULL. */
void confine_view_add(struct confine_view *v, const char *path, const char *at, bool writable,
		      bool optional);
void confine_view_done(struct confine_view *v);

/* An empty network namespace and IPC namespace, for this process and those that it forks. */
int confine_leave_network(struct err *e);

/* The calling process has one thread and has opened what it needs beyond its view.  After an
 * error it must end. */
int confine_enter(enum confine_role role, const struct confine_view *v, struct err *e);

/* The filter alone, for confine_enter (confine_filter.c). */
int confine_filter(enum confine_role role, struct err *e);
