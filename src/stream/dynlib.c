/*
 * dynlib.c - dlopen, and dlsym for a table of functions.
 */
#include "stream/dynlib.h"

#include <dlfcn.h>
#include <string.h>

int dynlib_load(const char *library, const char *package, const struct dynlib_symbol *symbols,
		size_t n, struct err *e)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return err_set(e, ERR_UNIMPLEMENTED, "%s: install %s", dlerror(), package);
	for (size_t i = 0; i < n; i++) {
		void *f = dlsym(handle, symbols[i].name);

		if (!f)
			return err_set(e, ERR_UNIMPLEMENTED, "%s has no %s", library,
				       symbols[i].name);
		memcpy(symbols[i].place, &f, sizeof(f));
	}
	return 0;
}
