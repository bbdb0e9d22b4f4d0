/*
 * namespaces.c - checks of namespace options, and linux.namespaces with the id mappings.
 */
#include "oci/namespaces.h"

#define MAPPINGS_MAX 1 /* the CRI allows one range, so that every id has one owner */

static bool mode_is(Runtime__V1__NamespaceMode mode, Runtime__V1__NamespaceMode a,
		    Runtime__V1__NamespaceMode b)
{
	return mode == a || mode == b;
}

#define USERNS "namespace_options.userns_options."

static int check_mapping(const char *field, Runtime__V1__IDMapping **list, size_t n, struct err *e)
{
	if (n != MAPPINGS_MAX)
		return err_set(e, ERR_INVALID, USERNS "%s: %zu mappings, exactly one is supported",
			       field, n);
	if (list[0]->container_id != 0)
		return err_set(e, ERR_INVALID,
			       USERNS "%s[0].container_id: %u, but id 0 of the pod must be mapped",
			       field, list[0]->container_id);
	if (list[0]->length == 0)
		return err_set(e, ERR_INVALID, USERNS "%s[0].length: the range is empty", field);
	if (list[0]->host_id == 0)
		return err_set(e, ERR_INVALID,
			       USERNS "%s[0].host_id: root of the pod would be root of the node",
			       field);
	if ((uint64_t)list[0]->host_id + list[0]->length > UINT32_MAX)
		return err_set(e, ERR_INVALID,
			       USERNS "%s[0].length: %u ids from %u on pass the last id, %u", field,
			       list[0]->length, list[0]->host_id, UINT32_MAX - 1);
	return 0;
}

static bool has_mapping(const Runtime__V1__NamespaceOption *options)
{
	return options && options->userns_options &&
	       options->userns_options->mode == RUNTIME__V1__NAMESPACE_MODE__POD;
}

static int check_userns(const Runtime__V1__NamespaceOption *options, struct err *e)
{
	const Runtime__V1__UserNamespace *userns = options->userns_options;
	int r;

	if (!userns || userns->mode == RUNTIME__V1__NAMESPACE_MODE__NODE) {
		if (userns && (userns->n_uids > 0 || userns->n_gids > 0))
			return err_set(e, ERR_INVALID,
				       USERNS "%s: mappings are set with the host's user namespace",
				       userns->n_uids > 0 ? "uids" : "gids");
		return 0;
	}
	if (userns->mode != RUNTIME__V1__NAMESPACE_MODE__POD)
		return err_set(e, ERR_INVALID, USERNS "mode must be POD or NODE");
	r = check_mapping("uids", userns->uids, userns->n_uids, e);
	return r == 0 ? check_mapping("gids", userns->gids, userns->n_gids, e) : r;
}

/* The host's user namespace owns the host's other namespaces: a pod's cannot mount their mqueue and
 * proc.  In the place of the network's sysfs it gets the node's /sys. */
static int check_with_userns(const Runtime__V1__NamespaceOption *options, struct err *e)
{
	const Runtime__V1__NamespaceMode node = RUNTIME__V1__NAMESPACE_MODE__NODE;
	const Runtime__V1__UserNamespace *userns = options->userns_options;

	if (options->ipc == node || options->pid == node)
		return err_set(e, ERR_INVALID,
			       "namespace_options.%s: a pod with a user namespace cannot use that "
			       "of the host",
			       options->ipc == node ? "ipc" : "pid");
	/* The init of the PID namespace is nobody, 65535, whom no container runs as. */
	if (options->pid == RUNTIME__V1__NAMESPACE_MODE__POD &&
	    (userns->uids[0]->length <= UINT16_MAX || userns->gids[0]->length <= UINT16_MAX))
		return err_set(e, ERR_INVALID,
			       USERNS "uids and gids: a shared PID namespace (pid POD) needs 65536 "
				      "ids or more");
	return 0;
}

bool oci_namespaces_map(const Runtime__V1__NamespaceOption *options, struct userns_map *ret)
{
	const Runtime__V1__UserNamespace *userns = options ? options->userns_options : NULL;

	if (!has_mapping(options) || userns->n_uids != MAPPINGS_MAX ||
	    userns->n_gids != MAPPINGS_MAX)
		return false;
	ret->uid = (struct userns_range){ userns->uids[0]->host_id, userns->uids[0]->length };
	ret->gid = (struct userns_range){ userns->gids[0]->host_id, userns->gids[0]->length };
	return true;
}

