/*
 * policy.h - which images are trusted: containers-policy.json(5).
 *
 * The file is read anew for each use, so a change needs no restart. What must hold: an unknown,
 * duplicate or misplaced member is an error that names its place in the document. Of all scopes
 * that cover an image, only the most specific scope applies.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "image/ref.h"

enum policy_kind {
	POLICY_KIND_ACCEPT, /* insecureAcceptAnything */
	POLICY_KIND_REJECT,
	POLICY_KIND_GPG, /* signedBy */
	POLICY_KIND_SIGSTORE, /* sigstoreSigned with keys */
};

enum policy_match {
	POLICY_MATCH_REPO_DIGEST_OR_EXACT,
	POLICY_MATCH_EXACT,
	POLICY_MATCH_REPOSITORY,
	POLICY_MATCH_EXACT_REFERENCE,
	POLICY_MATCH_EXACT_REPOSITORY,
	POLICY_MATCH_REMAP,
};

/* The identity that a signature must contain. */
struct policy_identity {
	enum policy_match match;
	struct image_ref ref; /* for EXACT_REFERENCE and EXACT_REPOSITORY */
	char *prefix, *signed_prefix; /* for REMAP */
};

/* Content of a key file, or the error of reading it. */
struct policy_key_file {
	struct buf text;
	struct err e; /* code 0: success */
};

/* Exactly one of the two key lists is set. */
struct policy_requirement {
	enum policy_kind kind;
	char **key_paths; /* NULL-terminated, absolute; NULL: none */
	char **key_data; /* NULL-terminated, base64; NULL: none */
	struct policy_key_file *key_files; /* set by policy_read_keys: one for each key_paths */
	struct policy_identity identity;
	char *lacks; /* what crisp cannot check, and where; NULL: nothing */
};

/* All requirements must hold. */
struct policy_scope {
	char *transport; /* NULL: the global default */
	char *name; /* "": the transport's default */
	struct policy_requirement *list;
	size_t n;
};

struct policy;

/* ERR_PRECONDITION names the error and its place. Free *ret with policy_free. */
int policy_parse(const char *json, size_t size, struct policy **ret, struct err *e);
/* Parse a file. ERR_PRECONDITION also: it is unreadable or missing. */
int policy_load(const char *path, struct policy **ret, struct err *e);
void policy_free(struct policy *p);

/* Read all key files, for a process that cannot access them. An unreadable file is an error only
 * when its requirement is evaluated. */
void policy_read_keys(struct policy *p);
/* true: the policy has a requirement of this kind. */
bool policy_has_kind(const struct policy *p, enum policy_kind kind);

static inline void policy_freep(struct policy **p)
{
	policy_free(*p);
}

/* Select the policy file for a pod's namespace: DIR/NAMESPACE.json if it exists, else global, else
 * the system's own file. namespace "": no pod; dir "": no directory. *ret is malloc'ed.
 * 1: no file exists and none was configured: any image is accepted, *ret is NULL. ERR_INVALID: the
 * namespace is not a file name. */
int policy_find(const char *global, const char *dir, const char *namespace, char **ret,
		struct err *e);

/* The scope for an image with a full name; owned by p, never NULL. */
const struct policy_scope *policy_of_image(const struct policy *p, const struct image_ref *ref);
/* The scope for an entry of an OCI layout (transport "oci"): dir:name, dir, then its parents. */
const struct policy_scope *policy_of_layout(const struct policy *p, const char *dir,
					    const char *name);

/* "scope example.com/a of transport docker", for errors; malloc'ed. */
char *policy_scope_text(const struct policy_scope *s);
/* "signedBy", for errors. */
const char *policy_kind_name(enum policy_kind kind);

/* Decide without signatures. 0: accepted; 1: signatures decide; ERR_DENIED: rejected in any
 * case. ERR_PRECONDITION: the scope has a requirement that crisp cannot check. */
int policy_decide(const struct policy_scope *s, struct err *e);

/* true: a signature's identity signed_as (parsed by policy_ref_parse) matches ref under rule id. */
bool policy_identity_fits(const struct policy_identity *id, const struct image_ref *ref,
			  const struct image_ref *signed_as);

/* Parse a reference as policies and signatures write it: without a host docker.io is implied,
 * without a slash also library/. No tag is added. */
int policy_ref_parse(const char *text, struct image_ref *ret, struct err *e);
/* The same normal form of an image's reference: adds "latest" if it has neither tag nor digest;
 * drops the tag if it has a digest. */
int policy_ref_copy(const struct image_ref *ref, struct image_ref *ret, struct err *e);

/* Names that match an image in policy.json and registries.d, most specific first: the reference,
 * its repository, its namespaces and host, *.parent domains. NULL-terminated; free with
 * policy_names_free. */
char **policy_names(const struct image_ref *ref);
void policy_names_free(char **names);
