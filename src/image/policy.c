/*
 * policy.c - parse policy.json, and select the scope of an image. policy_match.c has the names.
 */
#include "image/policy.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define SYSTEM_POLICY "/etc/containers/policy.json"

struct policy {
	struct policy_scope *scopes; /* the first one is the global default */
	size_t n;
};

static void requirement_done(struct policy_requirement *q)
{
	for (size_t i = 0; q->key_files && q->key_paths[i]; i++)
		buf_done(&q->key_files[i].text);
	free(q->key_files);
	policy_names_free(q->key_paths);
	policy_names_free(q->key_data);
	image_ref_done(&q->identity.ref);
	free(q->identity.prefix);
	free(q->identity.signed_prefix);
	free(q->lacks);
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		for (size_t k = 0; k < p->scopes[i].n; k++)
			requirement_done(&p->scopes[i].list[k]);
		free(p->scopes[i].transport);
		free(p->scopes[i].name);
		free(p->scopes[i].list);
	}
	free(p->scopes);
	free(p);
}

static void read_keys(struct policy_requirement *q)
{
	size_t n = 0;

	while (q->key_paths && q->key_paths[n])
		n++;
	if (!n || q->key_files)
		return;
	q->key_files = xcalloc(n, sizeof(*q->key_files));
	for (size_t i = 0; i < n; i++) {
		struct policy_key_file *f = &q->key_files[i];

		if (fs_read_trusted(q->key_paths[i], LIMIT_CONF_FILE, &f->text, &f->e) > 0)
			err_set(&f->e, ERR_PRECONDITION, "key %s does not exist", q->key_paths[i]);
	}
}

void policy_read_keys(struct policy *p)
{
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->scopes[i].n; k++)
			read_keys(&p->scopes[i].list[k]);
}

bool policy_has_kind(const struct policy *p, enum policy_kind kind)
{
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->scopes[i].n; k++)
			if (p->scopes[i].list[k].kind == kind)
				return true;
	return false;
}

/* --- members; `at` is the path of an object in the document --- */

static int want_object(const json_t *v, const char *at, struct err *e)
{
	return json_is_object(v) ? 0 : err_set(e, ERR_PRECONDITION, "%s: not an object", at);
}

/* known: NULL-terminated. */
static int only_members(const json_t *object, const char *const *known, const char *at,
			struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)object, key, v)
	{
		const char *const *k = known;

		while (*k && strcmp(*k, key) != 0)
			k++;
		if (!*k)
			return err_set(e, ERR_PRECONDITION, "%s: unknown member \"%.60s\"", at,
				       key);
	}
	return 0;
}

/* *ret is owned by the document. */
static int get_text(const json_t *object, const char *key, const char *at, const char **ret,
		    struct err *e)
{
	const json_t *v = json_object_get(object, key);

	if (!v)
		return err_set(e, ERR_PRECONDITION, "%s.%s: missing", at, key);
	if (!json_is_string(v) || !*json_string_value(v))
		return err_set(e, ERR_PRECONDITION, "%s.%s: not a text, or empty", at, key);
	*ret = json_string_value(v);
	return 0;
}

/* --- identities --- */

static int get_ref(const json_t *v, const char *key, const char *at, struct image_ref *ret,
		   struct err *e)
{
	const char *text;

	if (get_text(v, key, at, &text, e) < 0)
		return -(int)e->code;
	if (policy_ref_parse(text, ret, e) == 0)
		return 0;
	e->code = ERR_PRECONDITION;
	return err_wrap(e, "%s.%s", at, key);
}

/* A host or a prefix of a repository name, such that a component may follow. */
static int get_prefix(const json_t *v, const char *key, const char *at, char **ret, struct err *e)
{
	_cleanup_free_ char *longer = NULL;
	struct image_ref ref = IMAGE_REF_NULL;
	struct err ignored = ERR_NULL;
	const char *text;
	bool good;

	if (get_text(v, key, at, &text, e) < 0)
		return -(int)e->code;
	longer = xasprintf("%s/x", text);
	good = image_ref_parse(longer, &ref, &ignored) == 0 && *ref.domain;
	image_ref_done(&ref);
	if (!good)
		return err_set(e, ERR_PRECONDITION,
			       "%s.%s: \"%.200s\" is not a host or the beginning of a full name",
			       at, key, text);
	*ret = xstrdup(text);
	return 0;
}

