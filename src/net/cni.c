/*
 * cni.c - execution of the CNI commands: order of plugins, passing on of results, commands of each
 * version (SPEC section 3).
 */
#include "net/cni.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "net/cni_list.h"
#include "net/cni_plugin.h"

/* Lifetime of a cached result. */
#define CONF_NS (10 * NSEC_PER_SEC)
#define STATUS_NS NSEC_PER_SEC

static void list_donep(struct cni_list *l)
{
	cni_list_done(l);
}

static void decrefp(json_t **v)
{
	json_decref(*v);
}

void cni_conf_done(struct cni_conf *c)
{
	free(c->name);
	free(c->json);
	*c = CNI_CONF_NULL;
}

int cni_conf_find(const char *dir, const char *default_name, const char *const *plugin_dirs,
		  struct cni_conf *ret, struct err *e)
{
	_cleanup_(list_donep) struct cni_list l = CNI_LIST_NULL;
	int r = cni_list_find(dir, default_name, plugin_dirs, &l, e);

	if (r < 0)
		return r;
	*ret = (struct cni_conf){ .name = xstrdup(l.name),
				  .json = json_dumps(l.root, JSON_COMPACT) };
	return 0;
}

/* Parse a stored configuration. */
static int parse_conf(const char *json, struct cni_list *ret, struct err *e)
{
	if (cni_list_parse(json, strlen(json), ret, e) < 0)
		return err_wrap(e, "stored CNI configuration");
	return 0;
}

/* Parse a stored result; NULL: none. */
static int parse_prev(const char *json, json_t **ret, struct err *e)
{
	json_error_t why;

	if (!json || !*json)
		return 0;
	*ret = json_loads(json, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(*ret))
		return 0;
	return err_set(e, ERR_INVALID, "stored CNI result: not a JSON object");
}

static json_t *plugin_at(const struct cni_list *l, size_t i)
{
	return json_array_get(l->plugins, i);
}

