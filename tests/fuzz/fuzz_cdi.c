/*
 * fuzz_cdi.c - any bytes as a CDI specification, in JSON and in YAML: an error with a text, or a
 * file that is as good when it is written as JSON and read again.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cdi/file.h"
#include "cdi/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_devices(const json_t *root, const char *kind)
{
	const json_t *device;
	size_t i;

	if (!cdi_is_kind(kind) || json_array_size(json_object_get(root, "devices")) == 0)
		abort();
	json_array_foreach(json_object_get(root, "devices"), i, device)
	{
		if (!cdi_is_device(json_string_value(json_object_get(device, "name"))) ||
		    json_object_size(json_object_get(device, "containerEdits")) == 0)
			abort();
	}
}

static json_t *parse(const char *name, const char *text, size_t size)
{
	_cleanup_free_ char *kind = NULL;
	struct err e = ERR_NULL;
	json_t *root = NULL;

	if (cdi_file_parse(name, text, size, &root, &kind, &e) < 0) {
		if (root || !e.text[0])
			abort();
		return NULL;
	}
	check_devices(root, kind);
	return root;
}

static void check(const char *name, const char *text, size_t size)
{
	json_t *root = parse(name, text, size), *again;
	char *json;

	if (!root)
		return;
	json = json_dumps(root, JSON_COMPACT);
	again = json ? parse("again.json", json, strlen(json)) : NULL;
	if (!again || !json_equal(root, again))
		abort();
	free(json);
	json_decref(again);
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check("a.json", (const char *)data, size);
	check("a.yaml", (const char *)data, size);
	return 0;
}