static int parse_exact_reference(const json_t *v, const char *at, struct policy_identity *id,
				 struct err *e)
{
	if (get_ref(v, "dockerReference", at, &id->ref, e) < 0)
		return -(int)e->code;
	if (!*id->ref.tag && !*id->ref.digest)
		return err_set(e, ERR_PRECONDITION, "%s.dockerReference: without a tag or a digest",
			       at);
	return 0;
}

static int parse_exact_repository(const json_t *v, const char *at, struct policy_identity *id,
				  struct err *e)
{
	return get_ref(v, "dockerRepository", at, &id->ref, e);
}

static int parse_remap(const json_t *v, const char *at, struct policy_identity *id, struct err *e)
{
	int r = get_prefix(v, "prefix", at, &id->prefix, e);

	return r < 0 ? r : get_prefix(v, "signedPrefix", at, &id->signed_prefix, e);
}

static const struct identity_kind {
	const char *type;
	enum policy_match match;
	const char *members[4]; /* including "type" */
	int (*parse)(const json_t *v, const char *at, struct policy_identity *id, struct err *e);
} identity_kinds[] = {
	{ "matchExact", POLICY_MATCH_EXACT, { "type" }, NULL },
	{ "matchRepoDigestOrExact", POLICY_MATCH_REPO_DIGEST_OR_EXACT, { "type" }, NULL },
	{ "matchRepository", POLICY_MATCH_REPOSITORY, { "type" }, NULL },
	{ "exactReference",
	  POLICY_MATCH_EXACT_REFERENCE,
	  { "type", "dockerReference" },
	  parse_exact_reference },
	{ "exactRepository",
	  POLICY_MATCH_EXACT_REPOSITORY,
	  { "type", "dockerRepository" },
	  parse_exact_repository },
	{ "remapIdentity", POLICY_MATCH_REMAP, { "type", "prefix", "signedPrefix" }, parse_remap },
};

static int parse_identity(const json_t *requirement, const char *above, struct policy_identity *id,
			  struct err *e)
{
	const json_t *v = json_object_get(requirement, "signedIdentity");
	_cleanup_free_ char *at = xasprintf("%s.signedIdentity", above);
	const char *type;

	if (!v)
		return 0; /* POLICY_MATCH_REPO_DIGEST_OR_EXACT is 0 */
	if (want_object(v, at, e) < 0 || get_text(v, "type", at, &type, e) < 0)
		return -(int)e->code;
	for (size_t i = 0; i < ARRAY_LEN(identity_kinds); i++) {
		const struct identity_kind *k = &identity_kinds[i];

		if (strcmp(k->type, type) != 0)
			continue;
		id->match = k->match;
		if (only_members(v, k->members, at, e) < 0)
			return -(int)e->code;
		return k->parse ? k->parse(v, at, id, e) : 0;
	}
	return err_set(e, ERR_PRECONDITION, "%s.type: \"%.60s\" is unknown", at, type);
}

/* --- keys --- */

static int add_key(const json_t *v, bool data, const char *at, char ***list, size_t i,
		   struct err *e)
{
	const char *text = json_string_value(v);

	if (!text || !*text)
		return err_set(e, ERR_PRECONDITION, "%s: not a text, or empty", at);
	if (data && !str_is_base64(text))
		return err_set(e, ERR_PRECONDITION, "%s: not base64", at);
	if (!data && !fs_path_is_clean(text))
		return err_set(e, ERR_PRECONDITION,
			       "%s: \"%.200s\" is not an absolute path without . and ..", at, text);
	(*list)[i] = xstrdup(text);
	return 0;
}

