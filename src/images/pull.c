/*
 * pull.c - effects of states/pull.sm, and pull queries.
 *
 * Each pull runs in its own process, which outlives the daemon; after a restart the pull's row
 * leads to it. The pull's last transaction turns its result into an image.
 */
#include "images/pull.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "core/jobs.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "core/records.h"
#include "core/trash.h"
#include "gen/pull_conf.h"
#include "image/annotations.h"
#include "image/ref.h"
#include "image/staging.h"
#include "image/wipe.h"
#include "images/image.h"
#include "images/pulltally.h"
#include "images/report.h"

#define SALT_MAX 256

static struct {
	char salt[ID_LEN + 1];
	struct pull_counters counters;
} pulls;

struct pulling {
	struct image_pull *pull;
	struct image_pull_progress progress;
	/* Contains credentials, so it is in no row. NULL: the puller has it, or this daemon
	 * received no request. */
	Crisp__Pull__Request *request;
};

static Crisp__Pull__Request *request_new(const char *reference)
{
	Crisp__Pull__Request *q = xmalloc(sizeof(*q));

	crisp__pull__request__init(q);
	row_set_str(&q->reference, reference);
	return q;
}

static void request_free(Crisp__Pull__Request *q)
{
	message_wipe((ProtobufCMessage *)q);
	crisp__pull__request__free_unpacked(q, NULL);
}

static char *socket_dir(void)
{
	return xasprintf("%s/pulls", world.conf->runroot);
}

/* layers: number kept in staging. */
static struct sm_event *fetch_failed(const struct err *why, uint32_t layers)
{
	struct payload_kept *kept = xcalloc(1, sizeof(*kept));
	struct sm_event *ev;

	kept->layers = layers;
	ev = pul_event_fetch_failed(kept);
	ev->err = *why;
	return ev;
}

/* Add to the puller's report what the request says about the image. */
static void add_spec(Crisp__State__Image *found, const Crisp__State__Pull *row)
{
	struct annotations a = { found->annotations, found->n_annotations };

	/* Of the manifest only: a pod's annotations cannot change an image. */
	found->checkpoint = annotations_are_of_checkpoint(a.list, a.n);
	for (size_t i = 0; i < row->n_annotations; i++)
		annotations_put(&a, row->annotations[i]->key, row->annotations[i]->value);
	found->annotations = a.list;
	found->n_annotations = a.n;
	row_append_str(&found->runtime_handlers, &found->n_runtime_handlers, row->runtime_handler);
}

/* Runs in one loop turn: one transaction holds the image, the names taken from others, and the end
 * of the pull. */
static void pull_fetched(struct object *o, struct image_pull_result *result)
{
	const Crisp__State__Pull *row = (const Crisp__State__Pull *)o->sm->row;
	struct err e = ERR_NULL;
	int r = image_report_check(row->is_layout ? "" : row->reference, result->image_id,
				   result->image, &e);

	if (r == 0)
		add_spec(result->image, row);
	if (r < 0 || image_adopt(result->image_id, take_ptr(result->image), &e) < 0)
		effect_report(o, o->sm->effect_gen, fetch_failed(&e, 0));
	else
		effect_report(o, o->sm->effect_gen,
			      pul_event_fetched(payload_image_id_new(result->image_id)));
}

