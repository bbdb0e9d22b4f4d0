/*
 * crisp_image.h - what `run` needs of images.
 */
#pragma once

#include "crisp.h"

/* Pull, show how far it is unless quiet, and wait.  auth: NULL for none.  *ret is the image's
 * reference, malloc'ed. */
int image_pull(struct cli *cli, const char *name, Runtime__V1__AuthConfig *auth, bool quiet,
	       char **ret, struct err *e);

/* 1: the daemon has it, 0: it has not. */
int image_exists(struct cli *cli, const char *name, struct err *e);

/* images --tree: of one image, NULL: of all.  Returns an exit code. */
int images_tree(struct cli *cli, const char *name);
