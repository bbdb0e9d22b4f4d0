/*
 * confine.h - permanently reduce a puller process to its minimum of privileges.
 *
 * | role     | network | files                                | capabilities                     |
 * |----------|---------|--------------------------------------|----------------------------------|
 * | fetcher  | node's  | its view, read-only                  | none                             |
 * | keeper   | none    | images' root, the slots file         | DAC_OVERRIDE, FOWNER             |
 * | unpacker | none    | the pull's work folder; lower layers | CHOWN, DAC_OVERRIDE, FOWNER,     |
 * |          |         | by descriptor, read-only             | FSETID, MKNOD, SETFCAP,          |
 * |          |         |                                      | SYS_ADMIN                        |
 * | judge    | none    | none                                 | none                             |
 *
 * Each role gets a mount namespace with a read-only tmpfs root that contains its view (nosuid,
 * nodev, noexec); a seccomp allow list; no_new_privs; Landlock rules if the kernel has Landlock
 * (ABI 2). The unpacker needs SYS_ADMIN only for trusted.overlay.opaque. Its filter refuses mount,
 * setns, unshare, bpf, ioctl and all other uses; nodev disables the device nodes that it creates.
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

/* One file or directory of the host in a role's view. */
struct confine_path {
	char *path; /* absolute; a symlink is followed, and recreated in the view */
	char *at; /* path in the view; NULL: the same path */
	bool writable;
	bool optional; /* skipped if missing */
};

struct confine_view {
	struct confine_path *list;
	size_t n;
	/* Directories passed as descriptors only: Landlock allows reading them. */
	const char *lower[2];
	bool own_fds; /* /proc/self/fd, but nothing else of /proc */
};

#define CONFINE_VIEW_NULL ((struct confine_view){ .list = NULL })

/* Copies path and at. at may be NULL: the same path. */
void confine_view_add(struct confine_view *v, const char *path, const char *at, bool writable,
		      bool optional);
void confine_view_done(struct confine_view *v);

/* Unshare into empty network and IPC namespaces, for this process and its later children. */
int confine_leave_network(struct err *e);

/* The process must be single-threaded, and have opened all it needs outside its view. After an
 * error the process must exit. */
int confine_enter(enum confine_role role, const struct confine_view *v, struct err *e);

/* Install the seccomp filter only; used by confine_enter (confine_filter.c). */
int confine_filter(enum confine_role role, struct err *e);
