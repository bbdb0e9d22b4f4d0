/*
 * criuimg.h - reads CRIU's image files: two magic numbers, then messages of proto/criu.proto, each
 * after its length.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gen/criu.pb-c.h"

#define CRIUIMG_INVENTORY 0x58313116U
#define CRIUIMG_PSTREE 0x50273030U
#define CRIUIMG_CORE 0x55053847U
#define CRIUIMG_MOUNTS 0x55563928U
#define CRIUIMG_FILES 0x56303138U

#define CRIUIMG_BYTES_MAX (4 * 1024 * 1024) /* of one file that is read */

typedef int criuimg_fn(const ProtobufCMessage *message, void *arg, struct err *e);

/* Call fn for each message of the image in data, of the kind that magic names.  A result other than
 * 0 ends the walk and is returned.  ERR_INVALID: no such image. */
int criuimg_each(const void *data, size_t size, uint32_t magic, criuimg_fn *fn, void *arg,
		 struct err *e);

/* Likewise for the regular file name in dir; errors begin with the name. */
int criuimg_each_of_file(const char *dir, const char *name, uint32_t magic, criuimg_fn *fn,
			 void *arg, struct err *e);
