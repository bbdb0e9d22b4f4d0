/*
 * images.c - the image RPCs (runtime.v1 ImageService) and Admin.LoadImage.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"
#include "base/fs.h"
#include "core/calls.h"
#include "core/paths.h"
#include "core/records.h"
#include "gen/cri_rpc.h"
#include "image/layers.h"
#include "images/diskuse.h"
#include "images/image.h"
#include "images/pull.h"

/* --- events --- */

/* Result of a pull: the image's id; or NULL, and failed is set. */
static const char *pulled_id(const struct sm_object *obj, const struct err *e, struct err *failed)
{
	const Crisp__State__Pull *row = obj ? obj->row : NULL;

	if (e)
		*failed = *e;
	else if (!row)
		err_set(failed, ERR_ABORTED, "the pull was removed: pull again");
	else if (row->failure)
		row_failure_err(row->failure, failed);
	return failed->code ? NULL : row->image_id;
}

int rpc_new_pull_image(const Runtime__V1__PullImageRequest *req, struct object **ret, struct err *e)
{
	return pull_for(req, ret, e);
}

void rpc_answer_pull_image(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	Runtime__V1__PullImageResponse resp = RUNTIME__V1__PULL_IMAGE_RESPONSE__INIT;
	_cleanup_free_ char *ref = NULL;
	struct err failed = ERR_NULL;
	const char *id = pulled_id(obj, e, &failed);

	if (!id) {
		rpc_fail(rpc, &failed);
		return;
	}
	ref = xasprintf("sha256:%s", id);
	resp.image_ref = ref;
	rpc_reply(rpc, &resp.base);
}

int rpc_new_load_image(const Crisp__V1__LoadImageRequest *req, struct object **ret, struct err *e)
{
	(void)e;
	*ret = pull_for_layout(req);
	return 0;
}

void rpc_answer_load_image(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	Crisp__V1__LoadImageResponse resp = CRISP__V1__LOAD_IMAGE_RESPONSE__INIT;
	_cleanup_free_ char *ref = NULL;
	struct err failed = ERR_NULL;
	const char *id = pulled_id(obj, e, &failed);
	struct object *image = id ? world_find(KIND_IMAGE, id) : NULL;

	if (!id) {
		rpc_fail(rpc, &failed);
		return;
	}
	ref = xasprintf("sha256:%s", id);
	resp.image_id = ref;
	if (image) {
		resp.n_names = ((const Crisp__State__Image *)image->sm->row)->n_tags;
		resp.names = ((const Crisp__State__Image *)image->sm->row)->tags;
	}
	rpc_reply(rpc, &resp.base);
}

int rpc_payload_remove_image(const Runtime__V1__RemoveImageRequest *req, const struct object *o,
			     struct payload_tag **ret, struct err *e)
{
	return image_payload_remove(o, req->image, ret, e);
}

/* --- reads --- */

/* The id of an image without "sha256:", as in its row. */
static const char *id_in(const Runtime__V1__Image *item)
{
	return item->id + strlen("sha256:");
}

bool rpc_named_image(const Runtime__V1__Image *item, const char *name)
{
	return image_matches(id_in(item), item->repo_tags, item->n_repo_tags, item->repo_digests,
			     item->n_repo_digests, name);
}

/* The verbose info.  "info" of an image: {"labels", "imageSpec": its config}, as CRI-O's; of an
 * artifact: {"artifactType": its type}. */
static char *info_json(const struct listing_row *row)
{
	const Crisp__State__Image *i = row->row;
	json_t *config = json_loadb((const char *)i->config.data, i->config.len, 0, NULL), *all;
	char *json;

	if (*i->artifact_type)
		all = json_pack("{s:s}", "artifactType", i->artifact_type);
	else
		all = json_pack("{s:O*, s:o}", "labels",
				json_object_get(json_object_get(config, "config"), "Labels"),
				"imageSpec", config ? config : json_null());
	json = json_dumps(all, JSON_INDENT(2));
	json_decref(all);
	return json;
}

