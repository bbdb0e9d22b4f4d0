/*
 * layergc.h - layers that no image has and that a puller still counts on: they go when it lets go,
 * unless an image has come to own them by then.  On the loop thread.
 */
#pragma once

/* Discard a layer that no image has, now or as soon as it may be. */
void layergc_discard(const char *diff_id);

/* Look at a layer later: it goes unless an image has it then. */
void layergc_offer(const char *diff_id);

/* Forget what is left to look at; the next start finds it anyway. */
void layergc_stop(void);
