/*
 * image.c - effects of states/image.sm and states/pull.sm, and the calls about images.
 *
 * A pull runs in a process of its own; its outcome becomes an image in the transaction that ends
 * the pull.  Layers on disk belong to the images whose rows list them.
 */
#include "obj/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "image/layers.h"
#include "image/puller.h"
#include "image/ref.h"
#include "obj/container.h"
#include "obj/facts.h"
#include "obj/layergc.h"
#include "obj/paths.h"
#include "obj/view.h"

static const Crisp__State__Image *image_row(const struct object *o)
{
	return o->sm->row;
}

/* --- finding --- */

static bool has(char *const *list, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], s) == 0)
			return true;
	return false;
}

/* A short name means any registry's image of that path. */
static bool short_matches(const char *full, const char *path_and_rest)
{
	const char *slash = strchr(full, '/');

	if (!slash)
		return false;
	return strcmp(slash + 1, path_and_rest) == 0 ||
	       (str_starts(slash + 1, "library/") &&
		strcmp(slash + 1 + strlen("library/"), path_and_rest) == 0);
}

bool image_matches(const char *id, char *const *tags, size_t n_tags, char *const *digests,
		   size_t n_digests, const char *name)
{
	const char *hex = str_starts(name, "sha256:") ? name + strlen("sha256:") : name;
	struct image_ref ref = IMAGE_REF_NULL;
	_cleanup_free_ char *tagged = NULL, *repo = NULL, *digested = NULL;
	struct err ignored = ERR_NULL;
	bool found = false;

	if (id_is_prefix(hex) && (hex != name || strlen(hex) >= 6) && str_starts(id, hex))
		return true;
	if (image_ref_parse(name, &ref, &ignored) < 0)
		return false;
	repo = image_ref_name(&ref);
	tagged = *ref.digest ? NULL : image_ref_tagged(&ref);
	digested = *ref.digest ? xasprintf("%s@%s", repo, ref.digest) : NULL;
	if (*ref.domain) {
		found = tagged ? has(tags, n_tags, tagged) : has(digests, n_digests, digested);
	} else {
		for (size_t i = 0; tagged && i < n_tags && !found; i++)
			found = short_matches(tags[i], tagged);
		for (size_t i = 0; digested && i < n_digests && !found; i++)
			found = short_matches(digests[i], digested);
	}
	image_ref_done(&ref);
	return found;
}

struct object *image_find(const char *name)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos))) {
		const Crisp__State__Image *i = image_row(o);

		if (o->sm->state == IMG_STATE_PRESENT &&
		    image_matches(o->sm->id, i->tags, i->n_tags, i->digests, i->n_digests, name))
			return o;
	}
	return NULL;
}

/* --- pulls --- */

/* What a pull needs and no record may hold. */
struct pulling {
	struct image_pull *pull;
	char *layout_dir, *name;
	char *username, *password, *auth, *identity_token, *registry_token;
	char *server_address, *pod_namespace;
};

static void forget(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

static void pulling_free(struct pulling *p)
{
	if (!p)
		return;
	image_pull_close(p->pull);
	forget(&p->username);
	forget(&p->password);
	forget(&p->auth);
	forget(&p->identity_token);
	forget(&p->registry_token);
	free(p->server_address);
	free(p->pod_namespace);
	free(p->layout_dir);
	free(p->name);
	free(p);
}

/* Another image that has one of the names loses it: a tag means one image. */
static void take_tags(const Crisp__State__Image *found, const char *id)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos))) {
		if (strcmp(o->sm->id, id) == 0 || o->sm->state != IMG_STATE_PRESENT)
			continue;
		for (size_t i = 0; i < found->n_tags; i++)
			if (has(image_row(o)->tags, image_row(o)->n_tags, found->tags[i]))
				sm_dispatch(o->sm, facts_attach(sm_event_new(IMG_EVENT_UNTAG),
								xstrdup(found->tags[i]), free));
	}
}

static void image_message_free(void *m)
{
	crisp__state__image__free_unpacked(m, NULL);
}