static int answer_verbose(struct rpc_call *call, const Runtime__V1__Image *item,
			  Runtime__V1__ImageStatusResponse *resp, struct err *e)
{
	Runtime__V1__ImageStatusResponse__InfoEntry info[2], *list[2] = { &info[0], &info[1] };
	_cleanup_free_ char *config = NULL, *machine = NULL;
	struct listing_row row;
	int r = listing_get(KIND_IMAGE, id_in(item), &row, e);

	if (r < 0)
		return r;
	config = info_json(&row);
	machine = api_machine_json(&row);
	for (size_t i = 0; i < ARRAY_LEN(info); i++)
		runtime__v1__image_status_response__info_entry__init(&info[i]);
	info[0].key = (char *)(uintptr_t) "info";
	info[0].value = config;
	info[1].key = (char *)(uintptr_t) "machine";
	info[1].value = machine;
	resp->info = list;
	resp->n_info = ARRAY_LEN(list);
	rpc_reply(call, &resp->base);
	listing_row_done(&row);
	return 0;
}

/* A missing image is a response without an image, not an error. */
int rpc_answer_image_status(struct rpc_call *call, const Runtime__V1__ImageStatusRequest *req,
			    const Runtime__V1__Image *item, struct err *e)
{
	Runtime__V1__ImageStatusResponse resp = RUNTIME__V1__IMAGE_STATUS_RESPONSE__INIT;

	resp.image = (Runtime__V1__Image *)(uintptr_t)item;
	if (req->verbose)
		return item ? answer_verbose(call, item, &resp, e) : api_pull_status(call, req);
	rpc_reply(call, &resp.base);
	return 0;
}

/* --- ImageFsInfo: from rows and the last known values, on the loop --- */

struct fs_usage {
	Runtime__V1__FilesystemUsage usage;
	Runtime__V1__FilesystemIdentifier id;
	Runtime__V1__UInt64Value bytes, inodes;
};

static void fs_usage_fill(struct fs_usage *u, char *mountpoint, const struct disk_usage *use)
{
	runtime__v1__filesystem_usage__init(&u->usage);
	runtime__v1__filesystem_identifier__init(&u->id);
	runtime__v1__uint64_value__init(&u->bytes);
	runtime__v1__uint64_value__init(&u->inodes);
	u->id.mountpoint = mountpoint;
	u->bytes.value = use->bytes;
	u->inodes.value = use->inodes;
	u->usage.timestamp = use->at;
	u->usage.fs_id = &u->id;
	u->usage.used_bytes = &u->bytes;
	u->usage.inodes_used = &u->inodes;
}

/* As CRI-O does, show a file system that images and containers share twice: by equal entries the
 * kubelet knows that it is one.  Its use is that of both. */
static void share(struct fs_usage *images, struct fs_usage *containers)
{
	images->bytes.value += containers->bytes.value;
	images->inodes.value += containers->inodes.value;
	images->usage.timestamp = MIN(images->usage.timestamp, containers->usage.timestamp);
	containers->bytes = images->bytes;
	containers->inodes = images->inodes;
	containers->usage.timestamp = images->usage.timestamp;
	containers->id = images->id;
}

int rpc_take_image_fs_info(struct caller *c, const Runtime__V1__ImageFsInfoRequest *req,
			   struct err *e)
{
	Runtime__V1__ImageFsInfoResponse resp = RUNTIME__V1__IMAGE_FS_INFO_RESPONSE__INIT;
	_cleanup_free_ char *images = path_images(world.conf);
	_cleanup_free_ char *containers = xasprintf("%s/containers", world.conf->root);
	const struct disk_usage of_images = diskuse_images();
	const struct disk_usage of_containers = diskuse_containers();
	struct fs_usage image_use, container_use;
	Runtime__V1__FilesystemUsage *image_list[] = { &image_use.usage };
	Runtime__V1__FilesystemUsage *container_list[] = { &container_use.usage };

	(void)req;
	(void)e;
	fs_usage_fill(&image_use, images, &of_images);
	fs_usage_fill(&container_use, containers, &of_containers);
	if (diskuse_is_one_disk())
		share(&image_use, &container_use);
	resp.n_image_filesystems = 1;
	resp.image_filesystems = image_list;
	resp.n_container_filesystems = 1;
	resp.container_filesystems = container_list;
	rpc_reply(c->rpc, &resp.base);
	free(c);
	return 0;
}
