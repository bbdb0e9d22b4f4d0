/*
 * credstore.c - read the credential files of a pull, and look up a source in them.
 */
#include "pull/fetch/credstore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "pull/base/digest.h"

/* The text of an auth.json. */
struct auth_file {
	const char *path; /* NULL: none */
	struct buf text;
};

struct credstore {
	const Crisp__Pull__Credentials *request; /* NULL: none */
	struct auth_file namespaced, node;
	char *one_shot; /* path of namespaced */
};

static void auth_file_done(struct auth_file *f)
{
	if (f->text.data)
		explicit_bzero(f->text.data, f->text.cap);
	buf_done(&f->text);
}

void credstore_free(struct credstore *w)
{
	if (!w)
		return;
	auth_file_done(&w->namespaced);
	auth_file_done(&w->node);
	free(w->one_shot);
	free(w);
}

/* 1: no such file. */
static int auth_file_read(struct auth_file *f, const char *path, struct err *e)
{
	int r = fs_read_trusted(path, LIMIT_CONF_FILE, &f->text, e);

	if (r == 0)
		f->path = path;
	return r;
}

/* The namespace becomes part of a path, so it must be a DNS label. */
static bool is_namespace(const char *s)
{
	static const char label[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	return *s && strlen(s) <= 63 && !s[strspn(s, label)];
}

/* Read DIR/NAMESPACE-SHA256.json. CRI-O's credential provider hashes the image name as the pod
 * writes it, or the full name without tag and digest. */
static int try_namespaced(struct credstore *w, const Crisp__Pull__Request *q, const char *image,
			  struct err *e)
{
	char digest[DIGEST_TEXT];
	int r;

	digest_of(image, strlen(image), digest);
	w->one_shot = xasprintf("%s/%s-%s.json", q->namespaced_auth_dir, q->pod_namespace,
				digest + strlen("sha256:"));
	r = auth_file_read(&w->namespaced, w->one_shot, e);
	if (r > 0)
		free(take_ptr(w->one_shot));
	return r;
}

static int read_namespaced(struct credstore *w, const Crisp__Pull__Request *q, struct err *e)
{
	_cleanup_(image_ref_done) struct image_ref ref = IMAGE_REF_NULL;
	_cleanup_free_ char *full = NULL;
	int r;

	if (!*q->namespaced_auth_dir || !is_namespace(q->pod_namespace))
		return 0;
	r = image_ref_parse(q->reference, &ref, e);
	if (r < 0)
		return r;
	full = image_ref_name(&ref);
	r = try_namespaced(w, q, q->reference, e);
	r = r > 0 ? try_namespaced(w, q, full, e) : r;
	if (r == 0 && unlink(w->one_shot) < 0 && errno != ENOENT)
		return err_errno(e, ERR_PRECONDITION, errno, "remove %s", w->one_shot);
	return r < 0 ? r : 0;
}

int credstore_open(const Crisp__Pull__Request *q, struct credstore **ret, struct err *e)
{
	_cleanup_(credstore_freep) struct credstore *w = xcalloc(1, sizeof(*w));
	int r = read_namespaced(w, q, e);

	w->request = q->credentials;
	if (r == 0 && *q->auth_file)
		r = auth_file_read(&w->node, q->auth_file, e);
	if (r < 0)
		return r;
	*ret = take_ptr(w);
	return 0;
}

/* Look up the source's name, then the requested name, but never the latter for a mirror. */
static int look_up(const struct auth_file *f, const struct image_ref *ref,
		   const struct image_source *source, struct credentials *ret, struct err *e)
{
	const char *text = f->text.data ? f->text.data : "";
	_cleanup_free_ char *hint = NULL;
	int r;

	if (!f->path)
		return 1;
	r = credentials_from_text(text, f->text.len, f->path, source->host, source->repository, ret,
				  e);
	if (r <= 0 || source->mirror)
		return r;
	hint = take_ptr(ret->hint);
	r = credentials_from_text(text, f->text.len, f->path, ref->domain, ref->path, ret, e);
	if (r > 0 && !ret->hint)
		ret->hint = take_ptr(hint);
	return r;
}

int credstore_find(const struct credstore *w, const struct image_ref *ref,
		   const struct image_source *source, bool alone, struct credentials *ret,
		   struct err *e)
{
	_cleanup_free_ char *hint = NULL;
	int r = 1;

	*ret = CREDENTIALS_NULL;
	if (!source->mirror && w->request && (alone || *w->request->server_address))
		r = credentials_from_request(w->request, ref->domain, ret, e);
	if (r <= 0)
		return r;
	r = look_up(&w->namespaced, ref, source, ret, e);
	if (r <= 0)
		return r;
	hint = take_ptr(ret->hint);
	r = look_up(&w->node, ref, source, ret, e);
	if (r > 0 && !ret->hint)
		ret->hint = take_ptr(hint);
	return r < 0 ? r : 0;
}
