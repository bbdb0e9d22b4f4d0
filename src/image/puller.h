/*
 * puller.h - the daemon's end of a pull: a crisp-pull process of its own that downloads, checks
 * and unpacks one image, so that no byte of an image is looked at in the daemon.
 *
 * All on the loop thread, nothing blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gen/state.pb-c.h"
#include "loop/loop.h"

/* Everything is copied. */
struct image_pull_request {
	const char *pull_path;    /* of crisp-pull */
	const char *images_root;  /* <root>/images */
	const char *id;           /* of the pull: names its staging directory */
	const char *reference;    /* as asked for; or the name for a layout, "": from its index */
	const char *layout_dir;   /* absolute directory of an OCI layout, NULL: from a registry */
	const char *registries_conf;
	const char *auth_file;    /* "" or NULL: none */
	const char *slots_dir;    /* where pullers agree how many layers are made; NULL: no limit */
	unsigned max_layers;
	char *const *insecure_registries; /* NULL-terminated or NULL */
	char *const *certs_dirs;          /* the same */
	const char *namespaced_auth_dir, *pod_namespace; /* "" or NULL: none */
	const char *short_name_mode;      /* "" or NULL: what registries.conf says */
	int64_t progress_timeout_ms;      /* 0: none for the pull as a whole */
	/* Credentials from the CRI, any may be NULL. */
	const char *username, *password, *auth, *identity_token, *registry_token;
	const char *server_address; /* whose they are */
};

struct image_pull_result {
	char image_id[65];          /* hex of the config's digest */
	/* Names, config, layers, size, manifest digest; unpacked with the default allocator, set
	 * to NULL to keep it. */
	Crisp__State__Image *image;
};

struct image_pull_progress {
	uint64_t bytes_done, bytes_total; /* of compressed layers; total 0: not known yet */
	unsigned layers_done, layers_total;
};

struct image_pull;

struct image_pull_ops {
	void (*progress)(void *arg, const struct image_pull_progress *p); /* may be NULL */
	/* Exactly once.  err NULL: result is there, and the puller holds its layers against removal
	 * until image_pull_close.  The callback may close the pull. */
	void (*done)(void *arg, struct image_pull_result *result, const struct err *err);
};

/* Start a puller.  *ret stays until image_pull_close. */
int image_pull_start(struct loop *l, const struct image_pull_request *req,
		     const struct image_pull_ops *ops, void *arg, struct image_pull **ret,
		     struct err *e);

/* Before done: cancel (the process is killed, done is not called, staging is left for
 * image_staging_remove).  After it: let go of the layers.  Frees.  NULL is fine. */
void image_pull_close(struct image_pull *p);
/* The same when the loop does not run any more and nobody would see the puller's end: it is waited
 * for. */
void image_pull_end(struct image_pull *p);
