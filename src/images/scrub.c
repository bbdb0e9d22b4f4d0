/*
 * scrub.c - img_effect_verify: a queue of images whose layers are verified in steps.
 *
 * Each step is a worker job, followed by a pause of a multiple of its duration. Images that left
 * VERIFYING meanwhile are skipped; results for their layers remain valid for other images.
 */
#include "images/scrub.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/jobs.h"
#include "core/paths.h"
#include "core/records.h"
#include "image/layermeta.h"
#include "image/layers.h"
#include "images/image.h"

#define STEP_BYTES (4 * 1024 * 1024)
#define PAUSE_NS (50 * NSEC_PER_MSEC) /* limits the rate to 80 MiB/s */
#define PAUSE_FACTOR 4 /* times a step's duration: at most 1/5 of one CPU */
#define AGAIN_NS (NSEC_PER_SEC)

static struct {
	char **queue; /* image ids */
	size_t n;
	char **whole; /* diffIDs that this daemon has verified */
	size_t n_whole;
	struct loop_timer timer;
	struct loop_job job;
	bool working;
	/* The layer being read, and its image. */
	char id[ID_LEN + 1];
	char *diff_id, *root;
	struct treesum_walk *walk;
	int result; /* of a step: 0 done, 1 more, <0 err */
	struct err err;
	int64_t took_ns;
} v;

static const Crisp__State__Image *row_of(const struct object *o)
{
	return o->sm->row;
}

/* --- selection --- */

static bool is_whole(const char *diff_id)
{
	for (size_t i = 0; i < v.n_whole; i++)
		if (strcmp(v.whole[i], diff_id) == 0)
			return true;
	return false;
}

/* true: another image has verified the same copy of the layer. */
static bool is_trusted(const Crisp__State__Layer *l)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos)))
		for (size_t i = 0; i < row_of(o)->n_layers; i++) {
			const Crisp__State__Layer *other = row_of(o)->layers[i];

			if (other->verified && strcmp(other->diff_id, l->diff_id) == 0 &&
			    strcmp(other->boot_id, l->boot_id) == 0)
				return true;
		}
	return false;
}

/* Skip layers without boot id (older row version). */
static bool wants(const Crisp__State__Layer *l)
{
	return *l->boot_id && !l->verified && strcmp(l->boot_id, clock_boot_id()) != 0 &&
	       !is_whole(l->diff_id) && !is_trusted(l);
}

static const Crisp__State__Layer *next_wanted(const Crisp__State__Image *row)
{
	for (size_t i = 0; i < row->n_layers; i++)
		if (wants(row->layers[i]))
			return row->layers[i];
	return NULL;
}

static const char *missing_layer(const Crisp__State__Image *row)
{
	_cleanup_free_ char *root = path_images(world.conf);

	for (size_t i = 0; i < row->n_layers; i++)
		if (!image_layer_exists(root, row->layers[i]->diff_id))
			return row->layers[i]->diff_id;
	return NULL;
}

/* --- reading: on a worker --- */

/* 1: no sum was recorded, so the layer cannot be checked. */
static int open_layer(struct image_layer_meta *ret, struct err *e)
{
	_cleanup_free_ char *dir = image_layer_dir(v.root, v.diff_id);
	_cleanup_free_ char *fs = xasprintf("%s/fs", dir ? dir : "");

	if (!dir || image_layer_meta_read(dir, ret, e) != 0)
		return err_set(e, ERR_DATA_LOSS, "its metadata cannot be read");
	if (strcmp(ret->diff_id, v.diff_id) != 0)
		return err_set(e, ERR_DATA_LOSS, "its metadata is that of layer %s", ret->diff_id);
	if (!*ret->sum)
		return 1;
	return v.walk ? 0 : treesum_open(fs, NULL, &v.walk, e);
}

static int read_on(struct err *e)
{
	struct image_layer_meta meta = IMAGE_LAYER_META_NULL;
	struct treesum_value sum;
	char text[TREESUM_TEXT];
	int r = open_layer(&meta, e);

	if (r != 0)
		return MIN(r, 0);
	r = treesum_step(v.walk, STEP_BYTES, e);
	if (r != 0)
		return r;
	sum = treesum_result(v.walk);
	treesum_value_text(&sum, text);
	if (strcmp(text, meta.sum) != 0)
		return err_set(e, ERR_DATA_LOSS,
			       "its files have checksum %s, those that were unpacked had %s", text,
			       meta.sum);
	return 0;
}

static void step_work(struct loop_job *j)
{
	int64_t begin = clock_monotonic_ns();

	(void)j;
	v.result = read_on(&v.err);
	v.took_ns = clock_monotonic_ns() - begin;
}

/* --- scheduling --- */

static void forget_layer(void)
{
	treesum_free(take_ptr(v.walk));
	free(take_ptr(v.diff_id));
	free(take_ptr(v.root));
}

static void go_on(struct loop_timer *t);

static void rest_for(int64_t ns)
{
	loop_timer_set(world.loop, &v.timer, clock_monotonic_ns() + ns, go_on);
}

/* The first queued image that is still VERIFYING; NULL: none. */
static struct object *first(void)
{
	while (v.n) {
		struct object *o = world_find(KIND_IMAGE, v.queue[0]);

		if (o && img_is_verifying(o->sm->state))
			return o;
		row_del_str(&v.queue, &v.n, v.queue[0]);
	}
	return NULL;
}

static void report(struct object *o, int event, const struct err *e)
{
	row_del_str(&v.queue, &v.n, o->sm->id);
	effect_report(o, o->sm->effect_gen, sm_event_failed(event, e));
}

