/*
 * dirs.h - the directories of root and runroot: at each start crispd creates them and corrects
 * their modes, whatever the umask, another program or an older crispd left.
 *
 * Parents of object directories have mode 0711, root and runroot at most: processes of a user
 * namespace must traverse them.  An object's directory has mode 0700; open only this directory to
 * the group of a user namespace.
 */
#pragma once

#include "base/err.h"
#include "conf/conf.h"

/* Create and check the directories, and remove the spare files: their blocks and inodes let
 * crispd start on a full file system.  <0: e is set (ERR_PRECONDITION: an entry belongs to
 * another user, who could replace it). */
int dirs_prepare(const struct conf *c, struct err *e);

/* Create the spare files of root and runroot, which the next start removes.  Call periodically:
 * retries until there was room for all of them. */
void dirs_keep_spare(const struct conf *c);
