/*
 * trust.c - collect an image's names and stored signatures, and apply the policy to each name.
 */
#include "images/trust.h"

#include <string.h>

#include "core/records.h"
#include "image/policy.h"
#include "images/image.h"
#include "images/verifier.h"
#include "base/reason.h"

struct trust_subject {
	char *field;
	char **names; /* full names */
	size_t n_names;
	Crisp__State__Signature **signatures;
	size_t n_signatures;
};

static bool is_full_name(const char *name)
{
	struct image_ref ref = IMAGE_REF_NULL;
	struct err ignored = ERR_NULL;
	bool full = image_ref_parse(name, &ref, &ignored) == 0 && *ref.domain;

	image_ref_done(&ref);
	return full;
}

/* Add the image's own names that match asked; asked NULL: all. */
static void add_names(struct trust_subject *s, const char *id, const Crisp__State__Image *i,
		      const char *asked)
{
	for (size_t k = 0; k < i->n_tags; k++)
		if (!asked || image_matches(id, &i->tags[k], 1, NULL, 0, asked))
			row_add_str(&s->names, &s->n_names, i->tags[k]);
	for (size_t k = 0; k < i->n_digests; k++)
		if (!asked || image_matches(id, NULL, 0, &i->digests[k], 1, asked))
			row_add_str(&s->names, &s->n_names, i->digests[k]);
}

struct trust_subject *trust_subject_new(const struct object *image,
					const Runtime__V1__ImageSpec *spec, const char *field)
{
	const char *asked = *spec->user_specified_image ? spec->user_specified_image : spec->image;
	const Crisp__State__Image *row = image ? image->sm->row : NULL;
	struct trust_subject *s = xcalloc(1, sizeof(*s));

	s->field = xstrdup(field);
	if (is_full_name(asked)) {
		row_add_str(&s->names, &s->n_names, asked);
	} else if (row) {
		add_names(s, image->sm->id, row, asked);
		/* asked may be an alias, of any name. */
		if (!s->n_names)
			add_names(s, image->sm->id, row, NULL);
	}
	if (!row)
		return s;
	s->signatures = xcalloc(row->n_signatures + 1, sizeof(struct Crisp__State__Signature *));
	for (; s->n_signatures < row->n_signatures; s->n_signatures++)
		s->signatures[s->n_signatures] = sm_row_clone(row->signatures[s->n_signatures]);
	return s;
}

void trust_subject_free(struct trust_subject *s)
{
	if (!s)
		return;
	row_set_strs(&s->names, &s->n_names, NULL);
	for (size_t i = 0; i < s->n_signatures; i++)
		crisp__state__signature__free_unpacked(s->signatures[i], NULL);
	free(s->signatures);
	free(s->field);
	free(s);
}

/* Check the image under one name. */
static int check_name(const struct trust_subject *s, const struct policy *p, const char *path,
		      const char *name, struct err *e)
{
	struct image_ref named = IMAGE_REF_NULL, ref = IMAGE_REF_NULL;
	int r = image_ref_parse(name, &named, e);

	r = r < 0 ? r : policy_ref_copy(&named, &ref, e);
	r = r < 0 ? r : policy_decide(policy_of_image(p, &ref), e);
	if (r > 0)
		r = image_verify(world.pull_path, path, name, s->signatures, s->n_signatures, e);
	image_ref_done(&named);
	image_ref_done(&ref);
	return r < 0 ? err_wrap(e, "image %s", name) : 0;
}

static int check_names(const struct trust_subject *s, const char *path, struct err *e)
{
	_cleanup_(policy_freep) struct policy *p = NULL;
	int r = policy_load(path, &p, e);

	if (r < 0)
		return r;
	if (!s->n_names)
		return err_set(e, ERR_DENIED, "the image has no name that a policy could match");
	for (size_t i = 0; i < s->n_names; i++) {
		r = check_name(s, p, path, s->names[i], e);
		if (r == 0)
			break;
	}
	return r;
}

int trust_subject_check(const struct trust_subject *s, const char *pod_namespace, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	int r = policy_find(world.conf->signature_policy, world.conf->signature_policy_dir,
			    pod_namespace, &path, e);

	if (r == 0)
		r = check_names(s, path, e);
	if (r < 0) {
		err_wrap(e, "%s", s->field);
		reason_set(e, REASON_SIGNATURE_VALIDATION_FAILED);
	}
	return r;
}