int oci_namespaces_check_pod(const Runtime__V1__NamespaceOption *options, struct err *e)
{
	const Runtime__V1__NamespaceMode pod = RUNTIME__V1__NAMESPACE_MODE__POD;
	const Runtime__V1__NamespaceMode node = RUNTIME__V1__NAMESPACE_MODE__NODE;
	int r;

	if (!options)
		return 0;
	if (!mode_is(options->network, pod, node))
		return err_set(e, ERR_INVALID, "namespace_options.network must be POD or NODE");
	if (!mode_is(options->ipc, pod, node))
		return err_set(e, ERR_INVALID, "namespace_options.ipc must be POD or NODE");
	if (!mode_is(options->pid, pod, node) &&
	    !mode_is(options->pid, RUNTIME__V1__NAMESPACE_MODE__CONTAINER,
		     RUNTIME__V1__NAMESPACE_MODE__TARGET))
		return err_set(e, ERR_INVALID, "namespace_options.pid is not a known value");
	r = check_userns(options, e);
	return r == 0 && has_mapping(options) ? check_with_userns(options, e) : r;
}

static const char *mode_text(Runtime__V1__NamespaceMode mode)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(
		&runtime__v1__namespace_mode__descriptor, (int)mode);

	return v ? v->name : "not a known value";
}

static int check_same(const char *field, Runtime__V1__NamespaceMode mode,
		      Runtime__V1__NamespaceMode pod, struct err *e)
{
	if (mode == pod)
		return 0;
	return err_set(e, ERR_INVALID,
		       "namespace_options.%s is %s, that of the pod sandbox is %s: a container has "
		       "the namespace of its pod",
		       field, mode_text(mode), mode_text(pod));
}

static Runtime__V1__NamespaceMode user_mode(const Runtime__V1__NamespaceOption *options)
{
	return options->userns_options ? options->userns_options->mode
				       : RUNTIME__V1__NAMESPACE_MODE__NODE;
}

static bool same_mappings(Runtime__V1__IDMapping *const *a, size_t n_a,
			  Runtime__V1__IDMapping *const *b, size_t n_b)
{
	for (size_t i = 0; n_a == n_b && i < n_a; i++)
		if (a[i]->host_id != b[i]->host_id || a[i]->length != b[i]->length ||
		    a[i]->container_id != b[i]->container_id)
			return false;
	return n_a == n_b;
}

/* A container must repeat the mappings of its pod: without them it would expect the host's ids. */
static int check_same_user(const Runtime__V1__NamespaceOption *options,
			   const Runtime__V1__NamespaceOption *pod, struct err *e)
{
	const Runtime__V1__UserNamespace *a = options->userns_options, *b = pod->userns_options;
	int r = check_same("userns_options.mode", user_mode(options), user_mode(pod), e);

	if (r < 0 || !has_mapping(pod))
		return r;
	if (!same_mappings(a->uids, a->n_uids, b->uids, b->n_uids))
		return err_set(e, ERR_INVALID,
			       USERNS "uids: the mappings are not those of the pod sandbox");
	if (!same_mappings(a->gids, a->n_gids, b->gids, b->n_gids))
		return err_set(e, ERR_INVALID,
			       USERNS "gids: the mappings are not those of the pod sandbox");
	return 0;
}

int oci_namespaces_check_container(const Runtime__V1__NamespaceOption *options,
				   const Runtime__V1__NamespaceOption *pod, struct err *e)
{
	static const Runtime__V1__NamespaceOption none = RUNTIME__V1__NAMESPACE_OPTION__INIT;
	int r;

	pod = pod ? pod : &none;
	if (!options)
		return check_same_user(&none, pod, e);
	r = check_same("network", options->network, pod->network, e);
	if (r == 0)
		r = check_same("ipc", options->ipc, pod->ipc, e);
	/* CONTAINER is independent of the pod's PID namespace; TARGET is requested by the other
	 * container's id. */
	if (r == 0 && !mode_is(options->pid, RUNTIME__V1__NAMESPACE_MODE__CONTAINER,
			       RUNTIME__V1__NAMESPACE_MODE__TARGET))
		r = check_same("pid", options->pid, pod->pid, e);
	return r == 0 ? check_same_user(options, pod, e) : r;
}

