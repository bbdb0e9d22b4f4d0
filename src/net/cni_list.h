/*
 * cni_list.h - a network's configuration list as a validated tree (SPEC section 1), and the search
 * for one in a directory.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum cni_version {
	CNI_VERSION_0_1_0,
	CNI_VERSION_0_2_0,
	CNI_VERSION_0_3_0,
	CNI_VERSION_0_3_1,
	CNI_VERSION_0_4_0,
	CNI_VERSION_1_0_0,
	CNI_VERSION_1_1_0,
};

struct cni_list {
	json_t *root; /* owned; {"cniVersion", "name", "plugins": [{"type", ...}, ...]} */
	const char *name; /* in root */
	const char *version_text;
	enum cni_version version;
	bool disable_check, disable_gc;
	json_t *plugins; /* in root: an array of at least one object with a valid type */
};

#define CNI_LIST_NULL ((struct cni_list){ .root = NULL })
void cni_list_done(struct cni_list *l);

/* 0; or -1: not a supported version. */
int cni_version_parse(const char *text, enum cni_version *ret);

/* Parse a list, or a single plugin's configuration, which becomes a list of one.  ERR_INVALID names
 * the defect. */
int cni_list_parse(const char *text, size_t size, struct cni_list *ret, struct err *e);

/* Path of the plugin's program in the first of dirs that has it, malloc'ed; NULL: not found. */
char *cni_list_find_plugin(const char *const *dirs, const char *type);

/* A value that changes with any file that cni_list_find reads, or any directory's entries. */
uint64_t cni_list_signature(const char *dir, const char *const *plugin_dirs);

/* Same contract as cni_conf_find. */
int cni_list_find(const char *dir, const char *name, const char *const *plugin_dirs,
		  struct cni_list *ret, struct err *e);