static bool is_pinned(const Crisp__State__Image *i)
{
	for (size_t k = 0; world.conf->pinned_images && world.conf->pinned_images[k]; k++)
		if (has(i->tags, i->n_tags, world.conf->pinned_images[k]))
			return true;
	return *world.conf->pause_image && has(i->tags, i->n_tags, world.conf->pause_image);
}

/* All of this happens in one turn of the loop, so one transaction holds the image, the names it
 * took and the end of the pull. */
static void pull_fetched(struct object *o, struct image_pull_result *result)
{
	struct object *image = world_find(KIND_IMAGE, result->image_id);
	Crisp__State__Image *found = take_ptr(result->image), *row;
	struct err e = ERR_NULL;

	if (image && image->sm->state == IMG_STATE_DROPPING) {
		err_set(&e, ERR_ABORTED, "image %.13s is being removed at this moment: pull again",
			result->image_id);
		for (size_t i = 0; i < found->n_layers; i++)
			layergc_offer(found->layers[i]->diff_id);
		image_message_free(found);
		effect_report(o, o->sm->effect_gen, PUL_EVENT_FETCH_FAILED, &e, NULL, NULL);
		return;
	}
	found->pinned = is_pinned(found);
	if (!image) {
		row = xmalloc(sizeof(*row));
		crisp__state__image__init(row);
		image = world_new(KIND_IMAGE, result->image_id, row, NULL);
	}
	take_tags(found, result->image_id);
	sm_dispatch(image->sm,
		    facts_attach(sm_event_new(IMG_EVENT_ADOPT), found, image_message_free));
	effect_report(o, o->sm->effect_gen, PUL_EVENT_FETCHED, NULL, xstrdup(result->image_id),
		      free);
}

static void pull_done(void *arg, struct image_pull_result *result, const struct err *err)
{
	struct object *o = arg;

	if (err)
		effect_report(o, o->sm->effect_gen, PUL_EVENT_FETCH_FAILED, err, NULL, NULL);
	else
		pull_fetched(o, result);
}

static const struct image_pull_ops pull_ops = { .done = pull_done };

/* The node's own, or those for the one image that it pulls for itself. */
static const char *node_auth_file(const char *name)
{
	const struct conf *c = world.conf;

	return *c->pause_image_auth_file && strcmp(name, c->pause_image) == 0
		       ? c->pause_image_auth_file
		       : c->global_auth_file;
}

static int64_t progress_timeout_ms(void)
{
	int64_t ns = 0;

	return str_to_duration(world.conf->pull_progress_timeout, &ns) < 0 ? 0
									   : ns / NSEC_PER_MSEC;
}

void pul_effect_fetch(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct pulling *p = o->own;
	_cleanup_free_ char *root = path_images(world.conf);
	const struct image_pull_request req = {
		.pull_path = world.pull_path,
		.images_root = root,
		.id = sm->id,
		.reference = p->name,
		.layout_dir = p->layout_dir,
		.registries_conf = world.conf->registries_conf,
		.auth_file = node_auth_file(p->name),
		.namespaced_auth_dir = world.conf->namespaced_auth_dir,
		.pod_namespace = p->pod_namespace,
		.short_name_mode = world.conf->short_name_mode,
		.certs_dirs = world.conf->certs_dirs,
		.progress_timeout_ms = progress_timeout_ms(),
		.insecure_registries = world.conf->insecure_registries,
		.username = p->username,
		.password = p->password,
		.auth = p->auth,
		.identity_token = p->identity_token,
		.registry_token = p->registry_token,
		.server_address = p->server_address,
	};
	struct err e = ERR_NULL;

	if (image_pull_start(world.loop, &req, &pull_ops, o, &p->pull, &e) < 0)
		effect_report(o, sm->effect_gen, PUL_EVENT_FETCH_FAILED, &e, NULL, NULL);
}

void pul_effect_abandon(struct sm_object *sm)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_ABORTED, "crispd was restarted during the pull: pull again");
	effect_report(object_of(sm), sm->effect_gen, PUL_EVENT_FETCH_FAILED, &e, NULL, NULL);
}

