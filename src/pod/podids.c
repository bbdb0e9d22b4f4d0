/*
 * podids.c - the user namespace of a pod: from the request into the row, and the files of its root.
 * Invariant: two living pods have no id of the node in common.  A pod's own attempts may: the
 * kubelet runs another one with the same ids before the last one is torn down.
 */
#include "pod/podids.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "core/objects.h"
#include "core/records.h"
#include "gen/sm_sandbox.h"
#include "oci/namespaces.h"

#define FIELD "config.linux.security_context.namespace_options.userns_options"

static struct err unavailable; /* why no pod can have one; code ERR_OK: they can */
static struct err no_host_network; /* why none with the host's network can */

void pod_userns_probe(const struct conf *c)
{
	unavailable = no_host_network = ERR_NULL;
	if (pod_userns_try(c, &unavailable) < 0)
		log_info("pods cannot have user namespaces", "error=\"%s\"", unavailable.text);
	else if (userns_try_sys(&no_host_network) < 0)
		log_info("pods of the host's network cannot have user namespaces", "error=\"%s\"",
			 no_host_network.text);
}

bool pod_userns_works(const struct oci_features *features)
{
	return features->idmap && unavailable.code == ERR_OK;
}

bool pod_userns_works_on_host(const struct oci_features *features)
{
	return pod_userns_works(features) && features->rro && no_host_network.code == ERR_OK;
}

static const Runtime__V1__NamespaceOption *options_of(const Runtime__V1__PodSandboxConfig *c)
{
	return c->linux && c->linux->security_context
		       ? c->linux->security_context->namespace_options
		       : NULL;
}

static bool is_same_pod(const Crisp__State__Sandbox *row, const Runtime__V1__PodSandboxMetadata *m)
{
	_cleanup_free_ char *pod = xasprintf("pod/%s/%s/%s/", m->namespace_, m->name, m->uid);

	return strncmp(row->name_key, pod, strlen(pod)) == 0;
}

/* "uids" or "gids" of which both maps have some; NULL: none. */
static const char *common_ids(const struct userns_map *a, const struct userns_map *b)
{
	if (userns_overlaps(&a->uid, &b->uid))
		return "uids";
	return userns_overlaps(&a->gid, &b->gid) ? "gids" : NULL;
}

static int check_others(const Runtime__V1__PodSandboxMetadata *m, const struct userns_map *map,
			struct err *e)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_SANDBOX], &pos))) {
		const Crisp__State__Sandbox *row = o->sm->row;
		struct userns_map other;
		const char *common;

		if (!sbx_is_live(o->sm->state) || !pod_userns_map(row, &other) ||
		    is_same_pod(row, m))
			continue;
		common = common_ids(map, &other);
		if (common)
			return err_set(e, ERR_INVALID,
				       FIELD ".%s: pod %s/%s cannot have ids of %s (sandbox %.13s)",
				       common, m->namespace_, m->name, row->name_key, o->sm->id);
	}
	return 0;
}

/* The node's /sys is bound; mounts below it must not be writable. */
static int check_host_network(const struct oci_features *features, struct err *e)
{
	if (no_host_network.code != ERR_OK)
		return err_set(e, ERR_PRECONDITION, FIELD " with the host's network: %.160s",
			       no_host_network.text);
	if (!features->rro)
		return err_set(e, ERR_PRECONDITION,
			       FIELD " with the host's network: this OCI runtime lacks the mount "
				     "option rro");
	return 0;
}

int pod_userns_check(const Runtime__V1__PodSandboxConfig *config,
		     const struct oci_features *features, struct err *e)
{
	struct userns_map map;

	if (!oci_namespaces_map(options_of(config), &map))
		return 0;
	if (unavailable.code != ERR_OK)
		return err_set(e, ERR_PRECONDITION, FIELD ": %.160s", unavailable.text);
	if (!features->idmap)
		return err_set(e, ERR_PRECONDITION,
			       FIELD ": this OCI runtime has no idmapped mounts, which user "
				     "namespaces of pods need");
	if (options_of(config)->network == RUNTIME__V1__NAMESPACE_MODE__NODE &&
	    check_host_network(features, e) < 0)
		return -(int)e->code;
	return check_others(config->metadata, &map, e);
}

static Crisp__State__IdRange *range_new(const struct userns_range *r)
{
	Crisp__State__IdRange *range = xmalloc(sizeof(*range));

	crisp__state__id_range__init(range);
	range->host = r->host;
	range->count = r->count;
	return range;
}

void pod_userns_note(Crisp__State__Sandbox *row, const Runtime__V1__NamespaceOption *options)
{
	struct userns_map map;

	if (!oci_namespaces_map(options, &map))
		return;
	row->uids = range_new(&map.uid);
	row->gids = range_new(&map.gid);
}

bool pod_userns_map(const Crisp__State__Sandbox *row, struct userns_map *ret)
{
	if (!row->uids || !row->gids)
		return false;
	ret->uid = (struct userns_range){ row->uids->host, row->uids->count };
	ret->gid = (struct userns_range){ row->gids->host, row->gids->count };
	return true;
}

char *pod_userns_owner(const Crisp__State__Sandbox *row)
{
	struct userns_map map;

	return pod_userns_map(row, &map) ? xasprintf("%u:%u", map.uid.host, map.gid.host) : NULL;
}

int pod_userns_give(const Crisp__State__Sandbox *row, const char *path, struct err *e)
{
	struct userns_map map;

	if (!pod_userns_map(row, &map) || lchown(path, map.uid.host, map.gid.host) == 0)
		return 0;
	return err_errno(e, ERR_INTERNAL, errno, "give %s to the pod's root", path);
}