static int parse_key_member(const json_t *v, const char *key, const char *above, bool data,
			    char ***list, struct err *e)
{
	_cleanup_free_ char *at = xasprintf("%s.%s", above, key);
	size_t i, n = json_is_array(v) ? json_array_size(v) : 1;
	const json_t *one;

	*list = xcalloc(n + 1, sizeof(char *));
	if (!str_ends(key, "s"))
		return add_key(v, data, at, list, 0, e);
	if (!json_is_array(v) || n == 0)
		return err_set(e, ERR_PRECONDITION, "%s: not a list, or empty", at);
	json_array_foreach(v, i, one)
	{
		_cleanup_free_ char *each = xasprintf("%s[%zu]", at, i);

		if (add_key(one, data, each, list, i, e) < 0)
			return -(int)e->code;
	}
	return 0;
}

/* members: the alternative names of the keys member; exactly one must exist. */
static int parse_keys(const json_t *v, const char *const *members, const char *at,
		      struct policy_requirement *q, struct err *e)
{
	const char *found = NULL;

	for (; *members; members++) {
		bool data = str_starts(*members, "keyData");
		const json_t *value = json_object_get(v, *members);

		if (!value)
			continue;
		if (found)
			return err_set(e, ERR_PRECONDITION, "%s: both %s and %s", at, found,
				       *members);
		found = *members;
		if (parse_key_member(value, found, at, data, data ? &q->key_data : &q->key_paths,
				     e) < 0)
			return -(int)e->code;
	}
	return found ? 0 : err_set(e, ERR_PRECONDITION, "%s: no keyPath, keyPaths or keyData", at);
}

/* --- requirements --- */