static void plain_job_free(struct job *j)
{
	free(j);
}

static int work_clean(struct job *j, struct err *e)
{
	_cleanup_free_ char *root = path_images(world.conf);

	return image_staging_remove(root, j->id, e);
}

static void done_clean(struct job *j, struct object *o)
{
	if (j->result < 0 && o) {
		struct job *again = xcalloc(1, sizeof(*again));

		log_err(LOG_LEVEL_WARN, "what a pull has left does not go", &j->err);
		job_init(again, o, work_clean, done_clean, plain_job_free);
		job_start_after(again, 5 * NSEC_PER_SEC);
		return;
	}
	job_report(j, o, PUL_EVENT_CLEANED, NULL, NULL, NULL);
}

void pul_effect_clean(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct pulling *p = o->own;
	struct job *j = xcalloc(1, sizeof(*j));

	image_pull_close(take_ptr(p->pull));
	job_init(j, o, work_clean, done_clean, plain_job_free);
	job_start(j);
}

static char *copy_secret(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

/* Pulls of one name with the same credentials for pods of one namespace are one pull; the id must
 * not tell the credentials, so it is made with a secret of this process. */
static void pull_id(const char *name, const char *pod_namespace, const Runtime__V1__AuthConfig *a,
		    char out[ID_LEN + 1])
{
	static char salt[ID_LEN + 1];
	_cleanup_free_ char *text = NULL;

	if (!*salt)
		id_new(salt);
	text = xasprintf("%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s", salt, name, pod_namespace,
			 a ? a->server_address : "", a ? a->username : "",
			 a ? a->password : "", a ? a->auth : "", a ? a->identity_token : "",
			 a ? a->registry_token : "");
	id_of_text(text, out);
	explicit_bzero(text, strlen(text));
}

static struct object *pull_new(const char *id, const char *name, const char *layout_dir)
{
	Crisp__State__Pull *row = xmalloc(sizeof(*row));
	struct pulling *p;
	struct object *o;

	crisp__state__pull__init(row);
	row_set_str(&row->reference, layout_dir ? layout_dir : name);
	row->is_layout = layout_dir != NULL;
	row->started_ns = clock_realtime_ns();
	o = world_new(KIND_PULL, id, row, NULL);
	p = o->own;
	p->name = xstrdup(name);
	p->layout_dir = layout_dir ? xstrdup(layout_dir) : NULL;
	return o;
}

static void pull_again(struct caller *c)
{
	struct err e = ERR_NULL;

	if (image_pull(c, c->request, &e) < 0)
		caller_finish(c, NULL, &e);
}

int image_pull(struct caller *c, const Runtime__V1__PullImageRequest *req, struct err *e)
{
	const Runtime__V1__AuthConfig *a = req->auth;
	const Runtime__V1__PodSandboxConfig *pod = req->sandbox_config;
	const char *pod_namespace = pod && pod->metadata ? pod->metadata->namespace_ : "";
	struct image_ref ref = IMAGE_REF_NULL;
	char id[ID_LEN + 1];
	struct pulling *p;
	struct object *o;
	int r = image_ref_parse(req->image->image, &ref, e);

	image_ref_done(&ref);
	if (r < 0)
		return err_wrap(e, "image.image");
	c->again = pull_again;
	pull_id(req->image->image, pod_namespace, a, id);
	o = world_find(KIND_PULL, id);
	if (!o) {
		o = pull_new(id, req->image->image, NULL);
		p = o->own;
		p->username = copy_secret(a ? a->username : NULL);
		p->password = copy_secret(a ? a->password : NULL);
		p->auth = copy_secret(a ? a->auth : NULL);
		p->identity_token = copy_secret(a ? a->identity_token : NULL);
		p->registry_token = copy_secret(a ? a->registry_token : NULL);
		p->server_address = copy_secret(a ? a->server_address : NULL);
		p->pod_namespace = copy_secret(pod_namespace);
	}
	caller_dispatch(c, o, PUL_EVENT_PULL, NULL, NULL);
	return 0;
}

static void load_again(struct caller *c)
{
	struct err e = ERR_NULL;

	if (image_load(c, c->request, &e) < 0)
		caller_finish(c, NULL, &e);
}

int image_load(struct caller *c, const Crisp__V1__LoadImageRequest *req, struct err *e)
{
	_cleanup_free_ char *key = xasprintf("layout:%s %s", req->path, req->name);
	char id[ID_LEN + 1];
	struct object *o;

	(void)e;
	c->again = load_again;
	pull_id(key, "", NULL, id);
	o = world_find(KIND_PULL, id);
	if (!o)
		o = pull_new(id, req->name, req->path);
	caller_dispatch(c, o, PUL_EVENT_LOAD, NULL, NULL);
	return 0;
}

static void pull_born(struct object *o)
{
	o->own = xcalloc(1, sizeof(struct pulling));
}

static void pull_gone(struct object *o)
{
	struct pulling *p = o->own;

	if (o->sm->state != PUL_STATE_GONE)
		image_pull_end(take_ptr(p->pull)); /* the daemon ends */
	pulling_free(p);
}

const struct kind_ops kind_pull = {
	.machine = &pul_machine,
	.born = pull_born,
	.gone = pull_gone,
};

/* --- images --- */

bool image_owns_layer(const struct object *but, const char *diff_id)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos)))
		for (size_t i = 0; o != but && i < image_row(o)->n_layers; i++)
			if (strcmp(image_row(o)->layers[i]->diff_id, diff_id) == 0)
				return true;
	return false;
}

