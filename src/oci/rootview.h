/*
 * rootview.h - the tree that a container will see: its root file system and the mounts on it.
 * Images and volumes are untrusted, and volumes change during a read.  A path is resolved one
 * component at a time with openat2, never through a link: the target of a link is read and resolved
 * from the root of the container.  A resolved path has no link in it, so a runtime that joins it to
 * the root file system as text stays inside.  Blocks: call on a worker.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct rootview;

enum rootview_kind {
	ROOTVIEW_MISSING,
	ROOTVIEW_DIRECTORY,
	ROOTVIEW_LINK, /* only from rootview_look */
	ROOTVIEW_OTHER, /* a file, device, FIFO or socket */
	ROOTVIEW_UNKNOWN /* in a file system that the runtime has yet to mount; trusted */
};

struct rootview_owner {
	uint32_t uid, gid;
};

struct rootview_place {
	char *path; /* absolute, without links, "." and ".." */
	enum rootview_kind kind;
	const char *mount; /* the mount point at or above path, borrowed; NULL: the root */
};

#define ROOTVIEW_PLACE_NULL ((struct rootview_place){ .path = NULL })

/* root: O_PATH descriptor of the root file system, borrowed for the life of the view. */
struct rootview *rootview_new(int root);
void rootview_free(struct rootview *v);

static inline void rootview_freep(struct rootview **v)
{
	rootview_free(*v);
}

/* Root of the container is this user and group, with a user namespace: owner of what rootview_make
 * and rootview_link create in the root file system, not in mounts.  No process runs there yet. */
void rootview_own(struct rootview *v, uint32_t uid, uint32_t gid);

/* Record a mount on path, a resolved one; the mount hides mounts at or below path.  source: host
 * path of a bind mount, without links; NULL: a new file system. */
int rootview_mount(struct rootview *v, const char *path, const char *source, bool read_only,
		   struct err *e);

/* Kind of path itself; a final link is not followed.  Its parents must have no links. */
int rootview_look(const struct rootview *v, const char *path, enum rootview_kind *ret,
		  struct err *e);

/* Follow every link of an absolute path; missing components are kept by name.  The caller frees ret
 * with rootview_place_done.  ERR_PRECONDITION: a component is no directory, or too many links. */
int rootview_resolve(const struct rootview *v, const char *path, struct rootview_place *ret,
		     struct err *e);

/* Create a missing place and its parents: a directory of mode 0755 or an empty file of mode 0644.
 * owner, of the container: NULL: root (see rootview_own).  ERR_PRECONDITION: the mount at or above
 * place is read-only. */
int rootview_make(const struct rootview *v, struct rootview_place *place, bool directory,
		  const struct rootview_owner *owner, struct err *e);

/* Create a symbolic link at path, whose parent is a directory without links.  0 also when path
 * exists. */
int rootview_link(const struct rootview *v, const char *path, const char *target, struct err *e);

void rootview_place_done(struct rootview_place *place);
