/*
 * layergc.h - collect layers without an image that a puller still locks. They are removed once the
 * puller unlocks them, unless an image owns them by then. Call on the loop thread.
 */
#pragma once

/* Discard a layer without an image, now or once no puller locks it. */
void layergc_discard(const char *diff_id);

/* Check a layer later, and discard it unless an image owns it then. */
void layergc_offer(const char *diff_id);

/* Drop the list of pending layers; the next start finds them again. */
void layergc_stop(void);
