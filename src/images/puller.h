/*
 * puller.h - the daemon's end of a pull. Each pull is a crisp-pull process that downloads, checks
 * and unpacks one image. The daemon parses no byte of an image. The process outlives the daemon;
 * the next daemon adopts it.
 *
 * Call all functions on the loop thread; no function blocks.
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
	unsigned kept; /* after a failure: layers kept for a retry */
	/* How much of each layer came in; valid during the call. */
	Crisp__Pull__Fetched *const *fetched;
	size_t n_fetched;
	char image_id[65]; /* hex of the config's digest; for an artifact the manifest's */
	/* Names, config, layers, size, manifest digest. Unpacked with the default allocator; set to
	 * NULL to take ownership. */
	Crisp__State__Image *image;
};

struct image_pull_progress {
	uint64_t bytes_done, bytes_total; /* of compressed layers; total 0: not known yet */
	unsigned layers_done, layers_total;
	unsigned layers_reused; /* of layers_done: already on this node */
	unsigned layers_waiting; /* another pull makes them now */
	uint64_t bytes_received; /* of layers, over the network or from the layout */
	uint64_t rate; /* current bytes per second */
	unsigned retries;
	enum image_pull_phase phase;
	char host[256]; /* registry or mirror; "": not contacted yet */
};

struct image_pull;

struct image_pull_ops {
	void (*progress)(void *arg, const struct image_pull_progress *p); /* may be NULL */
	/* Called exactly once; may close the pull. err NULL: result has an image, whose layers the
	 * puller locks until image_pull_close. Else result may be NULL. */
	void (*done)(void *arg, struct image_pull_result *result, const struct err *err);
};

/* Start a puller. pull_path: path of crisp-pull. socket_dir: <runroot>/pulls, where the next daemon
 * finds its socket. The caller keeps req. Free *ret with image_pull_close. */
int image_pull_start(struct loop *l, const char *pull_path, const char *socket_dir,
		     Crisp__Pull__Request *req, const struct image_pull_ops *ops, void *arg,
		     struct image_pull **ret, struct err *e);

/* Adopt a puller that an earlier daemon started; then as after image_pull_start. 1: no puller
 * listens. */
int image_pull_adopt(struct loop *l, const char *socket_dir, const char *id,
		     const struct image_pull_ops *ops, void *arg, struct image_pull **ret,
		     struct err *e);

/* Free p. Before done: cancel: kill the process, leave staging for image_staging_remove; done is
 * not called. After done: unlock the layers. p may be NULL. */
void image_pull_close(struct image_pull *p);
/* Free p only: the puller goes on and waits for the next daemon. p may be NULL. */
void image_pull_detach(struct image_pull *p);

/* Tell a puller without a struct image_pull, if it runs, to end; remove its socket. */
void image_pull_end(const char *socket_dir, const char *id);

/* Start: tell pullers that listen in socket_dir and whose pull is not in ids to end. Remove their
 * sockets. */
int image_pull_dismiss(const char *socket_dir, const char *const *ids, size_t n, struct err *e);
