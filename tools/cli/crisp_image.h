/*
 * crisp_image.h - image functions that `run` and `images` use.
 */
#pragma once

#include "crisp.h"

/* Pull and wait; show progress unless quiet.  handler NULL: the default runtime handler.  auth
 * NULL: none.  *ret is the image's reference, malloc'ed. */
int image_pull(struct cli *cli, const char *name, const char *handler,
	       Runtime__V1__AuthConfig *auth, bool quiet, char **ret, struct err *e);

/* 1: the daemon has the image; 0: not. */
int image_exists(struct cli *cli, const char *name, struct err *e);

/* images --tree: of one image; name NULL: of all.  Returns an exit code. */
int images_tree(struct cli *cli, const char *name);
