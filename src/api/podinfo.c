/*
 * podinfo.c - the verbose "info" of a pod, with the keys of CRI-O's infra container.
 */
#include <jansson.h>
#include <stdlib.h>

#include "api/handlers.h"
#include "api/inspect.h"
#include "base/fs.h"
#include "base/util.h"
#include "core/paths.h"
#include "pod/files.h"
#include "pod/sandbox.h"

/* Add a namespace that is pinned. */
static void add_namespace(json_t *list, const char *dir, const char *type, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	if (fs_exists(path))
		json_array_append_new(list, json_pack("{s:s, s:s}", "type", type, "path", path));
}

static json_t *namespaces_json(const char *id)
{
	_cleanup_free_ char *dir = path_pod_ns(world.conf, id);
	json_t *list = json_array();

	add_namespace(list, dir, "network", "net");
	add_namespace(list, dir, "ipc", "ipc");
	add_namespace(list, dir, "uts", "uts");
	add_namespace(list, dir, "pid", "pid");
	return list;
}

/* The parts of an OCI configuration that a pod without an infra container has. */
static json_t *spec_json(const char *id, const Crisp__State__Sandbox *row,
			 const Runtime__V1__PodSandboxConfig *c)
{
	_cleanup_free_ char *hostname = sandbox_hostname(c, row->host_network);
	const Runtime__V1__LinuxPodSandboxConfig *l = c->linux;
	json_t *linux_part =
		json_pack("{s:s, s:o, s:o}", "cgroupsPath", row->cgroup_parent, "namespaces",
			  namespaces_json(id), "sysctl",
			  inspect_map_json(l ? (void *)l->sysctls : NULL, l ? l->n_sysctls : 0));

	return json_pack("{s:s, s:s, s:o, s:o}", "ociVersion", "1.0.2", "hostname", hostname,
			 "annotations", inspect_map_json((void *)c->annotations, c->n_annotations),
			 "linux", linux_part);
}

char *api_pod_info_json(const struct listing_row *r)
{
	const Crisp__State__Sandbox *row = r->row;
	Runtime__V1__PodSandboxConfig *c = sandbox_config(row);
	json_t *all =
		json_pack("{s:s, s:i, s:o*}", "image", world.conf->pause_image, "pid",
			  inspect_pod_pid(r->id, row), "runtimeSpec", spec_json(r->id, row, c));
	char *text = json_dumps(all, JSON_INDENT(2));

	json_decref(all);
	runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
	return text;
}
