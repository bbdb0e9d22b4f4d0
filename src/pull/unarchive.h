/*
 * unarchive.h - `crisp-pull unpack`: unpack the archive of a checkpoint, confined as the unpacker
 * of layers is.
 */
#pragma once

/* argv after "unpack": ARCHIVE DIR [DELETED].  DIR is an empty directory.
 * Without DELETED: only the members of a checkpoint, which must be regular files.
 * With DELETED: ARCHIVE is a rootfs-diff.tar, DIR the writable layer of an overlay; DELETED is
 * deleted.files.  "": ARCHIVE or DELETED does not exist.
 * Returns the exit status, an enum err_code; the error text goes to stderr. */
int unarchive_main(int argc, char *const *argv);
