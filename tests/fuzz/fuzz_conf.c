/*
 * fuzz_conf.c - any bytes as a configuration file, twice, then finished: an error with a text, or a
 * complete configuration, which printed is a file with the same values; all memory is freed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/fs.h"
#include "conf/conf.h"
#include "conf/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Load a text into c as a file. */
static int load(struct conf *c, const void *text, size_t size, struct err *e)
{
	_cleanup_close_ int fd = memfd_create("conf", MFD_CLOEXEC);
	char path[64];

	if (fd < 0 || fs_write_all(fd, text, size) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return conf_load_file(c, path, e);
}

/* A handler that was left out may be one that conf_init finds in PATH: not for those. */
static bool has_all_handlers(const struct conf *c)
{
	for (char **w = c->warnings; w && *w; w++)
		if (strstr(*w, "the handler is left out"))
			return false;
	return true;
}

static void check_printed(const struct conf *c)
{
	_cleanup_buf_ struct buf first = BUF_NULL, second = BUF_NULL;
	struct err e = ERR_NULL;
	struct conf again;

	conf_print(c, true, &first);
	conf_init(&again);
	if (load(&again, first.data, first.len, &e) < 0 || again.ignored ||
	    conf_finish(&again, &e) < 0)
		abort();
	conf_print(&again, true, &second);
	if (strcmp(first.data, second.data) != 0)
		abort();
	conf_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_NULL;
	struct conf c;

	conf_init(&c);
	if (load(&c, data, size, &e) == 0 && load(&c, data, size, &e) == 0 &&
	    conf_finish(&c, &e) == 0) {
		if (!conf_runtime_find(&c, NULL) || !*c.listen || !*c.namespaces_dir)
			abort();
		if (has_all_handlers(&c))
			check_printed(&c);
	} else if (!e.text[0]) {
		abort();
	}
	conf_done(&c);
	return 0;
}
