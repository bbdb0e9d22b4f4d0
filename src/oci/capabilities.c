/*
 * capabilities.c - process.capabilities: the default set with the request's additions and drops,
 * limited to the daemon's own capabilities.
 * Order as in the CRI: "ALL" first, then single additions, then single drops.  Capabilities that
 * the daemon lacks are omitted with a warning, because the runtime would refuse the whole
 * container.
 */
#include "oci/capabilities.h"

#include <strings.h>

#include "os/caps.h"

static bool has_all(char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(list[i], "ALL") == 0)
			return true;
	return false;
}

/* The single capabilities of a list as a set. */
static int parse_list(struct oci_ctx *c, char *const *list, size_t n, const char *field,
		      uint64_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		unsigned number;

		if (strcasecmp(list[i], "ALL") == 0)
			continue;
		if (caps_parse(list[i], &number) < 0)
			return err_set(c->e, ERR_INVALID, "%s: \"%.64s\" is not a capability",
				       field, list[i]);
		*ret |= CAPS_BIT(number);
	}
	return 0;
}

static int default_set(struct oci_ctx *c, uint64_t *ret)
{
	char **list = c->in->conf->default_capabilities;
	size_t n = 0;

	while (list && list[n])
		n++;
	if (has_all(list, n))
		*ret = caps_known();
	return parse_list(c, list, n, "crio.runtime.default_capabilities", ret);
}

static void warn_missing(struct oci_ctx *c, uint64_t asked)
{
	for (unsigned i = 0; caps_name(i); i++)
		if (asked & ~c->in->host->bounding & CAPS_BIT(i))
			oci_ctx_warn(c, "capability %s is left out: the daemon itself lacks it",
				     caps_name(i));
}

static json_t *set_json(uint64_t set)
{
	json_t *list = oci_json_array();

	for (unsigned i = 0; caps_name(i); i++)
		if (set & CAPS_BIT(i))
			oci_json_push_text(list, caps_name(i));
	return list;
}

/* Apply the request to the default set; *ret_ambient: capabilities that survive an exec without
 * root. */
static int apply_request(struct oci_ctx *c, uint64_t *set, uint64_t *ret_ambient)
{
	const Runtime__V1__Capability *req = c->sec->capabilities;
	uint64_t add = 0, drop = 0, ambient = 0;
	int r;

	if (!req)
		return 0;
	r = parse_list(c, req->add_capabilities, req->n_add_capabilities,
		       "security_context.capabilities.add_capabilities", &add);
	if (r == 0)
		r = parse_list(c, req->drop_capabilities, req->n_drop_capabilities,
			       "security_context.capabilities.drop_capabilities", &drop);
	if (r == 0)
		r = parse_list(c, req->add_ambient_capabilities, req->n_add_ambient_capabilities,
			       "security_context.capabilities.add_ambient_capabilities", &ambient);
	if (r < 0)
		return r;
	warn_missing(c, add | ambient);
	if (has_all(req->add_capabilities, req->n_add_capabilities))
		*set = caps_known();
	if (has_all(req->add_ambient_capabilities, req->n_add_ambient_capabilities))
		ambient = *set = caps_known();
	if (has_all(req->drop_capabilities, req->n_drop_capabilities))
		*set = 0;
	*set = (*set | add | ambient) & ~drop;
	*ret_ambient = ambient & *set;
	return 0;
}

int oci_capabilities_build(struct oci_ctx *c)
{
	uint64_t set = 0, ambient = 0, inheritable;
	json_t *out = oci_json_object();
	int r;

	oci_json_put(c->process, "capabilities", out);
	if (c->privileged) {
		set = caps_known();
	} else {
		r = default_set(c, &set);
		if (r == 0)
			r = apply_request(c, &set, &ambient);
		if (r < 0)
			return r;
	}
	set &= c->in->host->bounding;
	ambient &= set;
	inheritable = c->in->conf->add_inheritable_capabilities ? set : ambient;
	c->bounding = set;
	oci_json_put(out, "bounding", set_json(set));
	oci_json_put(out, "effective", set_json(set));
	oci_json_put(out, "permitted", set_json(set));
	if (inheritable)
		oci_json_put(out, "inheritable", set_json(inheritable));
	if (ambient)
		oci_json_put(out, "ambient", set_json(ambient));
	return 0;
}