static void pull_done(void *arg, struct image_pull_result *result, const struct err *err)
{
	struct object *o = arg;

	if (result)
		pulltally_add(pull_reference(o), result->fetched, result->n_fetched);
	if (err)
		pulltally_failed(err);
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

/* The pause image, which crispd pulls itself, may have its own auth file. */
static void request_fill(Crisp__Pull__Request *q, const char *id, const char *sockets)
{
	const struct conf *c = world.conf;
	_cleanup_free_ char *root = path_images(c), *slots = xasprintf("%s/slots", sockets);

	crisp__pull__request__from_conf(q, c);
	if (*c->pause_image_auth_file && strcmp(q->reference, c->pause_image) == 0)
		row_set_str(&q->auth_file, c->pause_image_auth_file);
	row_set_str(&q->pull_id, id);
	row_set_str(&q->images_root, root);
	row_set_str(&q->slots_file, slots);
}

void pul_effect_fetch(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct pulling *p = o->own;
	Crisp__Pull__Request *q = take_ptr(p->request);
	_cleanup_free_ char *sockets = socket_dir();
	struct err e = ERR_NULL;
	int r;

	p->progress = (struct image_pull_progress){ .bytes_done = 0 };
	request_fill(q, sm->id, sockets);
	r = image_pull_start(world.loop, world.pull_path, sockets, q, &pull_ops, o, &p->pull, &e);
	if (r < 0)
		effect_report(o, sm->effect_gen, fetch_failed(&e, 0));
	request_free(q);
}

void pul_effect_adopt(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct pulling *p = o->own;
	_cleanup_free_ char *sockets = socket_dir();
	struct err e = ERR_NULL;
	int r = image_pull_adopt(world.loop, sockets, sm->id, &pull_ops, o, &p->pull, &e);

	if (r > 0)
		err_set(&e, ERR_ABORTED, "the pull's process has ended: pull again");
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
	job_report(j, o,
		   sm_event_failed(j->result < 0 ? PUL_EVENT_CLEAN_STUCK : PUL_EVENT_CLEANED,
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
		image_pull_end(sockets, sm->id); /* left by an earlier daemon */
	job_init(j, o, LANE_IMAGE, work_clean, done_clean, plain_job_free);
	job_start(j);
}

/* The fields of both messages have the same names. */
static Crisp__Pull__Credentials *credentials_of(const Runtime__V1__AuthConfig *a)
{
	const ProtobufCMessageDescriptor *d = &crisp__pull__credentials__descriptor;
	Crisp__Pull__Credentials *c = xmalloc(sizeof(*c));

	crisp__pull__credentials__init(c);
	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *to = &d->fields[i];
		const ProtobufCFieldDescriptor *from =
			protobuf_c_message_descriptor_get_field_by_name(
				&runtime__v1__auth_config__descriptor, to->name);
		const char *const *value;

		assert(from && from->type == PROTOBUF_C_TYPE_STRING && to->type == from->type);
		value = (const void *)((const char *)a + from->offset);
		row_set_str((char **)(void *)((char *)c + to->offset), *value);
	}
	return c;
}

/* Same name, credentials and pod namespace: same pull. The id is a hash of the request before
 * request_fill. A secret of this boot in the hash protects the credentials. */
static void pull_id(const Crisp__Pull__Request *q, char out[ID_LEN + 1])
{
	size_t size = ID_LEN + crisp__pull__request__get_packed_size(q);
	_cleanup_free_ uint8_t *bytes = xmalloc(size);

	memcpy(bytes, pulls.salt, ID_LEN);
	crisp__pull__request__pack(q, bytes + ID_LEN);
	id_of_bytes(bytes, size, out);
	explicit_bzero(bytes, size);
}

static void copy_annotations(Crisp__State__Pull *to, const Runtime__V1__ImageSpec *spec)
{
	struct annotations a = ANNOTATIONS_NULL;

	for (size_t i = 0; i < spec->n_annotations; i++)
		annotations_put(&a, spec->annotations[i]->key, spec->annotations[i]->value);
	to->annotations = a.list;
	to->n_annotations = a.n;
}

/* Find or create the pull for q. Takes q; an idle pull without a request keeps it. spec: whose
 * annotations a new pull takes; NULL: none. */
static struct object *pull_of(Crisp__Pull__Request *q, const Runtime__V1__ImageSpec *spec)
{
	Crisp__State__Pull *row;
	char id[ID_LEN + 1];
	struct pulling *p;
	struct object *o;

	pull_id(q, id);
	o = world_find(KIND_PULL, id);
	if (!o) {
		row = xmalloc(sizeof(*row));
		crisp__state__pull__init(row);
		row->is_layout = *q->layout_dir != 0;
		row_set_str(&row->reference, row->is_layout ? q->layout_dir : q->reference);
		row_set_str(&row->runtime_handler, q->runtime_handler);
		row->started_ns = clock_realtime_ns();
		if (spec)
			copy_annotations(row, spec);
		o = world_new(KIND_PULL, id, row, NULL);
	}
	p = o->own;
	if (!p->request && pul_is_idle(o->sm->state))
		p->request = q;
	else
		request_free(q);
	return o;
}

static int check_request(const Runtime__V1__ImageSpec *spec, struct err *e)
{
	struct image_ref ref = IMAGE_REF_NULL;
	int r = image_ref_parse(spec->image, &ref, e);

	image_ref_done(&ref);
	if (r < 0)
		return err_wrap(e, "image.image");
	return image_check_handler(spec, e) < 0 ? err_wrap(e, "image") : 0;
}

int pull_for(const Runtime__V1__PullImageRequest *req, struct object **ret, struct err *e)
{
	const Runtime__V1__PodSandboxConfig *pod = req->sandbox_config;
	Crisp__Pull__Request *q;
	int r = check_request(req->image, e);

	if (r < 0)
		return r;
	q = request_new(req->image->image);
	row_set_str(&q->runtime_handler, req->image->runtime_handler);
	if (pod && pod->metadata)
		row_set_str(&q->pod_namespace, pod->metadata->namespace_);
	if (req->auth)
		q->credentials = credentials_of(req->auth);
	*ret = pull_of(q, req->image);
	return 0;
}

struct object *pull_for_layout(const Crisp__V1__LoadImageRequest *req)
{
	Crisp__Pull__Request *q = request_new(req->name);

	row_set_str(&q->layout_dir, req->path);
	return pull_of(q, NULL);
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
	/* Layers kept for a retry do not need the process. */
	if (pul_is_kept(o->sm->state))
		image_pull_close(take_ptr(p->pull));
}

static void pull_gone(struct object *o)
{
	struct pulling *p = o->own;

	if (sm_is_gone(o->sm))
		image_pull_close(p->pull);
	else
		image_pull_detach(p->pull); /* daemon shutdown: the pull goes on */
	request_free(p->request);
	free(p);
}

const struct kind_ops kind_pull = {
	.machine = &pul_machine,
	.born = pull_born,
	.moved = pull_moved,
	.gone = pull_gone,
	.answers_to = pull_answers_to,
};

/* --- queries --- */

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

/* Compare normal forms: two spellings can mean the same reference. */
static bool same_reference(const char *a, const char *b)
{
	struct image_ref one = IMAGE_REF_NULL, other = IMAGE_REF_NULL;
	struct err ignored = ERR_NULL;
	bool same = strcmp(a, b) == 0;

	if (!same && image_ref_parse(a, &one, &ignored) == 0 &&
	    image_ref_parse(b, &other, &ignored) == 0)
		same = strcmp(one.domain, other.domain) == 0 && strcmp(one.path, other.path) == 0 &&
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

/* --- start and stop --- */

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
