/*
 * policy.h - which images are trusted: containers-policy.json(5).
 *
 * The file is read anew for each use, so a change needs no restart.  What must hold: an unknown,
 * doubled or misplaced member is an error that names its place in the document, never something
 * that is passed over; of all scopes that cover an image the most precise one counts, alone.
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

/* What a signature must call the image. */
struct policy_identity {
	enum policy_match match;
	struct image_ref ref; /* of EXACT_REFERENCE and EXACT_REPOSITORY */
	char *prefix, *signed_prefix; /* of REMAP */
};

/* The content of a key's file, or why it cannot be read. */
struct policy_key_file {
	struct buf text;
	struct err e; /* code 0: it was read */
};

/* One of the two lists of keys is filled. */
struct policy_requirement {
	enum policy_kind kind;
	char **key_paths; /* NULL-terminated, NULL: none; absolute */
	char **key_data; /* the same; base64 */
	struct policy_key_file *key_files; /* after policy_read_keys: as many as key_paths */
	struct policy_identity identity;
};

/* All of them must hold. */
struct policy_scope {
	char *transport; /* NULL: the global default */
	char *name; /* "": the transport's default */
	struct policy_requirement *list;
	size_t n;
};

struct policy;

/* ERR_PRECONDITION says what is wrong where.  *ret is freed with policy_free. */
int policy_parse(const char *json, size_t size, struct policy **ret, struct err *e);
/* The same from a file; ERR_PRECONDITION: it cannot be read, or does not exist. */
int policy_load(const char *path, struct policy **ret, struct err *e);
void policy_free(struct policy *p);

/* Read the files of all keys, for a process that will not see them.  A file that cannot be read
 * is an error only when its requirement is asked. */
void policy_read_keys(struct policy *p);
/* Is there a requirement of this kind? */
bool policy_has_kind(const struct policy *p, enum policy_kind kind);

static inline void policy_freep(struct policy **p)
{
	policy_free(*p);
}

/* Which file counts for what a pod of this namespace uses: DIR/NAMESPACE.json when it exists, else
 * global; with neither, the system's own file.  "" namespace: of no pod; "" dir: there are none.
 * *ret is malloc'ed.  1: there is none and none was asked for, which means that anything is
 * accepted (*ret is NULL).  ERR_INVALID: the namespace is no file name. */
int policy_find(const char *global, const char *dir, const char *namespace, char **ret,
		struct err *e);

/* The scope that counts for an image with a full name; it stays p's, and is never NULL. */
const struct policy_scope *policy_of_image(const struct policy *p, const struct image_ref *ref);
/* For an entry of an OCI layout (transport "oci"): scopes are dir:name, dir, and its parents. */
const struct policy_scope *policy_of_layout(const struct policy *p, const char *dir,
					    const char *name);

/* "scope example.com/a of transport docker": for errors; malloc'ed. */
char *policy_scope_text(const struct policy_scope *s);
/* "signedBy", for errors. */
const char *policy_kind_name(enum policy_kind kind);

/* What can be said without a signature.  0: accepted; 1: signatures must decide;
 * ERR_DENIED: rejected whatever they say. */
int policy_decide(const struct policy_scope *s, struct err *e);

/* Does a signature that calls the image by signed_as (parsed by policy_ref_parse) mean ref? */
bool policy_identity_fits(const struct policy_identity *id, const struct image_ref *ref,
			  const struct image_ref *signed_as);

/* A reference the way policies and signatures write them: a name without a host is docker.io's, and
 * one without a slash is in its library/.  No tag is added. */
int policy_ref_parse(const char *text, struct image_ref *ret, struct err *e);
/* The same for the image itself: "latest" when there is neither tag nor digest, no tag beside a
 * digest. */
int policy_ref_copy(const struct image_ref *ref, struct image_ref *ret, struct err *e);

/* The names that may stand for an image in policy.json and registries.d, the most precise one
 * first: the reference, its repository, the namespaces and the host above it, *.parent domains.
 * NULL-terminated; free with policy_names_free. */
char **policy_names(const struct image_ref *ref);
void policy_names_free(char **names);
