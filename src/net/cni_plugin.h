/*
 * cni_plugin.h - one run of one plugin (SPEC sections 2 to 4): environment, configuration on stdin,
 * output.
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "net/cni.h"
#include "net/cni_list.h"

struct cni_call {
	const char *command; /* "ADD" */
	const struct cni_list *list;
	const struct cni_request *req; /* container_id NULL: STATUS and GC, which have none */
	json_t *prev_result; /* borrowed; NULL: none */
	json_t *attachments; /* GC: borrowed */
};

/* Run plugin (an entry of the list).  *ret_output: its output, malloc'ed, "" if empty; ret_output
 * may be NULL.  An error names plugin, network and command, and the plugin's code, message and
 * details if present.  ERR_UNAVAILABLE: the codes for "try later" (11, 50, 51). */
int cni_plugin_run(const struct cni_call *call, json_t *plugin, char **ret_output, struct err *e);
