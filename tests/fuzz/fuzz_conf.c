/*
 * fuzz_conf.c - any bytes as a configuration file, twice, then finished: an error with a text, or a
 * complete configuration; all memory is freed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("conf", MFD_CLOEXEC);
	struct err e = ERR_NULL;
	struct conf c;
	char path[64];

	if (fd < 0 || fs_write_all(fd, data, size) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	conf_init(&c);
	if (conf_load_file(&c, path, &e) == 0 && conf_load_file(&c, path, &e) == 0 &&
	    conf_finish(&c, &e) == 0) {
		if (!conf_runtime_find(&c, NULL) || !*c.listen || !*c.namespaces_dir)
			abort();
	} else if (!e.text[0]) {
		abort();
	}
	conf_done(&c);
	return 0;
}
