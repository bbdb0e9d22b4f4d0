/*
 * dirs.h - the directories of root and runroot: at each start crispd makes them and gives them its
 * own modes, whatever the umask, another program or an older crispd left.
 *
 * root, runroot and the directories that hold one directory an object can be passed through, and
 * nothing else, by everybody: the process of a user namespace has to.  The directory of an object
 * is root's alone; that is the one to open for the group of a user namespace.
 */
#pragma once

#include "base/err.h"
#include "conf/conf.h"

/* Removes the spare files too: a start has their blocks and inodes on a full file system.
 * ERR_PRECONDITION: something there belongs to another user, who could replace it. */
int dirs_prepare(const struct conf *c, struct err *e);

/* Make the spare files of root and runroot, which the next start removes.  Called again while there
 * is no room for all of them. */
void dirs_keep_spare(const struct conf *c);
