/*
 * podids.h - user namespaces of pods: whether the node can have them, and the ids of a pod.
 * A pod's namespace is pinned beside its others (os/ns.h) and goes with them.
 */
#pragma once

#include <stdbool.h>

#include "conf/conf.h"
#include "gen/api.pb-c.h"
#include "gen/state.pb-c.h"
#include "oci/features.h"
#include "os/userns.h"

/* At start, before the first call.  Blocks.  Try a mapped root file system in the directories of c,
 * and remember the outcome. */
void pod_userns_probe(const struct conf *c);
/* Try a mapped root file system; leave nothing.  <0: e says what the node lacks. */
int pod_userns_try(const struct conf *c, struct err *e);

/* Can pods with these features of their runtime have a user namespace? */
bool pod_userns_works(const struct oci_features *features);

/* The same with the host's network. */
bool pod_userns_works_on_host(const struct oci_features *features);

/* On the loop.  Check a request whose options are valid: the node and the runtime must be able to,
 * and no id may be one of another living pod.  Pods without a user namespace pass. */
int pod_userns_check(const Runtime__V1__PodSandboxConfig *config,
		     const struct oci_features *features, struct err *e);

/* Keep the request's map in the row. */
void pod_userns_note(Crisp__State__Sandbox *row, const Runtime__V1__NamespaceOption *options);
/* The pod's map; false: it has the host's user namespace. */
bool pod_userns_map(const Crisp__State__Sandbox *row, struct userns_map *ret);
/* "UID:GID" of the pod's root on the node, malloc'ed; NULL: the node's root. */
char *pod_userns_owner(const Crisp__State__Sandbox *row);
/* Give a file of crispd's to the pod's root, if that is not the node's. */
int pod_userns_give(const Crisp__State__Sandbox *row, const char *path, struct err *e);
