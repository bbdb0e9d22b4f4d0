/*
 * layergc.c - retry the removal of locked layers on a timer.
 *
 * One loop callback both checks that no image owns the layer and moves it into trash/. Images
 * become owners on the loop thread, so no owner can appear between check and move.
 */
#include "images/layergc.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/paths.h"
#include "core/records.h"
#include "core/trash.h"
#include "image/layers.h"
#include "images/image.h"

#define LOOK_NS (500 * NSEC_PER_MSEC)

static struct {
	char **diff_ids; /* to retry */
	size_t n;
	struct loop_timer timer;
} left;

/* 0: the layer is in trash/, or did not exist. 1: retry. */
static int try_discard(const char *diff_id)
{
	_cleanup_free_ char *root = path_images(world.conf);
	struct err e = ERR_NULL;
	int r = image_layer_discard(root, diff_id, &e);

	if (r < 0)
		log_err(LOG_LEVEL_WARN, "remove a layer without an image", &e);
	else if (r == 0)
		trash_kick();
	return r != 0;
}

static void look_again(struct loop_timer *t)
{
	char **ids = left.diff_ids;
	size_t n = left.n;

	(void)t;
	left.diff_ids = NULL;
	left.n = 0;
	for (size_t i = 0; i < n; i++)
		if (!image_owns_layer(NULL, ids[i]) && try_discard(ids[i]))
			layergc_offer(ids[i]);
	row_set_strs(&ids, &n, NULL);
}

void layergc_offer(const char *diff_id)
{
	row_add_str(&left.diff_ids, &left.n, diff_id);
	loop_timer_set(world.loop, &left.timer, clock_monotonic_ns() + LOOK_NS, look_again);
}

void layergc_discard(const char *diff_id)
{
	if (try_discard(diff_id))
		layergc_offer(diff_id);
}

void layergc_stop(void)
{
	loop_timer_stop(world.loop, &left.timer);
	row_set_strs(&left.diff_ids, &left.n, NULL);
}
