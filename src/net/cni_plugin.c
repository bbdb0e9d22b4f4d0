/*
 * cni_plugin.c - build a plugin's environment and configuration, run it, interpret output and
 * errors.
 */
#include "net/cni_plugin.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/util.h"
#include "os/spawn.h"

/* Error codes of the specification for temporary failures. */
#define CODE_TRY_AGAIN 11
#define CODE_NOT_AVAILABLE 50
#define CODE_NOT_AVAILABLE_YET 51

#define TEXT_SHOWN 256 /* of malformed output */

/* --- configuration --- */

static json_t *strings(const char *const *list)
{
	json_t *a = json_array();

	for (; list && *list; list++)
		json_array_append_new(a, json_string(*list));
	return a;
}

static json_t *port_mappings(const struct cni_request *req)
{
	json_t *a = json_array();

	for (size_t i = 0; i < req->n_port_mappings; i++) {
		const struct cni_port_mapping *m = &req->port_mappings[i];
		json_t *o = json_pack("{s:i,s:i,s:s}", "hostPort", m->host_port, "containerPort",
				      m->container_port, "protocol", m->protocol);

		if (m->host_ip && *m->host_ip)
			json_object_set_new(o, "hostIP", json_string(m->host_ip));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *bandwidth(const struct cni_bandwidth *b)
{
	json_t *o = json_object();

	/* A rate of 0 is an error for the plugin, not "no limit". */
	if (b->ingress_rate) {
		json_object_set_new(o, "ingressRate", json_integer((json_int_t)b->ingress_rate));
		json_object_set_new(o, "ingressBurst", json_integer((json_int_t)b->ingress_burst));
	}
	if (b->egress_rate) {
		json_object_set_new(o, "egressRate", json_integer((json_int_t)b->egress_rate));
		json_object_set_new(o, "egressBurst", json_integer((json_int_t)b->egress_burst));
	}
	return o;
}

static json_t *annotations(const struct cni_request *req)
{
	json_t *o = json_object();

	for (size_t i = 0; i < req->n_annotations; i++)
		json_object_set_new(o, req->annotations[i].key,
				    json_string(req->annotations[i].value));
	return o;
}

/* The value for a capability, new; NULL: omit the capability. */
static json_t *capability(const struct cni_request *req, const char *name)
{
	if (strcmp(name, "portMappings") == 0 && req->n_port_mappings)
		return port_mappings(req);
	if (strcmp(name, "bandwidth") == 0 && req->bandwidth)
		return bandwidth(req->bandwidth);
	if (strcmp(name, "dns") == 0 && (req->dns_servers || req->dns_searches || req->dns_options))
		return json_pack("{s:o,s:o,s:o}", "servers", strings(req->dns_servers), "searches",
				 strings(req->dns_searches), "options", strings(req->dns_options));
	if (strcmp(name, "io.kubernetes.cri.pod-annotations") == 0 && req->n_annotations)
		return annotations(req);
	if (strcmp(name, "cgroupPath") == 0 && req->cgroup_path)
		return json_string(req->cgroup_path);
	if (strcmp(name, "ips") == 0 && req->ips)
		return strings(req->ips);
	return NULL;
}

static void add_runtime_config(const struct cni_request *req, json_t *declared, json_t *conf)
{
	json_t *runtime = json_object(), *on;
	const char *name;

	json_object_foreach(declared, name, on)
	{
		json_t *v = json_is_true(on) ? capability(req, name) : NULL;

		if (v)
			json_object_set_new(runtime, name, v);
	}
	if (json_object_size(runtime))
		json_object_set(conf, "runtimeConfig", runtime);
	json_decref(runtime);
}

/* args.cni.ips, for plugins without the capability `ips` (CONVENTIONS). */
static void add_ips(const char *const *ips, json_t *conf)
{
	json_t *old = json_object_get(conf, "args");
	json_t *args = json_is_object(old) ? json_deep_copy(old) : json_object();
	json_t *cni = json_object_get(args, "cni");

	if (!json_is_object(cni)) {
		cni = json_object();
		json_object_set_new(args, "cni", cni);
	}
	json_object_set_new(cni, "ips", strings(ips));
	json_object_set_new(conf, "args", args);
}

/* SPEC "Deriving request configuration from plugin configuration"; malloc'ed. */
static char *make_config(const struct cni_call *call, json_t *plugin)
{
	json_t *conf = json_copy(plugin);
	char *text;

	json_object_set_new(conf, "cniVersion", json_string(call->list->version_text));
	json_object_set_new(conf, "name", json_string(call->list->name));
	json_object_del(conf, "runtimeConfig");
	json_object_del(conf, "prevResult");
	json_object_del(conf, "capabilities");
	if (call->req->container_id)
		add_runtime_config(call->req, json_object_get(plugin, "capabilities"), conf);
	if (call->req->ips)
		add_ips(call->req->ips, conf);
	if (call->prev_result)
		json_object_set(conf, "prevResult", call->prev_result);
	if (call->attachments)
		json_object_set(conf, "cni.dev/valid-attachments", call->attachments);
	text = json_dumps(conf, JSON_COMPACT);
	json_decref(conf);
	return text;
}

/* --- environment --- */

struct env {
	char *vars[8]; /* NULL-terminated */
	size_t n;
};

static void env_done(struct env *env)
{
	for (size_t i = 0; i < env->n; i++)
		free(env->vars[i]);
}

/* Takes ownership of var. */
static void env_add(struct env *env, char *var)
{
	if (env->n + 1 == ARRAY_LEN(env->vars))
		abort();
	env->vars[env->n++] = var;
}

static int add_arg(struct buf *args, const char *key, const char *value, struct err *e)
{
	if (!value)
		return 0;
	if (strpbrk(value, ";="))
		return err_set(e, ERR_INVALID,
			       "%s: \"%s\" must not contain ; or =: CNI plugins could "
			       "not tell where it ends",
			       key, value);
	buf_printf(args, ";%s=%s", key, value);
	return 0;
}

static int add_request(const struct cni_request *req, struct env *env, struct err *e)
{
	_cleanup_buf_ struct buf args = BUF_NULL;
	int r;

	buf_puts(&args, "CNI_ARGS=IgnoreUnknown=1");
	r = add_arg(&args, "K8S_POD_NAMESPACE", req->pod_namespace, e);
	if (!r)
		r = add_arg(&args, "K8S_POD_NAME", req->pod_name, e);
	if (!r)
		r = add_arg(&args, "K8S_POD_INFRA_CONTAINER_ID", req->container_id, e);
	if (!r)
		r = add_arg(&args, "K8S_POD_UID", req->pod_uid, e);
	if (r < 0)
		return r;
	env_add(env, buf_take(&args));
	env_add(env, xasprintf("CNI_CONTAINERID=%s", req->container_id));
	env_add(env, xasprintf("CNI_NETNS=%s", req->netns ? req->netns : ""));
	env_add(env, xasprintf("CNI_IFNAME=%s", req->ifname));
	return 0;
}

static int make_env(const struct cni_call *call, struct env *env, struct err *e)
{
	_cleanup_buf_ struct buf path = BUF_NULL;
	const char *ours = getenv("PATH");

	buf_puts(&path, "CNI_PATH=");
	for (const char *const *d = call->req->plugin_dirs; d && *d; d++)
		buf_printf(&path, "%s%s", d == call->req->plugin_dirs ? "" : ":", *d);
	env_add(env, buf_take(&path));
	/* Plugins start iptables and other plugins. */
	env_add(env, xasprintf("PATH=%s", ours && *ours ? ours : "/usr/sbin:/usr/bin:/sbin:/bin"));
	env_add(env, xasprintf("CNI_COMMAND=%s", call->command));
	return call->req->container_id ? add_request(call->req, env, e) : 0;
}

/* --- the run --- */

/* Describe output that is no error object. */
static void describe_rubbish(const struct spawn_result *res, struct buf *to)
{
	buf_printf(to, "exit status %d", res->status);
	if (!res->out.len)
		buf_puts(to, " and no output");
	else
		buf_puts(to, " and not the error object it should have printed: ");
	buf_add_clean(to, res->out.data ? res->out.data : "",
		      MIN(res->out.len, (size_t)TEXT_SHOWN));
}

/* Parse SPEC section 5, "Error".  Returns the plugin's code, 0: no code. */
static int describe_error(const struct spawn_result *res, struct buf *to)
{
	json_t *root = json_loadb(res->out.data ? res->out.data : "", res->out.len,
				  JSON_REJECT_DUPLICATES, NULL);
	json_t *code = json_object_get(root, "code");
	const char *msg = json_string_value(json_object_get(root, "msg"));
	const char *details = json_string_value(json_object_get(root, "details"));
	int n = 0;

	if (json_is_integer(code) && msg) {
		n = (int)json_integer_value(code);
		buf_printf(to, "code %d: ", n);
		buf_add_clean(to, msg, MIN(strlen(msg), (size_t)ERR_TEXT_MAX));
		if (details && *details) {
			buf_puts(to, "; ");
			buf_add_clean(to, details, MIN(strlen(details), (size_t)TEXT_SHOWN));
		}
	} else {
		describe_rubbish(res, to);
	}
	json_decref(root);
	return n;
}

static int fail_plugin(const struct spawn_result *res, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int code = describe_error(res, &text);
	bool later = code == CODE_TRY_AGAIN || code == CODE_NOT_AVAILABLE ||
		     code == CODE_NOT_AVAILABLE_YET;

	if (res->err.len)
		buf_printf(&text, "; stderr: %s", res->err.data);
	return err_set(e, later ? ERR_UNAVAILABLE : ERR_INTERNAL, "%s", text.data);
}

static void result_donep(struct spawn_result *res)
{
	spawn_result_done(res);
}

static int run(const struct cni_call *call, json_t *plugin, const char *type, char **ret_output,
	       struct err *e)
{
	_cleanup_free_ char *program = cni_list_find_plugin(call->req->plugin_dirs, type);
	_cleanup_(result_donep) struct spawn_result res = SPAWN_RESULT_NULL;
	_cleanup_(env_done) struct env env = { .n = 0 };
	_cleanup_free_ char *config = NULL;
	struct spawn s = SPAWN_NULL;
	int r;

	if (!program)
		return err_set(e, ERR_INTERNAL, "the program is not in any plugin directory");
	r = fs_check_trusted(program, e);
	if (r == 0)
		r = make_env(call, &env, e);
	if (r < 0)
		return r;
	config = make_config(call, plugin);
	s.argv = (const char *const[]){ program, NULL };
	s.envp = (const char *const *)env.vars;
	if (call->req->hold_fd > 0)
		s.pass_fd = call->req->hold_fd;
	r = spawn_run_as(&s, config, strlen(config), LIMIT_CNI_OUTPUT, call->req->timeout_ms, &res,
			 e);
	if (r < 0)
		return r;
	if (res.status != 0)
		return fail_plugin(&res, e);
	if (ret_output)
		*ret_output = buf_take(&res.out);
	return 0;
}

int cni_plugin_run(const struct cni_call *call, json_t *plugin, char **ret_output, struct err *e)
{
	const char *type = json_string_value(json_object_get(plugin, "type"));

	if (run(call, plugin, type, ret_output, e) < 0)
		return err_wrap(e, "CNI %s, plugin %s of network %s", call->command, type,
				call->list->name);
	return 0;
}