static void add(json_t *list, const char *type, const char *path)
{
	json_t *ns = oci_json_object();

	oci_json_put_text(ns, "type", type);
	if (path)
		oci_json_put_text(ns, "path", path);
	oci_json_push(list, ns);
}

/* Add a namespace of the pod by its path; NODE: the host's. */
static int add_pods(struct oci_ctx *c, json_t *list, const char *type, const char *path,
		    Runtime__V1__NamespaceMode mode)
{
	if (mode == RUNTIME__V1__NAMESPACE_MODE__NODE)
		return 0;
	if (mode != RUNTIME__V1__NAMESPACE_MODE__POD)
		return err_set(c->e, ERR_INVALID, "namespace_options.%s must be POD or NODE", type);
	if (!path)
		return err_set(c->e, ERR_INTERNAL, "the pod's %s namespace is not there", type);
	add(list, type, path);
	return 0;
}

static int add_pid(struct oci_ctx *c, json_t *list)
{
	_cleanup_free_ char *path = NULL;

	switch (c->pid_ns->pid) {
	case RUNTIME__V1__NAMESPACE_MODE__NODE:
		return 0;
	case RUNTIME__V1__NAMESPACE_MODE__CONTAINER:
		add(list, "pid", NULL);
		return 0;
	case RUNTIME__V1__NAMESPACE_MODE__POD:
		if (c->is_sandbox) {
			add(list, "pid", NULL);
			return 0;
		}
		if (!c->in->pidns)
			return err_set(c->e, ERR_INTERNAL, "the pod's pid namespace is not there");
		add(list, "pid", c->in->pidns);
		return 0;
	case RUNTIME__V1__NAMESPACE_MODE__TARGET:
		if (!*c->pid_ns->target_id)
			return err_set(
				c->e, ERR_INVALID,
				"namespace_options.target_id is required with the mode TARGET");
		if (c->in->target_pid <= 0)
			return err_set(c->e, ERR_PRECONDITION,
				       "namespace_options.target_id: container %.64s does not run",
				       c->pid_ns->target_id);
		path = xasprintf("/proc/%d/ns/pid", (int)c->in->target_pid);
		add(list, "pid", path);
		return 0;
	case _RUNTIME__V1__NAMESPACE_MODE_IS_INT_SIZE:
		break;
	}
	return err_set(c->e, ERR_INVALID, "namespace_options.pid is not a known value");
}

/* The runtime needs the mappings, too, for devices and idmapped mounts. */
static int add_user(struct oci_ctx *c, json_t *list)
{
	const Runtime__V1__UserNamespace *userns = c->pod_ns->userns_options;

	if (!has_mapping(c->pod_ns))
		return 0;
	if (!c->in->userns)
		return err_set(c->e, ERR_INTERNAL, "the pod's user namespace is not there");
	add(list, "user", c->in->userns);
	oci_json_put(c->linux_part, "uidMappings", oci_mappings_json(userns->uids, userns->n_uids));
	oci_json_put(c->linux_part, "gidMappings", oci_mappings_json(userns->gids, userns->n_gids));
	return 0;
}

int oci_namespaces_build(struct oci_ctx *c)
{
	json_t *list = oci_json_need_array(c->linux_part, "namespaces");
	struct userns_map map;
	int r;

	if (oci_namespaces_map(c->pod_ns, &map))
		c->map = map;
	add(list, "mount", NULL);
	r = add_pods(c, list, "network", c->in->netns, c->pod_ns->network);
	if (r == 0)
		r = add_pods(c, list, "ipc", c->in->ipcns, c->pod_ns->ipc);
	if (r == 0)
		r = add_pid(c, list);
	if (r == 0)
		r = add_user(c, list);
	if (r < 0)
		return r;
	if (c->in->utsns)
		add(list, "uts", c->in->utsns);
	/* On cgroup v2 the container's own cgroup appears as the root.  A privileged container
	 * manages the host's cgroups. */
	if (c->in->host->cgroup_v2 && !c->privileged)
		add(list, "cgroup", NULL);
	return 0;
}
