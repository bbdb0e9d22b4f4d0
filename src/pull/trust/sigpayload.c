/*
 * sigpayload.c - strict parsing of the critical part with jansson.
 */
#include "pull/trust/sigpayload.h"

#include <jansson.h>
#include <string.h>

#include "base/util.h"
#include "image/policy.h"

#define TYPE_SIMPLE "atomic container signature"
#define TYPE_SIGSTORE "cosign container image signature"

void sigpayload_done(struct sigpayload *p)
{
	image_ref_done(&p->signed_as);
	*p = SIGPAYLOAD_NULL;
}

/* The object under key; its members must be exactly these. */
static int get_object(const json_t *parent, const char *key, const char *const *members,
		      const json_t **ret, struct err *e)
{
	const json_t *object = json_object_get(parent, key);
	size_t n = 0;

	if (!json_is_object(object))
		return err_set(e, ERR_INVALID, "%s is missing or not an object", key);
	for (; members[n]; n++)
		if (!json_object_get(object, members[n]))
			return err_set(e, ERR_INVALID, "%s.%s is missing", key, members[n]);
	if (json_object_size(object) != n)
		return err_set(e, ERR_INVALID, "%s has members that are not known", key);
	*ret = object;
	return 0;
}

static int get_text(const json_t *object, const char *key, const char **ret, struct err *e)
{
	*ret = json_string_value(json_object_get(object, key));
	return *ret ? 0 : err_set(e, ERR_INVALID, "%s is not a text", key);
}

static int parse_critical(const json_t *critical, const char *wanted_type, struct sigpayload *p,
			  struct err *e)
{
	static const char *const image_members[] = { "docker-manifest-digest", NULL };
	static const char *const identity_members[] = { "docker-reference", NULL };
	const json_t *image, *identity;
	const char *type, *digest, *reference;
	int r = get_text(critical, "type", &type, e);

	r = r < 0 ? r : get_object(critical, "image", image_members, &image, e);
	r = r < 0 ? r : get_object(critical, "identity", identity_members, &identity, e);
	r = r < 0 ? r : get_text(image, "docker-manifest-digest", &digest, e);
	r = r < 0 ? r : get_text(identity, "docker-reference", &reference, e);
	if (r < 0)
		return r;
	if (strcmp(type, wanted_type) != 0)
		return err_set(e, ERR_INVALID, "type is \"%.60s\" and not \"%s\"", type,
			       wanted_type);
	if (!image_digest_is_valid(digest))
		return err_set(e, ERR_INVALID,
			       "docker-manifest-digest \"%.90s\" is not a sha256 digest", digest);
	memcpy(p->digest, digest, DIGEST_TEXT);
	if (policy_ref_parse(reference, &p->signed_as, e) < 0)
		return err_wrap(e, "docker-reference");
	return 0;
}

static int parse_root(const json_t *root, bool sigstore, struct sigpayload *p, struct err *e)
{
	static const char *const members[] = { "image", "identity", "type", NULL };
	const json_t *optional = json_object_get(root, "optional"), *critical;

	if (optional && !json_is_object(optional) && !json_is_null(optional))
		return err_set(e, ERR_INVALID, "optional is not an object");
	if (json_object_size(root) != (optional ? 2 : 1))
		return err_set(e, ERR_INVALID, "not an object of critical and optional");
	if (get_object(root, "critical", members, &critical, e) < 0)
		return -(int)e->code;
	if (parse_critical(critical, sigstore ? TYPE_SIGSTORE : TYPE_SIMPLE, p, e) < 0)
		return err_wrap(e, "critical");
	return 0;
}

int sigpayload_parse(const char *json, size_t size, bool sigstore, struct sigpayload *ret,
		     struct err *e)
{
	json_error_t bad;
	json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &bad);
	int r;

	*ret = SIGPAYLOAD_NULL;
	if (!root)
		return err_set(e, ERR_INVALID, "payload: line %d: %s", bad.line, bad.text);
	r = parse_root(root, sigstore, ret, e);
	json_decref(root);
	return r < 0 ? err_wrap(e, "payload") : 0;
}
