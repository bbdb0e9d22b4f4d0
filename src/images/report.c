/*
 * report.c - check bounds, digests and names of a puller's report.
 */
#include "images/report.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/util.h"
#include "image/annotations.h"
#include "image/ref.h"

#define SIGNATURES_MAX 128
#define TEXT_MAX 4096 /* of a media type or a user */

static int check_layers(const Crisp__State__Image *image, struct err *e)
{
	if (image->n_layers > LIMIT_LAYERS)
		return err_set(e, ERR_INTERNAL, "%zu layers are more than %d", image->n_layers,
			       LIMIT_LAYERS);
	for (size_t i = 0; i < image->n_layers; i++) {
		const Crisp__State__Layer *l = image->layers[i];

		if (!image_digest_is_valid(l->diff_id) || !image_digest_is_valid(l->blob_digest))
			return err_set(e, ERR_INTERNAL, "layer %zu has no digests", i + 1);
		if (strlen(l->media_type) > TEXT_MAX ||
		    l->unpacked_size > (uint64_t)LIMIT_LAYER_BYTES)
			return err_set(e, ERR_INTERNAL, "layer %zu is out of bounds", i + 1);
	}
	return 0;
}

static int check_content(const char *image_id, const Crisp__State__Image *image, struct err *e)
{
	bool artifact = *image->artifact_type;

	if (!id_is_valid(image_id) || (!image->config.len && !artifact))
		return err_set(e, ERR_INTERNAL, "it is incomplete");
	if (!image_digest_is_valid(image->manifest_digest))
		return err_set(e, ERR_INTERNAL, "it has no manifest digest");
	if (artifact && strcmp(image_id, image->manifest_digest + strlen("sha256:")) != 0)
		return err_set(e, ERR_INTERNAL, "its id is not its manifest's");
	if (image->config.len > LIMIT_MANIFEST || image->n_signatures > SIGNATURES_MAX ||
	    strlen(image->user) > TEXT_MAX || strlen(image->artifact_type) > TEXT_MAX)
		return err_set(e, ERR_INTERNAL, "it is out of bounds");
	if (!annotations_are_valid(image->annotations, image->n_annotations))
		return err_set(e, ERR_INTERNAL, "its annotations are out of bounds");
	if (image->n_runtime_handlers)
		return err_set(e, ERR_INTERNAL, "it names runtime handlers");
	return check_layers(image, e);
}

/* Parse the report's only digest, "name@sha256:...". */
static int check_digest(const Crisp__State__Image *image, struct image_ref *ret, struct err *e)
{
	if (image->n_digests != 1 || image->n_tags > 1 ||
	    image_ref_parse(image->digests[0], ret, e) < 0 || !*ret->digest || *ret->tag)
		return err_set(e, ERR_INTERNAL, "it has not one name with a digest");
	return 0;
}

static int check_names(const char *reference, const Crisp__State__Image *image, struct err *e)
{
	_cleanup_(image_ref_done) struct image_ref asked = IMAGE_REF_NULL, named = IMAGE_REF_NULL;
	_cleanup_free_ char *name = NULL, *tagged = NULL, *found = NULL;
	const char *tag = image->n_tags ? image->tags[0] : NULL;
	int r = check_digest(image, &named, e);

	if (r < 0 || !*reference)
		return r;
	if (image_ref_parse(reference, &asked, e) < 0)
		return -(int)e->code;
	if (*asked.digest && (strcmp(asked.digest, named.digest) != 0 || tag))
		return err_set(e, ERR_INTERNAL, "it has digest %s instead of %s", named.digest,
			       asked.digest);
	if (!*asked.domain)
		return 0;
	name = image_ref_name(&asked);
	found = image_ref_name(&named);
	tagged = *asked.digest ? NULL : image_ref_tagged(&asked);
	if (strcmp(name, found) != 0 || (tag && (!tagged || strcmp(tag, tagged) != 0)))
		return err_set(e, ERR_INTERNAL, "it is called %.200s instead of %.200s",
			       tag ? tag : found, tagged ? tagged : name);
	return 0;
}

int image_report_check(const char *reference, const char *image_id,
		       const Crisp__State__Image *image, struct err *e)
{
	int r = check_content(image_id, image, e);

	r = r < 0 ? r : check_names(reference, image, e);
	return r < 0 ? err_wrap(e, "the puller's report is not one of %.200s",
				*reference ? reference : "a layout")
		     : 0;
}
