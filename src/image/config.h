/*
 * config.h - the image config JSON (OCI image spec, config.md): what a container takes from its
 * image.  The text comes from a registry: parsed strictly, bounded, unknown members ignored.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct image_config {
	char **entrypoint; /* NULL-terminated lists, NULL when absent */
	char **cmd;
	char **env;
	char **volumes;
	char **diff_ids; /* rootfs.diff_ids, "sha256:...", the lowest first */
	size_t n_diff_ids;
	char *working_dir; /* NULL when absent */
	char *user;
	char *stop_signal; /* "SIGTERM", "15" */
	char *os, *architecture, *variant;
};

#define IMAGE_CONFIG_NULL ((struct image_config){ .entrypoint = NULL })

/* ERR_INVALID names the member that is wrong.  Free with image_config_done, also after errors. */
int image_config_parse(const char *json, size_t size, struct image_config *ret, struct err *e);
void image_config_done(struct image_config *c);
