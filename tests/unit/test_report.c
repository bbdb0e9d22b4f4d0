/*
 * test_report.c - reports of an adopted puller: the daemon takes valid ones and refuses the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "images/report.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_HEX "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SHA "sha256:" HEX
#define OTHER "sha256:" OTHER_HEX
#define TEXT(s) ((char *)(uintptr_t)(s))

static Crisp__State__Layer layer;
static Crisp__State__Layer *layers[200];
static char *tags[2], *digests[2];
static Crisp__State__Image image;

/* What an honest puller reports of example.com/a:1. */
static int setup(void **state)
{
	(void)state;
	crisp__state__layer__init(&layer);
	layer.diff_id = TEXT(SHA);
	layer.blob_digest = TEXT(SHA);
	for (size_t i = 0; i < ARRAY_LEN(layers); i++)
		layers[i] = &layer;
	tags[0] = tags[1] = TEXT("example.com/a:1");
	digests[0] = digests[1] = TEXT("example.com/a@" SHA);
	crisp__state__image__init(&image);
	image.tags = tags;
	image.n_tags = 1;
	image.digests = digests;
	image.n_digests = 1;
	image.layers = layers;
	image.n_layers = 3;
	image.config.data = (uint8_t *)TEXT("{}");
	image.config.len = 2;
	image.manifest_digest = TEXT(SHA);
	return 0;
}

static void good(const char *reference)
{
	struct err e = ERR_NULL;

	if (image_report_check(reference, HEX, &image, &e) < 0)
		fail_msg("%s: %s", reference, e.text);
}

static void bad(const char *reference, const char *id, const char *text)
{
	struct err e = ERR_NULL;

	assert_true(image_report_check(reference, id, &image, &e) < 0);
	if (!strstr(e.text, text))
		fail_msg("%s, expected %s", e.text, text);
}

static void test_names(void **state)
{
	(void)state;
	good("example.com/a:1");
	good("a:1");
	good("");
	bad("example.com/a:2", HEX, "instead of example.com/a:2");
	bad("example.com/a", HEX, "instead of example.com/a:latest");
	bad("example.com/b:1", HEX, "instead of example.com/b:1");
	bad("example.org/a:1", HEX, "instead of example.org/a:1");
	image.n_tags = 2;
	bad("example.com/a:1", HEX, "name with a digest");
	image.n_tags = 0;
	good("example.com/a:1");
	image.n_digests = 0;
	bad("example.com/a:1", HEX, "name with a digest");
	image.n_digests = 2;
	bad("example.com/a:1", HEX, "name with a digest");
	image.n_digests = 1;
	digests[0] = TEXT("example.com/a:1@" SHA);
	bad("example.com/a:1", HEX, "name with a digest");
	digests[0] = TEXT("example.com/a");
	bad("example.com/a:1", HEX, "name with a digest");
}

static void test_digests(void **state)
{
	(void)state;
	image.n_tags = 0;
	good("example.com/a@" SHA);
	good("example.com/a:1@" SHA);
	bad("example.com/a@" OTHER, HEX, "instead of " OTHER);
	bad("a@" OTHER, HEX, "instead of " OTHER);
	image.n_tags = 1;
	bad("example.com/a@" SHA, HEX, "digest");
	image.manifest_digest = TEXT("sha256:0");
	bad("example.com/a:1", HEX, "manifest digest");
}

static void test_content(void **state)
{
	(void)state;
	bad("a", "../../../etc", "incomplete");
	image.config.len = 0;
	bad("a", HEX, "incomplete");
	image.artifact_type = TEXT("a/b");
	good("a:1");
	bad("a", OTHER_HEX, "its manifest's");
	image.artifact_type = TEXT("");
	image.config.len = 100000000;
	bad("a", HEX, "out of bounds");
	image.config.len = 2;
	image.n_layers = 501;
	bad("a", HEX, "more than 500");
	image.n_layers = 2;
	layer.diff_id = TEXT("sha256:../..");
	bad("a", HEX, "layer 1 has no digests");
	layer.diff_id = TEXT(SHA);
	layer.blob_digest = TEXT("");
	bad("a", HEX, "layer 1 has no digests");
	layer.blob_digest = TEXT(SHA);
	layer.unpacked_size = UINT64_MAX;
	bad("a", HEX, "out of bounds");
	layer.unpacked_size = 1;
	image.n_signatures = 1000;
	bad("a", HEX, "out of bounds");
}

static void test_annotations(void **state)
{
	static char value[8 * 1024];
	Crisp__State__Annotation a = CRISP__STATE__ANNOTATION__INIT, *list[200];
	char *handlers[] = { TEXT("kata") };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		list[i] = &a;
	image.annotations = list;
	image.n_annotations = 1;
	a.key = TEXT("k");
	good("a:1");
	memset(value, 'x', sizeof(value) - 1);
	a.value = value;
	good("a:1");
	image.n_annotations = 2;
	bad("a:1", HEX, "annotations are out of bounds");
	a.value = TEXT("");
	image.n_annotations = 200;
	bad("a:1", HEX, "annotations are out of bounds");
	image.n_annotations = 1;
	a.value = TEXT("\xff");
	bad("a:1", HEX, "annotations are out of bounds");
	a.value = TEXT("v");
	a.key = TEXT("");
	bad("a:1", HEX, "annotations are out of bounds");
	a.key = TEXT("k");
	image.runtime_handlers = handlers;
	image.n_runtime_handlers = 1;
	bad("a:1", HEX, "names runtime handlers");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_names, setup),
		cmocka_unit_test_setup(test_digests, setup),
		cmocka_unit_test_setup(test_content, setup),
		cmocka_unit_test_setup(test_annotations, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
