/*
 * puller.h - the daemon's end of a pull: a crisp-pull process of its own that downloads, checks
 * and unpacks one image, so that no byte of an image is looked at in the daemon.  It
 * outlives us: the next daemon adopts it.
 *
 * All on the loop thread, nothing blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gen/pull.pb-c.h"
#include "gen/state.pb-c.h"
#include "image/pullphase.h"
#include "loop/loop.h"

struct image_pull_result {
	unsigned kept; /* after a failure: layers that stay for another try */
	char image_id[65]; /* hex of the config's digest, of an artifact the manifest's */
	/* Names, config, layers, size, manifest digest; unpacked with the default allocator, set
	 * to NULL to keep it. */
	Crisp__State__Image *image;
};

struct image_pull_progress {
	uint64_t bytes_done, bytes_total; /* of compressed layers; total 0: not known yet */
	unsigned layers_done, layers_total;
	unsigned layers_reused; /* of those done: were on this node */
	unsigned layers_waiting; /* made by another pull at this moment */
	uint64_t bytes_received; /* of layers, over the network or from the layout */
	uint64_t rate; /* bytes a second, at present */
	unsigned retries;
	enum image_pull_phase phase;
	char host[256]; /* registry or mirror; "": none was asked yet */
};

struct image_pull;

struct image_pull_ops {
	void (*progress)(void *arg, const struct image_pull_progress *p); /* may be NULL */
	/* Exactly once.  err NULL: result has an image, and the puller holds its layers against
	 * removal until image_pull_close.  Else result may be NULL.  It may close the pull. */
	void (*done)(void *arg, struct image_pull_result *result, const struct err *err);
};

/* Start a puller.  pull_path: of crisp-pull.  socket_dir: where the next daemon finds it again,
 * <runroot>/pulls.  req stays the caller's.  *ret stays until image_pull_close. */
int image_pull_start(struct loop *l, const char *pull_path, const char *socket_dir,
		     Crisp__Pull__Request *req, const struct image_pull_ops *ops, void *arg,
		     struct image_pull **ret, struct err *e);

/* A puller that an earlier daemon has started: as if it were ours.  1: nobody is there. */
int image_pull_adopt(struct loop *l, const char *socket_dir, const char *id,
		     const struct image_pull_ops *ops, void *arg, struct image_pull **ret,
		     struct err *e);

/* Before done: cancel (the process is killed, done is not called, staging is left for
 * image_staging_remove).  After it: let go of the layers.  Frees.  NULL is fine. */
void image_pull_close(struct image_pull *p);
/* Free alone: the puller goes on and waits for the next daemon. */
void image_pull_detach(struct image_pull *p);

/* A puller that is not ours, if it is there: told to end, its socket is removed. */
void image_pull_end(const char *socket_dir, const char *id);

/* At the start: the pullers that listen in socket_dir and are none of the pulls in ids are told
 * to end, and what else lies there of them is removed. */
int image_pull_dismiss(const char *socket_dir, const char *const *ids, size_t n, struct err *e);