static int parse_gpg(const json_t *v, const char *at, struct policy_requirement *q, struct err *e)
{
	static const char *const keys[] = { "keyPath", "keyPaths", "keyData", NULL };
	static const char *const others[] = { "signedByGPGKeys", "X509Certificates",
					      "signedByX509CAs" };
	const char *type;
	int r = get_text(v, "keyType", at, &type, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (strcmp(type, others[i]) == 0) {
			q->lacks = xasprintf("%s.keyType: \"%s\" is not supported, only GPGKeys",
					     at, type);
			return 0;
		}
	if (strcmp(type, "GPGKeys") != 0)
		return err_set(e, ERR_PRECONDITION, "%s.keyType: \"%.60s\" is unknown", at, type);
	r = parse_keys(v, keys, at, q, e);
	return r < 0 ? r : parse_identity(v, at, &q->identity, e);
}

static int parse_sigstore(const json_t *v, const char *at, struct policy_requirement *q,
			  struct err *e)
{
	static const char *const keys[] = { "keyPath", "keyPaths", "keyData", "keyDatas", NULL };
	static const char *const missing[] = { "fulcio",
					       "pki",
					       "rekorPublicKeyPath",
					       "rekorPublicKeyPaths",
					       "rekorPublicKeyData",
					       "rekorPublicKeyDatas" };
	int r;

	for (size_t i = 0; i < ARRAY_LEN(missing); i++)
		if (json_object_get(v, missing[i])) {
			q->lacks = xasprintf("%s.%s: not supported: give the signer's key as "
					     "keyPath or keyData",
					     at, missing[i]);
			return 0;
		}
	r = parse_keys(v, keys, at, q, e);
	return r < 0 ? r : parse_identity(v, at, &q->identity, e);
}

static const struct requirement_kind {
	const char *type;
	const char *members[14]; /* including "type" */
	int (*parse)(const json_t *v, const char *at, struct policy_requirement *q, struct err *e);
} requirement_kinds[] = {
	[POLICY_KIND_ACCEPT] = { "insecureAcceptAnything", { "type" }, NULL },
	[POLICY_KIND_REJECT] = { "reject", { "type" }, NULL },
	[POLICY_KIND_GPG] = { "signedBy",
			      { "type", "keyType", "keyPath", "keyPaths", "keyData",
				"signedIdentity" },
			      parse_gpg },
	[POLICY_KIND_SIGSTORE] = { "sigstoreSigned",
				   { "type", "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio",
				     "pki", "rekorPublicKeyPath", "rekorPublicKeyPaths",
				     "rekorPublicKeyData", "rekorPublicKeyDatas",
				     "signedIdentity" },
				   parse_sigstore },
};

const char *policy_kind_name(enum policy_kind kind)
{
	return requirement_kinds[kind].type;
}

static int parse_requirement(const json_t *v, const char *at, struct policy_requirement *q,
			     struct err *e)
{
	const char *type;

	if (want_object(v, at, e) < 0 || get_text(v, "type", at, &type, e) < 0)
		return -(int)e->code;
	for (size_t i = 0; i < ARRAY_LEN(requirement_kinds); i++) {
		const struct requirement_kind *k = &requirement_kinds[i];

		if (strcmp(k->type, type) != 0)
			continue;
		q->kind = (enum policy_kind)i;
		if (only_members(v, k->members, at, e) < 0)
			return -(int)e->code;
		return k->parse ? k->parse(v, at, q, e) : 0;
	}
	return err_set(e, ERR_PRECONDITION, "%s.type: \"%.60s\" is unknown", at, type);
}

/* Takes transport and name. */
static int parse_scope(struct policy *p, char *transport, char *name, const json_t *list,
		       const char *at, struct err *e)
{
	struct policy_scope *s;
	const json_t *v;
	size_t i;

	p->scopes = xrealloc(p->scopes, (p->n + 1) * sizeof(*p->scopes));
	s = &p->scopes[p->n++];
	*s = (struct policy_scope){ .transport = transport, .name = name };
	if (!json_is_array(list) || json_array_size(list) == 0)
		return err_set(e, ERR_PRECONDITION,
			       "%s: not a list of requirements, or empty (insecureAcceptAnything "
			       "says that there are none)",
			       at);
	s->list = xcalloc(json_array_size(list), sizeof(*s->list));
	json_array_foreach(list, i, v)
	{
		_cleanup_free_ char *each = xasprintf("%s[%zu]", at, i);

		s->n = i + 1;
		if (parse_requirement(v, each, &s->list[i], e) < 0)
			return -(int)e->code;
	}
	return 0;
}

static int parse_transports(struct policy *p, const json_t *transports, struct err *e)
{
	const char *transport, *name;
	json_t *scopes, *list;

	if (!transports)
		return 0;
	if (want_object(transports, "transports", e) < 0)
		return -(int)e->code;
	json_object_foreach((json_t *)(uintptr_t)transports, transport, scopes)
	{
		_cleanup_free_ char *above = xasprintf("transports.%.40s", transport);

		if (want_object(scopes, above, e) < 0)
			return -(int)e->code;
		json_object_foreach(scopes, name, list)
		{
			_cleanup_free_ char *at = xasprintf("%s[\"%.200s\"]", above, name);

			if (parse_scope(p, xstrdup(transport), xstrdup(name), list, at, e) < 0)
				return -(int)e->code;
		}
	}
	return 0;
}

static int parse_root(struct policy *p, const json_t *root, struct err *e)
{
	static const char *const members[] = { "default", "transports", NULL };
	const json_t *list = json_object_get(root, "default");

	if (want_object(root, "the document", e) < 0 ||
	    only_members(root, members, "the document", e) < 0)
		return -(int)e->code;
	if (!list)
		return err_set(e, ERR_PRECONDITION, "default: missing");
	if (parse_scope(p, NULL, NULL, list, "default", e) < 0)
		return -(int)e->code;
	return parse_transports(p, json_object_get(root, "transports"), e);
}

int policy_parse(const char *json, size_t size, struct policy **ret, struct err *e)
{
	_cleanup_(policy_freep) struct policy *p = xcalloc(1, sizeof(*p));
	json_error_t bad;
	json_t *root;
	int r;

	if (size > LIMIT_CONF_FILE)
		return err_set(e, ERR_PRECONDITION, "larger than %d bytes", LIMIT_CONF_FILE);
	root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &bad);
	if (!root)
		return err_set(e, ERR_PRECONDITION, "line %d: %s", bad.line, bad.text);
	r = parse_root(p, root, e);
	json_decref(root);
	if (r < 0)
		return r;
	*ret = take_ptr(p);
	return 0;
}

