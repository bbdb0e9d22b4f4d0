/*
 * cni_result.c - parser and validator of ADD results.
 */
#include "net/cni_result.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "net/cni_list.h"

#define ITEMS_MAX 64

void cni_result_done(struct cni_result *r)
{
	for (size_t i = 0; i < r->n_ips; i++) {
		free(r->ips[i].address);
		free(r->ips[i].gateway);
	}
	for (size_t i = 0; i < r->n_interfaces; i++) {
		free(r->interfaces[i].name);
		free(r->interfaces[i].mac);
		free(r->interfaces[i].sandbox);
	}
	free(r->ips);
	free(r->interfaces);
	free(r->mac);
	*r = CNI_RESULT_NULL;
}

/* A string that may be missing or empty; *ret is malloc'ed or NULL. */
static int read_text(json_t *object, const char *key, const char *where, size_t i, char **ret,
		     struct err *e)
{
	json_t *v = json_object_get(object, key);

	if (v && !json_is_null(v) && !json_is_string(v))
		return err_set(e, ERR_INVALID, "%s[%zu].%s: must be a string", where, i, key);
	if (json_is_string(v) && json_string_length(v))
		*ret = xstrdup(json_string_value(v));
	return 0;
}

static int read_list(json_t *root, const char *key, json_t **ret, struct err *e)
{
	*ret = json_object_get(root, key);
	if (!*ret || json_is_null(*ret))
		return 0;
	if (!json_is_array(*ret))
		return err_set(e, ERR_INVALID, "%s: must be a list", key);
	if (json_array_size(*ret) > ITEMS_MAX)
		return err_set(e, ERR_INVALID, "%s: more than %d entries", key, ITEMS_MAX);
	return 0;
}

static int read_interfaces(json_t *root, struct cni_result *ret, struct err *e)
{
	json_t *list, *item;
	size_t i;
	int r = read_list(root, "interfaces", &list, e);

	if (r < 0)
		return r;
	ret->interfaces = xcalloc(json_array_size(list), sizeof(*ret->interfaces));
	json_array_foreach(list, i, item)
	{
		struct cni_interface *f = &ret->interfaces[i];

		ret->n_interfaces = i + 1;
		if (!json_is_object(item))
			return err_set(e, ERR_INVALID, "interfaces[%zu]: must be an object", i);
		r = read_text(item, "name", "interfaces", i, &f->name, e);
		if (!r)
			r = read_text(item, "mac", "interfaces", i, &f->mac, e);
		if (!r)
			r = read_text(item, "sandbox", "interfaces", i, &f->sandbox, e);
		if (r < 0)
			return r;
		if (!f->name)
			return err_set(e, ERR_INVALID, "interfaces[%zu].name: required", i);
	}
	return 0;
}

static bool is_address(const char *s, bool *ret_v6)
{
	unsigned char bytes[16];

	*ret_v6 = strchr(s, ':');
	return inet_pton(*ret_v6 ? AF_INET6 : AF_INET, s, bytes) == 1;
}

static int read_ip(json_t *item, size_t i, const struct cni_result *result, struct cni_ip *ip,
		   struct err *e)
{
	json_t *interface = json_object_get(item, "interface");
	bool v6, gateway_v6;
	char *slash;
	int64_t prefix;
	int r = read_text(item, "address", "ips", i, &ip->address, e);

	if (!r)
		r = read_text(item, "gateway", "ips", i, &ip->gateway, e);
	if (r < 0)
		return r;
	slash = ip->address ? strchr(ip->address, '/') : NULL;
	if (!slash)
		return err_set(e, ERR_INVALID, "ips[%zu].address: ADDRESS/PREFIX is required", i);
	*slash = '\0';
	if (!is_address(ip->address, &v6) || str_to_i64(slash + 1, 0, v6 ? 128 : 32, &prefix) < 0)
		return err_set(e, ERR_INVALID, "ips[%zu].address: %s/%s is not an address", i,
			       ip->address, slash + 1);
	if (ip->gateway && !is_address(ip->gateway, &gateway_v6))
		return err_set(e, ERR_INVALID, "ips[%zu].gateway: %s is not an address", i,
			       ip->gateway);
	ip->prefix = (int)prefix;
	ip->interface = -1;
	if (!interface || json_is_null(interface))
		return 0;
	if (!json_is_integer(interface) || json_integer_value(interface) < 0 ||
	    json_integer_value(interface) >= (json_int_t)result->n_interfaces)
		return err_set(e, ERR_INVALID, "ips[%zu].interface: there is no such interface", i);
	ip->interface = (int)json_integer_value(interface);
	return 0;
}

