/*
 * cni_plugin.h - one run of one plugin (SPEC sections 2 to 4): its environment, its
 * configuration on stdin, and what it prints.
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

/* Run plugin (an entry of the list).  *ret_output is what it printed, malloc'ed, "" for nothing;
 * NULL: not wanted.  An error names plugin, network, command and, when the plugin said so, its
 * code, message and details: ERR_UNAVAILABLE for the codes that mean "later" (11, 50, 51). */
int cni_plugin_run(const struct cni_call *call, json_t *plugin, char **ret_output, struct err *e);
