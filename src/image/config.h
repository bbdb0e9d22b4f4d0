/*
 * config.h - parse the image config JSON (OCI image spec, config.md), as far as containers need it.
 * The text comes from a registry: parsing is strict and bounded, and ignores unknown members.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"

struct image_config {
	char **entrypoint; /* NULL-terminated lists, NULL when absent */
	char **cmd;
	char **env;
	char **volumes;
	char **diff_ids; /* rootfs.diff_ids, "sha256:...", lowest first */
	size_t n_diff_ids;
	char *working_dir; /* NULL when absent */
	char *user;
	char *stop_signal; /* "SIGTERM", "15" */
	char *os, *architecture, *variant;
};

#define IMAGE_CONFIG_NULL ((struct image_config){ .entrypoint = NULL })

/* ERR_INVALID names the wrong member. Free with image_config_done, also after errors. */
int image_config_parse(const char *json, size_t size, struct image_config *ret, struct err *e);
void image_config_done(struct image_config *c);