static bool is_on_host(const struct cni_result *r, const struct cni_ip *ip)
{
	return ip->interface >= 0 && !r->interfaces[ip->interface].sandbox;
}

/* Keep the pod's addresses, drop those of the host's end. */
static void keep_ours(struct cni_result *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_ips; i++) {
		if (is_on_host(r, &r->ips[i])) {
			free(r->ips[i].address);
			free(r->ips[i].gateway);
		} else {
			r->ips[n++] = r->ips[i];
		}
	}
	r->n_ips = n;
	for (size_t i = 0; i < r->n_interfaces && !r->mac; i++)
		if (r->interfaces[i].sandbox && r->interfaces[i].mac)
			r->mac = xstrdup(r->interfaces[i].mac);
}

static int read_ips(json_t *root, struct cni_result *ret, struct err *e)
{
	json_t *list, *item;
	size_t i;
	int r = read_list(root, "ips", &list, e);

	if (r < 0)
		return r;
	ret->ips = xcalloc(json_array_size(list), sizeof(*ret->ips));
	json_array_foreach(list, i, item)
	{
		ret->n_ips = i + 1;
		if (!json_is_object(item))
			return err_set(e, ERR_INVALID, "ips[%zu]: must be an object", i);
		r = read_ip(item, i, ret, &ret->ips[i], e);
		if (r < 0)
			return r;
	}
	keep_ours(ret);
	return 0;
}

/* The form before 0.3.0: {"ip4": {"ip": ADDRESS/PREFIX, "gateway"}, "ip6"}, as entries of "ips". */
static void convert_old(json_t *root)
{
	static const char *const keys[] = { "ip4", "ip6" };
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		json_t *old = json_object_get(root, keys[i]);

		if (old && !json_is_null(old))
			json_array_append_new(list, json_pack("{s:O*, s:O*}", "address",
							      json_object_get(old, "ip"), "gateway",
							      json_object_get(old, "gateway")));
	}
	if (json_array_size(list) && !json_object_get(root, "ips"))
		json_object_set(root, "ips", list);
	json_decref(list);
}

static void decrefp(json_t **v)
{
	json_decref(*v);
}

int cni_result_parse(const char *json, struct cni_result *ret, struct err *e)
{
	_cleanup_(cni_result_done) struct cni_result result = CNI_RESULT_NULL;
	_cleanup_(decrefp) json_t *root = NULL;
	enum cni_version version;
	json_error_t why;
	const char *text;
	int r;

	root = json_loads(json, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return err_set(e, ERR_INVALID, "line %d: not JSON: %s", why.line, why.text);
	if (!json_is_object(root))
		return err_set(e, ERR_INVALID, "not a JSON object");
	text = json_string_value(json_object_get(root, "cniVersion"));
	if (!text && json_object_get(root, "cniVersion"))
		return err_set(e, ERR_INVALID, "cniVersion: must be a string");
	/* Without a version it is the configuration's. */
	if (text && *text && cni_version_parse(text, &version) < 0)
		return err_set(e, ERR_INVALID,
			       "cniVersion: %s is not supported, 0.1.0 to 1.1.0 are", text);
	convert_old(root);
	r = read_interfaces(root, &result, e);
	if (!r)
		r = read_ips(root, &result, e);
	if (r < 0)
		return r;
	*ret = result;
	result = CNI_RESULT_NULL;
	return 0;
}