static int work_empty_trash(struct job *j, struct err *e)
{
	_cleanup_free_ char *root = path_images(world.conf);

	(void)j;
	return image_trash_empty(root, e);
}

static void drop_after(struct object *o, int64_t pause_ns);

static void done_drop(struct job *j, struct object *o)
{
	if (j->result < 0 && o) {
		log_err(LOG_LEVEL_WARN, "image layers do not go", &j->err);
		drop_after(o, 5 * NSEC_PER_SEC);
		return;
	}
	job_report(j, o, IMG_EVENT_DROPPED, NULL, NULL, NULL);
}

static void drop_after(struct object *o, int64_t pause_ns)
{
	struct job *j = xcalloc(1, sizeof(*j));

	for (size_t i = 0; i < image_row(o)->n_layers; i++)
		if (!image_owns_layer(o, image_row(o)->layers[i]->diff_id))
			layergc_discard(image_row(o)->layers[i]->diff_id);
	job_init(j, o, work_empty_trash, done_drop, plain_job_free);
	job_start_after(j, pause_ns);
}

void img_effect_drop(struct sm_object *sm)
{
	drop_after(object_of(sm), 0);
}

int image_remove(struct caller *c, const char *name, struct err *e)
{
	struct object *o = image_find(name);
	const char *user = o ? container_using_image(o->sm->id) : NULL;

	if (!o) {
		caller_finish(c, NULL, NULL);
		return 0;
	}
	if (user)
		return err_set(e, ERR_PRECONDITION, "image %s is in use by container %.13s: remove "
			       "that first", name, user);
	caller_dispatch(c, o, IMG_EVENT_REMOVE, NULL, NULL);
	return 0;
}

int image_start(struct err *e)
{
	_cleanup_free_ char *root = path_images(world.conf);
	char **known = NULL;
	struct object *o;
	size_t n = 0, pos = 0;
	int r;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos)))
		for (size_t i = 0; i < image_row(o)->n_layers; i++)
			row_add_str(&known, &n, image_row(o)->layers[i]->diff_id);
	r = image_sweep(root, (const char *const *)known, n, e);
	row_set_strs(&known, &n, NULL);
	return r;
}

static void image_born(struct object *o)
{
	o->own = NULL;
}

static void image_gone(struct object *o)
{
	o->own = NULL;
}

const struct kind_ops kind_image = {
	.machine = &img_machine,
	.born = image_born,
	.gone = image_gone,
	.view = view_put_image,
};
