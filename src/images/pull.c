/*
 * pull.c - effects of states/pull.sm, and the calls about pulls.
 *
 * A pull runs in a process of its own, which outlives us: after a restart the pull's row finds it
 * again.  Its outcome becomes an image in the transaction that ends the pull.
 */
#include "images/pull.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "core/records.h"
#include "core/trash.h"
#include "image/ref.h"
#include "image/staging.h"
#include "images/image.h"
#include "images/report.h"

#define SALT_MAX 256

static struct {
	char salt[ID_LEN + 1];
	struct pull_counters counters;
} pulls;

/* What a pull needs and no record may hold.  All but pull and progress is gone when the puller has
 * it, and comes again with the next request. */
struct pulling {
	struct image_pull *pull;
	struct image_pull_progress progress;
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

static void forget_request(struct pulling *p)
{
	forget(&p->username);
	forget(&p->password);
	forget(&p->auth);
	forget(&p->identity_token);
	forget(&p->registry_token);
	forget(&p->server_address);
	forget(&p->pod_namespace);
	forget(&p->layout_dir);
	forget(&p->name);
}

static char *socket_dir(void)
{
	return xasprintf("%s/pulls", world.conf->runroot);
}

/* layers: that stay in staging. */
static struct sm_event *fetch_failed(const struct err *why, uint32_t layers)
{
	struct payload_kept *kept = xcalloc(1, sizeof(*kept));
	struct sm_event *ev;

