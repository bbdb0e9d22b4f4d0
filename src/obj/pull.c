/*
 * pull.c - effects of states/pull.sm, and the calls about pulls.
 *
 * A pull runs in a process of its own; its outcome becomes an image in the transaction that ends
 * the pull.
 */
#include "obj/pull.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "image/puller.h"
#include "image/ref.h"
#include "image/staging.h"
#include "obj/facts.h"
#include "obj/image.h"
#include "obj/paths.h"

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

/* All of this happens in one turn of the loop, so one transaction holds the image, the names it
 * took and the end of the pull. */
static void pull_fetched(struct object *o, struct image_pull_result *result)
{
	struct err e = ERR_NULL;

	if (image_adopt(result->image_id, take_ptr(result->image), &e) < 0)
		effect_report(o, o->sm->effect_gen, PUL_EVENT_FETCH_FAILED, &e, NULL, NULL);
	else
		effect_report(o, o->sm->effect_gen, PUL_EVENT_FETCHED, NULL,
			      xstrdup(result->image_id), free);
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
	_cleanup_free_ char *slots = xasprintf("%s/pulls/slots", world.conf->runroot);
	const struct image_pull_request req = {
		.pull_path = world.pull_path,
		.images_root = root,
		.id = sm->id,
		.reference = p->name,
		.layout_dir = p->layout_dir,
		.registries_conf = world.conf->registries_conf,
		.slots_dir = slots,
		.max_layers = (unsigned)world.conf->max_parallel_layers,
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

	if (pull_image(c, c->request, &e) < 0)
		caller_finish(c, NULL, &e);
}

int pull_image(struct caller *c, const Runtime__V1__PullImageRequest *req, struct err *e)
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

	if (pull_layout(c, c->request, &e) < 0)
		caller_finish(c, NULL, &e);
}

int pull_layout(struct caller *c, const Crisp__V1__LoadImageRequest *req, struct err *e)
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

int pull_start(struct err *e)
{
	_cleanup_free_ char *root = path_images(world.conf);
	char **ids = NULL;
	struct object *o;
	size_t n = 0, pos = 0;
	int r;

	while ((o = map_next(world.objects[KIND_PULL], &pos)))
		row_add_str(&ids, &n, o->sm->id);
	r = image_staging_sweep(root, (const char *const *)ids, n, e);
	row_set_strs(&ids, &n, NULL);
	return r;
}
