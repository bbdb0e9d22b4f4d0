/*
 * user.h - the user of a container's process: from the request and the image, resolved by the
 * container's own /etc/passwd and /etc/group.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define USER_DB_MAX (1024 * 1024) /* bytes of a passwd or group file */
#define USER_NAME_MAX 256 /* bytes of a name, in the files and in requests */
#define USER_GROUPS_MAX 1024 /* supplemental groups of one process */

/* The largest id of a process: -1 means "no change" to the kernel. */
#define USER_ID_MAX (UINT32_MAX - 1)

struct user_entry {
	char name[USER_NAME_MAX];
	uint32_t uid, gid;
};

/* First well-formed entry of a passwd text with that name, or with that id when name is NULL.
 * Malformed lines are skipped, as libc does. */
bool user_find_passwd(const char *text, size_t size, const char *name, uint32_t uid,
		      struct user_entry *ret);

/* Gid of the first well-formed entry of a group text with that name. */
bool user_find_group(const char *text, size_t size, const char *name, uint32_t *ret_gid);
/* Does a group text have an entry with that gid? */
bool user_has_group(const char *text, size_t size, uint32_t gid);

/* Gids of all groups that list name as a member, in file order, at most max of them. */
size_t user_member_groups(const char *text, size_t size, const char *name, uint32_t *ret_gids,
			  size_t max);

/* The requested user; all pointers are borrowed. */
struct user_request {
	const int64_t *uid; /* run_as_user, NULL: not set */
	const int64_t *gid; /* run_as_group, NULL: not set */
	const char *name; /* run_as_username, "": not set */
	const char *image_user; /* USER of the image: "", "user", "user:group"; NULL: "" */
	const int64_t *groups; /* supplemental_groups */
	size_t n_groups;
	bool strict; /* ignore memberships in /etc/group */
};

struct user {
	uint32_t uid, gid;
	uint32_t *groups; /* gid first, each once */
	size_t n_groups;
	bool in_passwd; /* the uid has an entry */
	bool in_group; /* the gid has an entry */
};

#define USER_NULL ((struct user){ .groups = NULL })

/* Resolve by the files of the root file system (an O_PATH descriptor of rootfs_open); default uid
 * 0.  Refuses run_as_group without a user, ids out of range, and names missing in the files.  Free
 * ret with user_done. */
int user_resolve(int root, const struct user_request *req, struct user *ret, struct err *e);
void user_done(struct user *u);
