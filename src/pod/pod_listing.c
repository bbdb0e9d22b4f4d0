/*
 * pod_listing.c - builds runtime.v1.PodSandbox and Container from rows.
 *
 * protobuf-c has one map entry type per message, all with the same two fields: so labels and
 * annotations are passed by cast.
 */
#include "pod/pod_listing.h"

#include "gen/api.pb-c.h"

void sandbox_put_listing(const char *id, const struct sm_state *state, const void *row,
			 struct store_txn *t)
{
	const Crisp__State__Sandbox *r = row;
	Runtime__V1__PodSandbox item = RUNTIME__V1__POD_SANDBOX__INIT;
	Runtime__V1__PodSandboxConfig *c =
		runtime__v1__pod_sandbox_config__unpack(NULL, r->config.len, r->config.data);
	int shows = listing_shows(KIND_SANDBOX, state);

	item.id = (char *)(uintptr_t)id;
	item.state = shows < 0 ? RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_NOTREADY
			       : (Runtime__V1__PodSandboxState)shows;
	item.created_at = r->created_ns;
	item.runtime_handler = r->runtime_handler;
	if (c) {
		item.metadata = c->metadata;
		item.n_labels = c->n_labels;
		item.labels = (void *)c->labels;
		item.n_annotations = c->n_annotations;
		item.annotations = (void *)c->annotations;
	}
	listing_put(KIND_SANDBOX, id, state, row, "", &item.base, t);
	runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
}

void container_put_listing(const char *id, const struct sm_state *state, const void *row,
			   struct store_txn *t)
{
	const Crisp__State__Container *r = row;
	Runtime__V1__Container item = RUNTIME__V1__CONTAINER__INIT;
	Runtime__V1__ImageSpec image;
	Runtime__V1__ContainerConfig *c =
		runtime__v1__container_config__unpack(NULL, r->config.len, r->config.data);
	int shows = listing_shows(KIND_CONTAINER, state);

	item.id = (char *)(uintptr_t)id;
	item.pod_sandbox_id = r->sandbox_id;
	item.state = shows < 0 ? RUNTIME__V1__CONTAINER_STATE__CONTAINER_UNKNOWN
			       : (Runtime__V1__ContainerState)shows;
	item.created_at = r->created_ns;
	item.image_ref = r->image_ref;
	item.image_id = r->image_id;
	if (c) {
		item.metadata = c->metadata;
		if (c->image) {
			image = *c->image;
			image.runtime_handler = r->image_runtime_handler;
			item.image = &image;
		}
		item.n_labels = c->n_labels;
		item.labels = (void *)c->labels;
		item.n_annotations = c->n_annotations;
		item.annotations = (void *)c->annotations;
	}
	listing_put(KIND_CONTAINER, id, state, row, r->sandbox_id, &item.base, t);
	runtime__v1__container_config__free_unpacked(c, NULL);
}