static void ask_check(struct object *o)
{
	if (img_is_present(o->sm->state))
		sm_dispatch(o->sm, sm_event_new(IMG_EVENT_CHECK));
}

/* Check all other images that have the layer, which is now missing. */
static void check_others(const struct object *but, const char *diff_id)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos)))
		for (size_t i = 0; o != but && i < row_of(o)->n_layers; i++)
			if (strcmp(row_of(o)->layers[i]->diff_id, diff_id) == 0)
				ask_check(o);
}

static void layer_damaged(struct object *o, const struct err *why)
{
	_cleanup_free_ char *diff_id = xstrdup(v.diff_id);
	struct err e = *why, failed = ERR_NULL;
	int r = image_layer_quarantine(v.root, diff_id, &failed);

	if (r != 0) {
		if (r < 0)
			log_err(LOG_LEVEL_WARN, "quarantine a damaged layer", &failed);
		rest_for(AGAIN_NS);
		return;
	}
	err_wrap(&e, "layer %s is damaged: pull the image again", diff_id);
	log_error("layer quarantined", "img=%.13s layer=%s error=\"%s\"", o->sm->id, diff_id,
		  why->text);
	forget_layer();
	report(o, IMG_EVENT_DAMAGED, &e);
	check_others(o, diff_id);
	rest_for(0);
}

/* Retry errors that do not show damage of the layer. */
static bool is_passing(const struct err *e)
{
	return e->code != ERR_DATA_LOSS || e->errnum == ENOMEM;
}

static void step_done(struct loop_job *j)
{
	struct object *o = world_find(KIND_IMAGE, v.id);
	bool wanted = o && img_is_verifying(o->sm->state);
	struct err e = v.err;

	(void)j;
	v.working = false;
	v.err = ERR_NULL;
	if (v.result == 0) {
		row_add_str(&v.whole, &v.n_whole, v.diff_id);
		forget_layer();
	} else if (v.result < 0 && wanted && !is_passing(&e)) {
		layer_damaged(o, &e);
		return;
	} else if (v.result < 0) {
		if (wanted)
			log_err(LOG_LEVEL_WARN, "layer not verified, tried again", &e);
		forget_layer();
		v.took_ns = AGAIN_NS;
	}
	rest_for(MAX(PAUSE_NS, v.took_ns * PAUSE_FACTOR));
}

/* Drop the walk of another layer, whose image was removed. */
static int begin(const struct object *o, const Crisp__State__Layer *l)
{
	struct err e = ERR_NULL;

	if (v.diff_id && strcmp(v.diff_id, l->diff_id) != 0)
		forget_layer();
	if (!v.diff_id) {
		v.diff_id = xstrdup(l->diff_id);
		v.root = path_images(world.conf);
	}
	memcpy(v.id, o->sm->id, sizeof(v.id));
	v.job.work = step_work;
	v.job.done = step_done;
	v.working = loop_work(world.loop, LANE_SLOW, &v.job, &e) == 0;
	return v.working ? 0 : -1;
}

/* A missing layer makes the image damaged, without reading any layer. */
static bool report_missing(struct object *o)
{
	const char *missing = missing_layer(row_of(o));
	struct err e = ERR_NULL;

	if (!missing)
		return false;
	err_set(&e, ERR_DATA_LOSS, "layer %s is missing: pull the image again", missing);
	log_error("layer missing", "img=%.13s layer=%s", o->sm->id, missing);
	report(o, IMG_EVENT_DAMAGED, &e);
	return true;
}

static void go_on(struct loop_timer *t)
{
	struct object *o;

	(void)t;
	while (!v.working && (o = first())) {
		const Crisp__State__Layer *l = next_wanted(row_of(o));

		if (report_missing(o))
			continue;
		if (!l) {
			log_info("image verified", "img=%.13s", o->sm->id);
			report(o, IMG_EVENT_WHOLE, NULL);
		} else if (begin(o, l) < 0) {
			rest_for(AGAIN_NS);
			return;
		}
	}
	if (!v.working)
		forget_layer();
}

void img_effect_verify(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	if (report_missing(o))
		return;
	row_add_str(&v.queue, &v.n, sm->id);
	if (!v.working && !v.timer.slot)
		rest_for(0);
}

/* --- requests --- */

static void look_at_all(struct loop_timer *t)
{
	struct object *o;
	size_t pos = 0;

	go_on(t);
	while ((o = map_next(world.objects[KIND_IMAGE], &pos)))
		if (next_wanted(row_of(o)) || missing_layer(row_of(o)))
			ask_check(o);
}

/* Runs in the loop's first turn, whose transaction commits the result. */
void scrub_start(void)
{
	loop_timer_set(world.loop, &v.timer, clock_monotonic_ns(), look_at_all);
}

static void look_at(const char *id)
{
	struct object *o = world_find(KIND_IMAGE, id);

	if (o && missing_layer(row_of(o)))
		ask_check(o);
}

void scrub_images_of(const Crisp__State__Container *row)
{
	look_at(*row->image_id ? row->image_id + strlen("sha256:") : row->restore_image);
	for (size_t i = 0; i < row->n_image_mounts; i++)
		look_at(row->image_mounts[i]);
}

void scrub_stop(void)
{
	loop_timer_stop(world.loop, &v.timer);
	forget_layer();
	row_set_strs(&v.queue, &v.n, NULL);
	row_set_strs(&v.whole, &v.n_whole, NULL);
}