	kept->layers = layers;
	ev = pul_event_fetch_failed(kept);
	ev->err = *why;
	return ev;
}

/* All of this happens in one turn of the loop, so one transaction holds the image, the names it
 * took and the end of the pull. */
static void pull_fetched(struct object *o, struct image_pull_result *result)
{
	const Crisp__State__Pull *row = (const Crisp__State__Pull *)o->sm->row;
	struct err e = ERR_NULL;
	int r = image_report_check(row->is_layout ? "" : row->reference, result->image_id,
				   result->image, &e);

	if (r < 0 || image_adopt(result->image_id, take_ptr(result->image), &e) < 0)
		effect_report(o, o->sm->effect_gen, fetch_failed(&e, 0));
	else
		effect_report(o, o->sm->effect_gen,
			      pul_event_fetched(payload_image_id_new(result->image_id)));
}

static void pull_done(void *arg, struct image_pull_result *result, const struct err *err)
{
	struct object *o = arg;

	if (!err)
		pull_fetched(o, result);
	else
		effect_report(o, o->sm->effect_gen, fetch_failed(err, result ? result->kept : 0));
}

static void pull_progress(void *arg, const struct image_pull_progress *now)
{
	struct object *o = arg;
	struct pulling *p = o->own;

	pulls.counters.bytes_received += now->bytes_received - p->progress.bytes_received;
	pulls.counters.layers_reused += now->layers_reused - p->progress.layers_reused;
	pulls.counters.retries += now->retries - p->progress.retries;
	p->progress = *now;
}

static const struct image_pull_ops pull_ops = { .done = pull_done, .progress = pull_progress };

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
	_cleanup_free_ char *sockets = socket_dir();
	_cleanup_free_ char *slots = xasprintf("%s/slots", sockets);
	const struct image_pull_request req = {
		.pull_path = world.pull_path,
		.socket_dir = sockets,
		.images_root = root,
		.id = sm->id,
		.reference = p->name,
		.layout_dir = p->layout_dir,
		.registries_conf = world.conf->registries_conf,
		.slots_file = slots,
		.max_layers = (unsigned)world.conf->max_parallel_layers,
		.artifacts = world.conf->oci_artifact_mount_support,
		.auth_file = node_auth_file(p->name),
		.namespaced_auth_dir = world.conf->namespaced_auth_dir,
		.pod_namespace = p->pod_namespace,
		.short_name_mode = world.conf->short_name_mode,
		.certs_dirs = world.conf->certs_dirs,
		.registries_d = world.conf->registries_d,
		.signature_policy = world.conf->signature_policy,
		.signature_policy_dir = world.conf->signature_policy_dir,
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

	p->progress = (struct image_pull_progress){ .bytes_done = 0 };
	if (image_pull_start(world.loop, &req, &pull_ops, o, &p->pull, &e) < 0)
		effect_report(o, sm->effect_gen, fetch_failed(&e, 0));
	forget_request(p);
}

void pul_effect_adopt(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct pulling *p = o->own;
	_cleanup_free_ char *sockets = socket_dir();
	struct err e = ERR_NULL;
	int r = image_pull_adopt(world.loop, sockets, sm->id, &pull_ops, o, &p->pull, &e);

	if (r > 0)
		err_set(&e, ERR_ABORTED, "the pull's process is gone: pull again");
	if (r != 0)
		effect_report(o, sm->effect_gen, fetch_failed(&e, 0));
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
	trash_kick();
	job_report(j, o, sm_event_failed(j->result < 0 ? PUL_EVENT_CLEAN_STUCK : PUL_EVENT_CLEANED,
					 &j->err));
}

void pul_effect_clean(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct pulling *p = o->own;
	struct job *j = xcalloc(1, sizeof(*j));
	_cleanup_free_ char *sockets = socket_dir();

	if (p->pull)
		image_pull_close(take_ptr(p->pull));
	else
		image_pull_end(sockets, sm->id); /* one that a daemon before us has left */
	job_init(j, o, LANE_IMAGE, work_clean, done_clean, plain_job_free);
	job_start(j);
}

static char *copy_secret(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

/* Pulls of one name with the same credentials for pods of one namespace are one pull; the id must
 * not tell the credentials, so it is made with a secret of this boot. */
static void pull_id(const char *name, const char *pod_namespace, const Runtime__V1__AuthConfig *a,
		    char out[ID_LEN + 1])
{
	_cleanup_free_ char *text = NULL;

	text = xasprintf("%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s", pulls.salt, name, pod_namespace,
			 a ? a->server_address : "", a ? a->username : "",
			 a ? a->password : "", a ? a->auth : "", a ? a->identity_token : "",
			 a ? a->registry_token : "");
	id_of_text(text, out);
	explicit_bzero(text, strlen(text));
}

/* The pull of this id, made if there is none.  *ret_p: it waits for what it needs, NULL: it has all
 * that. */
static struct object *pull_of(const char *id, const char *name, const char *layout_dir,
			      struct pulling **ret_p)
{
	struct object *o = world_find(KIND_PULL, id);
	Crisp__State__Pull *row;
	struct pulling *p;

	if (!o) {
		row = xmalloc(sizeof(*row));
		crisp__state__pull__init(row);
		row_set_str(&row->reference, layout_dir ? layout_dir : name);
		row->is_layout = layout_dir != NULL;
		row->started_ns = clock_realtime_ns();
		o = world_new(KIND_PULL, id, row, NULL);
	}
	p = o->own;
	*ret_p = NULL;
	if (p->name || !pul_is_idle(o->sm->state))
		return o;
	p->name = xstrdup(name);
	p->layout_dir = layout_dir ? xstrdup(layout_dir) : NULL;
	*ret_p = p;
	return o;
}

int pull_for(const Runtime__V1__PullImageRequest *req, struct object **ret, struct err *e)
{
	const Runtime__V1__AuthConfig *a = req->auth;
	const Runtime__V1__PodSandboxConfig *pod = req->sandbox_config;
	const char *pod_namespace = pod && pod->metadata ? pod->metadata->namespace_ : "";
	struct image_ref ref = IMAGE_REF_NULL;
	char id[ID_LEN + 1];
	struct pulling *p;
	int r = image_ref_parse(req->image->image, &ref, e);

	image_ref_done(&ref);
	if (r < 0)
		return err_wrap(e, "image.image");
	pull_id(req->image->image, pod_namespace, a, id);
	*ret = pull_of(id, req->image->image, NULL, &p);
	if (p) {
		p->username = copy_secret(a ? a->username : NULL);
		p->password = copy_secret(a ? a->password : NULL);
		p->auth = copy_secret(a ? a->auth : NULL);
		p->identity_token = copy_secret(a ? a->identity_token : NULL);
		p->registry_token = copy_secret(a ? a->registry_token : NULL);
		p->server_address = copy_secret(a ? a->server_address : NULL);
		p->pod_namespace = copy_secret(pod_namespace);
	}
	return 0;
}

struct object *pull_for_layout(const Crisp__V1__LoadImageRequest *req)
{
	_cleanup_free_ char *key = xasprintf("layout:%s %s", req->path, req->name);
	char id[ID_LEN + 1];
	struct pulling *p;

	pull_id(key, "", NULL, id);
	return pull_of(id, req->name, req->path, &p);
}

static void pull_born(struct object *o)
{
	o->own = xcalloc(1, sizeof(struct pulling));
}

static void pull_moved(struct object *o, const struct sm_row *row)
{
	struct pulling *p = o->own;

	if (row->event == PUL_EVENT_FETCHED)
		pulls.counters.succeeded++;
	else if (row->event == PUL_EVENT_FETCH_FAILED)
		pulls.counters.failed++;
	else if (row->event == PUL_EVENT_CANCEL && pul_is_fetching(row->state))
		pulls.counters.cancelled++;
	/* Nothing of the process is needed for what is kept. */
	if (pul_is_kept(o->sm->state))
		image_pull_close(take_ptr(p->pull));
}

static void pull_gone(struct object *o)
{
	struct pulling *p = o->own;

	if (sm_is_gone(o->sm))
		image_pull_close(p->pull);
	else
		image_pull_detach(p->pull); /* the daemon ends, and the pull goes on */
	forget_request(p);
	free(p);
}

const struct kind_ops kind_pull = {
	.machine = &pul_machine,
	.born = pull_born,
	.moved = pull_moved,
	.gone = pull_gone,
	.answers_to = pull_answers_to,
};

/* --- looking --- */

const char *pull_reference(const struct object *o)
{
	return ((const Crisp__State__Pull *)o->sm->row)->reference;
}

const struct image_pull_progress *pull_progress_of(const struct object *o)
{
	const struct pulling *p = o->own;

	return pul_is_fetching(o->sm->state) ? &p->progress : NULL;
}

const struct pull_counters *pull_counters(void)
{
	return &pulls.counters;
}

static const char *tag_of(const struct image_ref *ref)
{
	return *ref->tag ? ref->tag : "latest";
}

/* The names as they were asked for may differ and mean the same. */
static bool same_reference(const char *a, const char *b)
{
	struct image_ref one = IMAGE_REF_NULL, other = IMAGE_REF_NULL;
	struct err ignored = ERR_NULL;
	bool same = strcmp(a, b) == 0;

	if (!same && image_ref_parse(a, &one, &ignored) == 0 &&
	    image_ref_parse(b, &other, &ignored) == 0)
		same = strcmp(one.domain, other.domain) == 0 &&
		       strcmp(one.path, other.path) == 0 &&
		       strcmp(one.digest, other.digest) == 0 &&
		       strcmp(tag_of(&one), tag_of(&other)) == 0;
	image_ref_done(&one);
	image_ref_done(&other);
	return same;
}

bool pull_answers_to(const struct object *o, const char *name)
{
	return (id_is_prefix(name) && str_starts(o->sm->id, name)) ||
	       same_reference(pull_reference(o), name);
}

/* --- start and end --- */

static int load_salt(const char *dir, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/salt", dir);
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_file(path, SALT_MAX, &text, e);

	if (r < 0)
		return r;
	if (r == 0 && text.data && id_is_valid(text.data)) {
		memcpy(pulls.salt, text.data, sizeof(pulls.salt));
		return 0;
	}
	id_new(pulls.salt);
	return fs_replace_file(path, pulls.salt, ID_LEN, 0600, false, e);
}

int pull_start(struct err *e)
{
	_cleanup_free_ char *root = path_images(world.conf);
	_cleanup_free_ char *sockets = socket_dir();
	char **ids = NULL;
	struct object *o;
	size_t n = 0, pos = 0;
	int r = fs_mkdir_all(sockets, 0700, e);

	r = r < 0 ? r : load_salt(sockets, e);
	while ((o = map_next(world.objects[KIND_PULL], &pos)))
		row_add_str(&ids, &n, o->sm->id);
	r = r < 0 ? r : image_pull_dismiss(sockets, (const char *const *)ids, n, e);
	r = r < 0 ? r : image_staging_sweep(root, (const char *const *)ids, n, e);
	row_set_strs(&ids, &n, NULL);
	return r;
}

void pull_drain(void)
{
	struct err e = ERR_NULL;
	struct object *o;
	size_t pos = 0;

	err_set(&e, ERR_UNAVAILABLE, "crispd is shutting down, the pull goes on: ask again");
	while ((o = map_next(world.objects[KIND_PULL], &pos)))
		sm_detach(o->sm, &e);
}
