/*
 * catalog.h - the devices of all CDI specification files of some directories.
 * A catalog is immutable: a change on disk shows in the next one.  Any thread may use it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "cdi/file.h"

struct cdi_catalog;

struct cdi_device {
	char *name; /* vendor.com/class=name */
	const struct cdi_file *file;
	const json_t *json; /* the entry of the file's "devices" */
	const struct cdi_file *rival; /* has the device too, in the same directory; NULL: none */
};

/* Read the *.json and *.yaml files of dirs, NULL-terminated; a missing directory is empty.  A later
 * directory replaces devices of earlier ones.  old: an earlier catalog of the same directories, or
 * NULL.  Unchanged files are not read again; without any change old itself is returned.  Never
 * NULL: a file that cannot be used has no devices, and an error.  Blocks. */
struct cdi_catalog *cdi_catalog_read(char *const *dirs, struct cdi_catalog *old);
struct cdi_catalog *cdi_catalog_ref(struct cdi_catalog *r);
void cdi_catalog_unref(struct cdi_catalog *r);

/* Find a device by its full name.  ERR_INVALID: no such name can be.  ERR_PRECONDITION: no file
 * describes it, or two do; names files that could have and were not used. */
int cdi_catalog_find(const struct cdi_catalog *r, const char *name, const struct cdi_device **ret,
		     struct err *e);

/* All devices, by name; *ret_n: how many. */
const struct cdi_device *cdi_catalog_devices(const struct cdi_catalog *r, size_t *ret_n);

/* Call fn for each error of a file or a device.  old: an earlier catalog, whose errors of files
 * that did not change since are left out; or NULL. */
void cdi_catalog_errors(const struct cdi_catalog *r, const struct cdi_catalog *old,
			void (*fn)(const struct err *e, void *arg), void *arg);
