/*
 * test_saved_image.c - images of checkpoints: the annotations that mark one, that each manifest of
 * the image must have one, and when a container uses it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_image.h"
#include "image/annotations.h"
#include "images/imageuse.h"

static void annotations(void **state)
{
	static const char *const keys[] = { "io.kubernetes.cri-o.annotations.checkpoint.name",
					    "org.criu.checkpoint.container.name" };
	struct annotations a = ANNOTATIONS_NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		annotations_put(&a, "org.criu.checkpoint.container", keys[i]);
		assert_false(annotations_are_of_checkpoint(a.list, a.n));
		annotations_put(&a, keys[i], "");
		assert_true(annotations_are_of_checkpoint(a.list, a.n));
		annotations_done(&a);
	}
}

/* A pull of the image whose manifest says so, or not. */
static bool after_pull(Crisp__State__Image *row, bool says)
{
	Crisp__State__Image found = CRISP__STATE__IMAGE__INIT;
	struct payload_image image = { .found = &found };
	const struct sm_event ev = { .at_ns = 1 };
	uint8_t config[] = "{}";

	found.checkpoint = says;
	found.config = (ProtobufCBinaryData){ .len = 2, .data = config };
	img_step_note_image(row, &ev, &image);
	return row->checkpoint;
}

/* Another name of the image cannot make it a checkpoint. */
static void manifests(void **state)
{
	Crisp__State__Image *row = xmalloc(sizeof(*row));

	(void)state;
	crisp__state__image__init(row);
	assert_true(after_pull(row, true));
	assert_true(after_pull(row, true));
	assert_false(after_pull(row, false));
	assert_false(after_pull(row, true));
	crisp__state__image__free_unpacked(row, NULL);
}

/* The image is in use until its files are unpacked. */
static void use(void **state)
{
	Crisp__State__Container *row = xmalloc(sizeof(*row));

	(void)state;
	crisp__state__container__init(row);
	assert_false(imageuse_by(row, "a1"));
	row_set_str(&row->restore_image, "a1");
	assert_true(imageuse_by(row, "a1"));
	row_set_str(&row->image_id, "sha256:b2");
	assert_false(imageuse_by(row, "a1"));
	assert_true(imageuse_by(row, "b2"));
	row_append_str(&row->image_mounts, &row->n_image_mounts, "c3");
	assert_true(imageuse_by(row, "c3"));
	crisp__state__container__free_unpacked(row, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(annotations),
		cmocka_unit_test(manifests),
		cmocka_unit_test(use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
