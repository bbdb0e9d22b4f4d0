/*
 * cni_list.h - a network's configuration list as a checked tree (SPEC section 1), and the search
 * for one in a directory.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum cni_version {
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

/* 0 or -1: not a version we speak. */
int cni_version_parse(const char *text, enum cni_version *ret);

/* The text of a list, or of a single plugin's configuration, which becomes a list of one.
 * ERR_INVALID says what is wrong with it. */
int cni_list_parse(const char *text, size_t size, struct cni_list *ret, struct err *e);

/* The program of a plugin in the first of dirs that has it, malloc'ed; NULL: none has. */
char *cni_list_find_plugin(const char *const *dirs, const char *type);

/* Changes whenever a file that cni_list_find looks at does, or an entry of a directory. */
uint64_t cni_list_signature(const char *dir, const char *const *plugin_dirs);

/* As cni_conf_find. */
int cni_list_find(const char *dir, const char *name, const char *const *plugin_dirs,
		  struct cni_list *ret, struct err *e);
