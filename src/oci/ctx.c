/*
 * ctx.c - helpers shared by the parts of the spec builder: warnings, path and text checks, id
 * mappings.
 */
#include "oci/ctx.h"

#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define WARNINGS_MAX 64

void oci_ctx_warn(struct oci_ctx *c, const char *fmt, ...)
{
	struct buf text = BUF_NULL;
	va_list ap;

	if (c->n_warnings == WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	c->warnings = xrealloc(c->warnings, (c->n_warnings + 2) * sizeof(*c->warnings));
	c->warnings[c->n_warnings++] = buf_take(&text);
	c->warnings[c->n_warnings] = NULL;
}

char *oci_clean_path(const char *path)
{
	char *out = xmalloc(strlen(path) + 2);
	size_t n = 0;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && memcmp(path, "..", 2) == 0) {
			while (n > 0 && out[--n] != '/')
				;
		} else if (len > 0 && !(len == 1 && *path == '.')) {
			out[n++] = '/';
			memcpy(out + n, path, len);
			n += len;
		}
		path += len;
		path += *path == '/';
	}
	if (n == 0)
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

int oci_check_text(struct oci_ctx *c, const char *field, const char *text)
{
	if (str_is_utf8(text, strlen(text)))
		return 0;
	return err_set(c->e, ERR_INVALID, "%s is not valid UTF-8", field);
}

json_t *oci_mappings_json(Runtime__V1__IDMapping *const *list, size_t n)
{
	json_t *out = oci_json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *map = oci_json_object();

		oci_json_put_number(map, "containerID", list[i]->container_id);
		oci_json_put_number(map, "hostID", list[i]->host_id);
		oci_json_put_number(map, "size", list[i]->length);
		oci_json_push(out, map);
	}
	return out;
}
