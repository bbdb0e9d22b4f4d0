/*
 * edits.c - resolve the CDI devices of a request, and apply hooks, resctrl and network devices.
 * Invariants: a device that cannot be injected whole is an error.  A hook runs as root on the node,
 * so only root may be able to change its program.
 */
#include "oci/edits.h"

#include <string.h>
#include <sys/vfs.h>

#include "base/fs.h"
#include "base/map.h"
#include "base/str.h"
#include "cdi/catalog.h"

#define ANNOTATION_PREFIX "cdi.k8s.io/"
#define RESCTRL "/sys/fs/resctrl"
#define RESCTRL_MAGIC 0x7655821

/* --- the request ---------------------------------------------------------------------------- */

bool oci_spec_wants_cdi(const Runtime__V1__ContainerConfig *config)
{
	for (size_t i = 0; i < config->n_annotations; i++)
		if (str_starts(config->annotations[i]->key, ANNOTATION_PREFIX))
			return true;
	return config->n_cdi_devices > 0;
}

struct asking {
	struct oci_ctx *c;
	struct map *seen; /* devices and files with their edits in the list */
};

static void add_edit(struct oci_ctx *c, const struct cdi_device *d, const char *name,
		     const json_t *owner)
{
	const json_t *json = json_object_get(owner, "containerEdits");

	if (!json_is_object(json))
		return;
	c->edits = xrealloc(c->edits, (c->n_edits + 1) * sizeof(*c->edits));
	c->edits[c->n_edits++] =
		(struct oci_edit){ .file = d->file->path, .device = name, .json = json };
}

static int ask(struct asking *a, const char *name)
{
	struct oci_ctx *c = a->c;
	const struct cdi_device *d;
	int r;

	if (!c->in->conf->enable_cdi)
		return err_set(c->e, ERR_PRECONDITION,
			       "device \"%.256s\": crio.conf has enable_cdi = false", name);
	if (!c->in->cdi)
		return err_set(c->e, ERR_INTERNAL, "no CDI specification was read");
	r = cdi_catalog_find(c->in->cdi, name, &d, c->e);
	if (r < 0 || map_get(a->seen, d->name))
		return r;
	map_put(a->seen, d->name, c);
	if (!map_get(a->seen, d->file->path)) {
		map_put(a->seen, d->file->path, c);
		add_edit(c, d, NULL, d->file->root);
	}
	add_edit(c, d, d->name, d->json);
	return 0;
}

/* The value of an annotation: names, separated by commas. */
static int ask_list(struct asking *a, const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *name;
	int r = 0;

	while (r == 0 && (name = strsep(&rest, ",")))
		r = ask(a, name);
	return r;
}

static int ask_all(struct asking *a)
{
	const Runtime__V1__ContainerConfig *config = a->c->config;

	for (size_t i = 0; i < config->n_cdi_devices; i++)
		if (ask(a, config->cdi_devices[i]->name) < 0)
			return err_wrap(a->c->e, "CDI_devices[%zu]", i);
	for (size_t i = 0; i < config->n_annotations; i++)
		if (str_starts(config->annotations[i]->key, ANNOTATION_PREFIX) &&
		    ask_list(a, config->annotations[i]->value) < 0)
			return err_wrap(a->c->e, "annotation %.128s", config->annotations[i]->key);
	return 0;
}

int oci_edits_find(struct oci_ctx *c)
{
	struct asking a = { .c = c, .seen = map_new() };
	int r = ask_all(&a);

	map_free(a.seen);
	return r;
}

int oci_edit_wrap(struct oci_ctx *c, const struct oci_edit *edit)
{
	if (edit->device)
		return err_wrap(c->e, "CDI device %s (%s)", edit->device, edit->file);
	return err_wrap(c->e, "CDI specification %s", edit->file);
}

/* --- hooks ---------------------------------------------------------------------------------- */

/* startContainer hooks run in the container, with a program of its own. */
static int check_program(struct oci_ctx *c, const char *name, const char *path)
{
	int r = strcmp(name, "startContainer") == 0 ? 0 : fs_check_trusted(path, c->e);

	return r > 0 ? err_set(c->e, ERR_PRECONDITION, "%s does not exist", path) : r;
}

static int add_hook(struct oci_ctx *c, const json_t *hook)
{
	static const char *const keys[] = { "path", "args", "env", "timeout" };
	const char *name = json_string_value(json_object_get(hook, "hookName"));
	json_t *list, *out, *value;
	int r = check_program(c, name, json_string_value(json_object_get(hook, "path")));

	if (r < 0)
		return r;
	list = oci_json_need_array(oci_json_need_object(c->root, "hooks"), name);
	out = oci_json_object();
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		value = json_object_get(hook, keys[i]);
		if (value && !json_is_null(value))
			oci_json_put(out, keys[i], json_deep_copy(value));
	}
	oci_json_push(list, out);
	return 0;
}

/* --- resctrl and network devices ------------------------------------------------------------ */

static int need_feature(struct oci_ctx *c, bool has, const char *what)
{
	return has ? 0
		   : err_set(c->e, ERR_PRECONDITION,
			     "this OCI runtime's features do not include %s", what);
}

/* The last device with it decides. */
static int put_rdt(struct oci_ctx *c, const json_t *rdt)
{
	struct statfs fs;
	int r = 0;

	if (statfs(RESCTRL, &fs) < 0 || (unsigned long)fs.f_type != RESCTRL_MAGIC)
		return err_set(c->e, ERR_PRECONDITION,
			       "intelRdt: resctrl is not mounted on " RESCTRL);
	if (json_array_size(json_object_get(rdt, "schemata")) > 0)
		r = need_feature(c, c->in->features->rdt_schemata, "intelRdt.schemata");
	if (r == 0 && json_is_true(json_object_get(rdt, "enableMonitoring")))
		r = need_feature(c, c->in->features->rdt_monitoring, "intelRdt.enableMonitoring");
	if (r == 0)
		oci_json_put(c->linux_part, "intelRdt", json_deep_copy(rdt));
	return r;
}

static int put_net_device(struct oci_ctx *c, const json_t *device)
{
	json_t *out = oci_json_need_object(c->linux_part, "netDevices"), *entry;
	int r = need_feature(c, c->in->features->net_devices, "netDevices");

	if (r == 0 && c->pod_ns->network == RUNTIME__V1__NAMESPACE_MODE__NODE)
		return err_set(c->e, ERR_PRECONDITION,
			       "netDevices: the pod has the node's network namespace");
	if (r < 0)
		return r;
	entry = oci_json_object();
	oci_json_put(entry, "name", json_deep_copy(json_object_get(device, "name")));
	oci_json_put(out, json_string_value(json_object_get(device, "hostInterfaceName")), entry);
	return 0;
}

static int apply(struct oci_ctx *c, const json_t *edits)
{
	const json_t *rdt = json_object_get(edits, "intelRdt"), *item;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(edits, "hooks"), i, item)
	{
		if (add_hook(c, item) < 0)
			return err_wrap(c->e, "hooks[%zu]", i);
	}
	json_array_foreach(json_object_get(edits, "netDevices"), i, item)
	{
		r = r == 0 ? put_net_device(c, item) : r;
	}
	return r == 0 && json_is_object(rdt) ? put_rdt(c, rdt) : r;
}

int oci_edits_build(struct oci_ctx *c)
{
	for (size_t i = 0; i < c->n_edits; i++)
		if (apply(c, c->edits[i].json) < 0)
			return oci_edit_wrap(c, &c->edits[i]);
	return 0;
}