/* Run one command for every plugin in order, with the same previous result. */
static int run_all(struct cni_call *call, struct err *e)
{
	size_t n = json_array_size(call->list->plugins);

	for (size_t i = 0; i < n; i++) {
		int r = cni_plugin_run(call, plugin_at(call->list, i), NULL, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Run one command in reverse order, to free resources.  Continue after a failed plugin; return the
 * first error. */
static int run_all_reverse(struct cni_call *call, struct err *e)
{
	struct err first = ERR_NULL;

	for (size_t i = json_array_size(call->list->plugins); i-- > 0;)
		if (cni_plugin_run(call, plugin_at(call->list, i), NULL, e) < 0 && !first.code)
			first = *e;
	if (!first.code)
		return 0;
	*e = first;
	return -(int)e->code;
}

/* *ret_status: plugins ran STATUS. */
static int ready(const char *dir, const char *default_name, const char *const *plugin_dirs,
		 int64_t timeout_ms, bool *ret_status, struct err *e)
{
	_cleanup_(list_donep) struct cni_list l = CNI_LIST_NULL;
	const struct cni_request req = { .plugin_dirs = plugin_dirs, .timeout_ms = timeout_ms };
	struct cni_call call = { .command = "STATUS", .list = &l, .req = &req };
	int r = cni_list_find(dir, default_name, plugin_dirs, &l, e);

	*ret_status = r == 0 && l.version >= CNI_VERSION_1_1_0;
	return *ret_status ? run_all(&call, e) : r;
}

int cni_ready(const char *dir, const char *default_name, const char *const *plugin_dirs,
	      int64_t timeout_ms, struct err *e)
{
	bool status;

	return ready(dir, default_name, plugin_dirs, timeout_ms, &status, e);
}

/* true: the failure counts not yet. */
static bool excuse(struct cni_readiness *cache, int64_t grace_ns, int64_t now,
		   const struct err *why)
{
	if (!cache->was_ready)
		return false;
	if (!cache->failing_ns)
		cache->failing_ns = now;
	if (now - cache->failing_ns >= grace_ns)
		return false;
	cache->excused = *why;
	return true;
}

int cni_ready_cached(const char *dir, const char *default_name, const char *const *plugin_dirs,
		     int64_t timeout_ms, int64_t grace_ns, struct cni_readiness *cache,
		     struct err *e)
{
	uint64_t signature = cni_list_signature(dir, plugin_dirs);
	bool status, fails;
	int64_t now;
	int r;

	if (cache->signature == signature && clock_monotonic_ns() < cache->until_ns) {
		*e = cache->why;
		return -(int)e->code;
	}
	r = ready(dir, default_name, plugin_dirs, timeout_ms, &status, e);
	now = clock_monotonic_ns();
	fails = r < 0;
	cache->excused = ERR_NULL;
	if (fails && excuse(cache, grace_ns, now, e))
		r = 0;
	cache->was_ready = r == 0;
	if (!fails || r < 0)
		cache->failing_ns = 0;
	cache->signature = signature;
	cache->until_ns = now + (status || fails ? STATUS_NS : CONF_NS);
	cache->why = r < 0 ? *e : ERR_NULL;
	return r;
}

/* Run one ADD; *prev becomes its result and *json the result's text. */
static int add_one(struct cni_call *call, json_t *plugin, json_t **prev, char **json, struct err *e)
{
	_cleanup_(cni_result_done) struct cni_result result = CNI_RESULT_NULL;
	_cleanup_free_ char *output = NULL;
	const char *version;
	int r;

	call->prev_result = *prev;
	r = cni_plugin_run(call, plugin, &output, e);
	if (r < 0)
		return r;
	/* Validate every plugin's result, because the next plugin gets it. */
	if (cni_result_parse(output, &result, e) < 0)
		return err_wrap(e, "CNI ADD, plugin %s of network %s: bad result",
				json_string_value(json_object_get(plugin, "type")),
				call->list->name);
	json_decref(*prev);
	*prev = json_loads(output, JSON_REJECT_DUPLICATES, NULL);
	version = json_string_value(json_object_get(*prev, "cniVersion"));
	if (!version || !*version)
		json_object_set_new(*prev, "cniVersion", json_string(call->list->version_text));
	free(*json);
	*json = json_dumps(*prev, JSON_COMPACT);
	return 0;
}

int cni_add(const char *conf_json, const struct cni_request *req, char **ret_result_json,
	    struct cni_result *ret, struct err *e)
{
	_cleanup_(list_donep) struct cni_list l = CNI_LIST_NULL;
	_cleanup_(decrefp) json_t *prev = NULL;
	_cleanup_free_ char *json = NULL;
	struct cni_call call = { .command = "ADD", .list = &l, .req = req };
	int r = parse_conf(conf_json, &l, e);

	for (size_t i = 0; !r && i < json_array_size(l.plugins); i++)
		r = add_one(&call, plugin_at(&l, i), &prev, &json, e);
	if (!r)
		r = cni_result_parse(json, ret, e);
	if (r < 0)
		return r;
	*ret_result_json = take_ptr(json);
	return 0;
}

int cni_del(const char *conf_json, const struct cni_request *req, const char *prev_result_json,
	    struct err *e)
{
	_cleanup_(list_donep) struct cni_list l = CNI_LIST_NULL;
	_cleanup_(decrefp) json_t *prev = NULL;
	struct cni_call call = { .command = "DEL", .list = &l, .req = req };
	int r = parse_conf(conf_json, &l, e);

	if (!r)
		r = parse_prev(prev_result_json, &prev, e);
	if (r < 0)
		return r;
	/* Before 0.4.0, DEL gets no previous result. */
	call.prev_result = l.version >= CNI_VERSION_0_4_0 ? prev : NULL;
	return run_all_reverse(&call, e);
}

int cni_check(const char *conf_json, const struct cni_request *req, const char *prev_result_json,
	      struct err *e)
{
	_cleanup_(list_donep) struct cni_list l = CNI_LIST_NULL;
	_cleanup_(decrefp) json_t *prev = NULL;
	struct cni_call call = { .command = "CHECK", .list = &l, .req = req };
	int r = parse_conf(conf_json, &l, e);

	if (r < 0)
		return r;
	if (l.version < CNI_VERSION_0_4_0 || l.disable_check)
		return 0;
	r = parse_prev(prev_result_json, &prev, e);
	if (r < 0)
		return r;
	if (!prev)
		return err_set(e, ERR_PRECONDITION, "CNI CHECK of network %s: no result of ADD",
			       l.name);
	call.prev_result = prev;
	return run_all(&call, e);
}

bool cni_maps_ports(const char *conf_json)
{
	_cleanup_(list_donep) struct cni_list l = CNI_LIST_NULL;
	struct err ignored = ERR_NULL;
	bool maps = false;

	if (parse_conf(conf_json, &l, &ignored) < 0)
		return false;
	for (size_t i = 0; i < json_array_size(l.plugins); i++) {
		json_t *declared = json_object_get(plugin_at(&l, i), "capabilities");

		maps |= json_is_true(json_object_get(declared, "portMappings"));
	}
	return maps;
}

bool cni_has_gc(const char *conf_json)
{
	_cleanup_(list_donep) struct cni_list l = CNI_LIST_NULL;
	struct err ignored = ERR_NULL;

	return parse_conf(conf_json, &l, &ignored) == 0 && l.version >= CNI_VERSION_1_1_0 &&
	       !l.disable_gc;
}

int cni_gc(const char *conf_json, const struct cni_attachment *alive, size_t n,
	   const char *const *plugin_dirs, int64_t timeout_ms, struct err *e)
{
	_cleanup_(list_donep) struct cni_list l = CNI_LIST_NULL;
	_cleanup_(decrefp) json_t *list = json_array();
	const struct cni_request req = { .plugin_dirs = plugin_dirs, .timeout_ms = timeout_ms };
	struct cni_call call = { .command = "GC", .list = &l, .req = &req, .attachments = list };
	int r = parse_conf(conf_json, &l, e);

	if (r < 0 || l.version < CNI_VERSION_1_1_0 || l.disable_gc)
		return r;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s,s:s}", "containerID", alive[i].container_id,
						"ifname", alive[i].ifname));
	return run_all_reverse(&call, e);
}
