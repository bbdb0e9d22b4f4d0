/*
 * image_listing.c - convert an image's row to the CRI's Image.
 */
#include "images/image_listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "gen/api.pb-c.h"
#include "images/image.h"
#include "images/pinned.h"

/* Image.uid or Image.username: the User of the image config, without the group. */
static void fill_user(Runtime__V1__Image *item, Runtime__V1__Int64Value *uid, char *user)
{
	int64_t n;

	user[strcspn(user, ":")] = '\0';
	if (!*user)
		return;
	if (str_to_i64(user, 0, UINT32_MAX, &n) == 0) {
		uid->value = n;
		item->uid = uid;
	} else {
		item->username = user;
	}
}

void image_put_listing(const char *id, const struct sm_state *state, const void *row,
		       struct store_txn *t)
{
	const Crisp__State__Image *r = row;
	Runtime__V1__Image item = RUNTIME__V1__IMAGE__INIT;
	Runtime__V1__Int64Value uid = RUNTIME__V1__INT64_VALUE__INIT;
	Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
	_cleanup_free_ char *user = xstrdup(r->user);
	_cleanup_free_ char *full_id = xasprintf("sha256:%s", id);

	item.id = full_id;
	item.n_repo_tags = r->n_tags;
	item.repo_tags = r->tags;
	item.n_repo_digests = r->n_digests;
	item.repo_digests = r->digests;
	item.size = r->size;
	item.pinned = pinned_image(world.conf, r);
	spec.image = full_id;
	spec.n_annotations = r->n_annotations;
	spec.annotations = (void *)r->annotations; /* a map's entry has the same two fields */
	spec.runtime_handler = (char *)(uintptr_t)image_shown_handler(r);
	item.spec = &spec;
	fill_user(&item, &uid, user);
	listing_put(KIND_IMAGE, id, state, row, "", &item.base, t);
}
