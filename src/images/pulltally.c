/*
 * pulltally.c - sorts transfers of layers by size, media type and name.
 */
#include "images/pulltally.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/util.h"

#define NAMES_MAX 1024
#define OTHER "other"

const struct pulltally_size pulltally_sizes[PULLTALLY_SIZES] = {
	{ ">0 B", 0 },
	{ ">1 KiB", 1000 },
	{ ">1 MiB", 1000000 },
	{ ">10 MiB", 10000000 },
	{ ">50 MiB", 50000000 },
	{ ">100 MiB", 100000000 },
	{ ">200 MiB", 200000000 },
	{ ">300 MiB", 300000000 },
	{ ">400 MiB", 400000000 },
	{ ">500 MiB", 500000000 },
	{ ">1 GiB", 1000000000 },
	{ ">10 GiB", 10000000000 },
};

const char *const pulltally_types[PULLTALLY_TYPES] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
	OTHER,
};

/* The first that matches: a registry's own code stands before the general texts. */
const struct pulltally_error pulltally_errors[PULLTALLY_ERRORS] = {
	{ "BLOB_UNKNOWN", "\"BLOB_UNKNOWN\"" },
	{ "MANIFEST_BLOB_UNKNOWN", "\"MANIFEST_BLOB_UNKNOWN\"" },
	{ "MANIFEST_UNKNOWN", "\"MANIFEST_UNKNOWN\"" },
	{ "NAME_UNKNOWN", "\"NAME_UNKNOWN\"" },
	{ "NAME_INVALID", "\"NAME_INVALID\"" },
	{ "TAG_INVALID", "\"TAG_INVALID\"" },
	{ "TOOMANYREQUESTS", "HTTP 429" },
	{ "UNAUTHORIZED", "HTTP 401" },
	{ "UNAUTHORIZED", "wants a user name and a password" },
	{ "DENIED", "HTTP 403" },
	{ "UNSUPPORTED", "\"UNSUPPORTED\"" },
	{ "CONNECTION_REFUSED", "onnection refused" },
	{ "CONNECTION_REFUSED", "Couldn't connect to server" },
	{ "CONNECTION_TIMEOUT", "imed out" },
	{ "CONNECTION_TIMEOUT", "pull_progress_timeout" },
	{ "DIGEST_INVALID", "the digest is " },
	{ "UNAVAILABLE", "HTTP 503" },
	{ "NOT_FOUND", "HTTP 404" },
	{ "UNKNOWN", NULL },
};

static struct {
	struct pulltally sums;
	struct map *names; /* name -> struct pulltally_reuse */
} tally;

static size_t size_of(uint64_t bytes)
{
	size_t i = PULLTALLY_SIZES - 1;

	while (i > 0 && bytes <= pulltally_sizes[i].bytes)
		i--;
	return i;
}

static size_t type_of(const char *media_type)
{
	size_t i = 0;

	while (i < PULLTALLY_TYPES - 1 && strcmp(pulltally_types[i], media_type) != 0)
		i++;
	return i;
}

static void note_reused(const char *reference, const char *digest)
{
	_cleanup_free_ char *name = xasprintf("%.300s@%.100s", reference, digest);
	struct pulltally_reuse *r;

	if (!tally.names)
		tally.names = map_new();
	r = map_get(tally.names, name);
	if (!r && map_count(tally.names) >= NAMES_MAX) {
		free(name);
		name = xstrdup(OTHER);
		r = map_get(tally.names, name);
	}
	if (!r) {
		r = xcalloc(1, sizeof(*r));
		r->name = take_ptr(name);
		map_put(tally.names, r->name, r);
	}
	r->n++;
}

void pulltally_add(const char *reference, Crisp__Pull__Fetched *const *list, size_t n)
{
	struct pulltally *t = &tally.sums;

	for (size_t i = 0; i < n; i++) {
		const Crisp__Pull__Fetched *f = list[i];
		size_t size = size_of(f->size);

		if (f->reused) {
			t->reused[size] += f->size;
			note_reused(reference, f->digest);
			continue;
		}
		t->received[type_of(f->media_type)][size] += f->received;
		if (f->received >= f->size) {
			t->layers[size]++;
			t->layers_bytes += f->size;
		}
	}
}

void pulltally_failed(const struct err *why)
{
	size_t i = 0, first = 0;

	while (pulltally_errors[i].text && !strstr(why->text, pulltally_errors[i].text))
		i++;
	while (strcmp(pulltally_errors[first].label, pulltally_errors[i].label) != 0)
		first++;
	tally.sums.failed[first]++;
}

const struct pulltally *pulltally(void)
{
	return &tally.sums;
}

const struct pulltally_reuse *pulltally_reused(size_t *pos)
{
	return tally.names ? map_next(tally.names, pos) : NULL;
}

void pulltally_reset(void)
{
	size_t pos = 0;
	struct pulltally_reuse *r;

	while (tally.names && (r = map_next(tally.names, &pos))) {
		free(r->name);
		free(r);
	}
	map_free(take_ptr(tally.names));
	tally.sums = (struct pulltally){ .layers_bytes = 0 };
}