int policy_load(const char *path, struct policy **ret, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_trusted(path, LIMIT_CONF_FILE, &text, e);

	if (r > 0)
		return err_set(e, ERR_PRECONDITION, "signature policy %s does not exist", path);
	if (r == 0)
		r = policy_parse(text.data ? text.data : "", text.len, ret, e);
	if (r < 0)
		e->code = ERR_PRECONDITION;
	return r < 0 ? err_wrap(e, "signature policy %s", path) : 0;
}

/* --- selection --- */

/* 0: the file exists; 1: it does not. Any other error must not select another policy. */
static int find_file(const char *path, struct err *e)
{
	if (access(path, F_OK) == 0)
		return 0;
	if (errno == ENOENT || errno == ENOTDIR)
		return 1;
	return err_errno(e, ERR_PRECONDITION, errno, "look for signature policy %s", path);
}

static bool is_file_name(const char *s)
{
	return *s != '.' && strlen(s) <= 253 &&
	       !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")];
}

int policy_find(const char *global, const char *dir, const char *namespace, char **ret,
		struct err *e)
{
	_cleanup_free_ char *own = xasprintf("%s/%s.json", dir, namespace);
	int r = 1;

	*ret = NULL;
	if (!is_file_name(namespace))
		return err_set(e, ERR_INVALID, "namespace \"%.60s\" is not one", namespace);
	/* A user who may change the directory could remove the namespace's policy. */
	if (*dir && *namespace)
		r = fs_check_trusted(dir, e);
	if (r == 0)
		r = find_file(own, e);
	if (r == 0)
		*ret = take_ptr(own);
	if (r <= 0)
		return r;
	if (!*global)
		r = find_file(SYSTEM_POLICY, e);
	if (r == 0 || *global)
		*ret = xstrdup(*global ? global : SYSTEM_POLICY);
	return *global ? 0 : r;
}

static const struct policy_scope *find_scope(const struct policy *p, const char *transport,
					     const char *name)
{
	for (size_t i = 1; i < p->n; i++)
		if (strcmp(p->scopes[i].transport, transport) == 0 &&
		    strcmp(p->scopes[i].name, name) == 0)
			return &p->scopes[i];
	return NULL;
}

/* The scope of the first matching name, else of the transport, else the global default. */
static const struct policy_scope *choose(const struct policy *p, const char *transport,
					 char *const *names)
{
	const struct policy_scope *s = NULL;

	for (; *names && !s; names++)
		s = find_scope(p, transport, *names);
	if (!s)
		s = find_scope(p, transport, "");
	return s ? s : &p->scopes[0];
}

const struct policy_scope *policy_of_image(const struct policy *p, const struct image_ref *ref)
{
	char **names = policy_names(ref);
	const struct policy_scope *s = choose(p, "docker", names);

	policy_names_free(names);
	return s;
}

const struct policy_scope *policy_of_layout(const struct policy *p, const char *dir,
					    const char *name)
{
	_cleanup_free_ char *entry = xasprintf("%s:%s", dir, name), *parent = xstrdup(dir);
	char *only[] = { entry, NULL };
	const struct policy_scope *s = find_scope(p, "oci", entry);

	for (char *end; !s && *parent; *end = '\0') {
		s = find_scope(p, "oci", parent);
		end = strrchr(parent, '/');
		if (!end)
			break;
	}
	return s ? s : choose(p, "oci", only);
}

char *policy_scope_text(const struct policy_scope *s)
{
	if (!s->transport)
		return xstrdup("the policy's default");
	if (!*s->name)
		return xasprintf("the default of transport %s", s->transport);
	return xasprintf("scope %s of transport %s", s->name, s->transport);
}

int policy_decide(const struct policy_scope *s, struct err *e)
{
	_cleanup_free_ char *scope = policy_scope_text(s);
	bool signatures = false;

	for (size_t i = 0; i < s->n; i++) {
		if (s->list[i].kind == POLICY_KIND_REJECT)
			return err_set(e, ERR_DENIED, "%s: reject (requirement %zu)", scope, i + 1);
		signatures |= s->list[i].kind != POLICY_KIND_ACCEPT;
	}
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].lacks)
			return err_set(e, ERR_PRECONDITION, "%s: %s", scope, s->list[i].lacks);
	return signatures;
}
