/*
 * fields.c - the table of all fields of CDI 0.3.0 to 1.1.0, and one walk that checks a file by it.
 * Invariant: a rule of one field is a column of the table; no code names a field.
 */
#include "cdi/fields.h"

#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"
#include "base/util.h"
#include "cdi/name.h"

#define CLOS_MAX 4096 /* bytes of a closID */

/* --- the words of single fields ------------------------------------------------------------- */

static const struct {
	const char *text;
	int number;
} versions[] = {
	{ "0.1.0", 100 },   { "0.2.0", 200 },	    { "0.3.0", 300 }, { "0.4.0", 400 },
	{ "0.5.0", 500 },   { "0.6.0", 600 },	    { "0.7.0", 700 }, { "0.8.0", 800 },
	{ "1.0.0", 10000 }, { CDI_VERSION, 10100 },
};

int cdi_version(const char *text)
{
	text += *text == 'v';
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		if (strcmp(text, versions[i].text) == 0)
			return versions[i].number;
	return 0;
}

/* The first versions have no tagged specification. */
static bool is_version(const char *text)
{
	return cdi_version(text) >= 300;
}

static bool has_class_dot(const char *kind)
{
	const char *slash = strchr(kind, '/');

	return slash && strchr(slash, '.');
}

static bool begins_with_digit(const char *name)
{
	return *name >= '0' && *name <= '9';
}

static bool is_variable(const char *text)
{
	const char *equal = strchr(text, '=');

	return equal && equal > text;
}

static bool is_absolute(const char *text)
{
	return *text == '/';
}

static bool is_word_of(const char *text, const char *const *words)
{
	while (*words && strcmp(text, *words) != 0)
		words++;
	return *words;
}

static bool is_hook(const char *text)
{
	static const char *const hooks[] = { "prestart",
					     "createRuntime",
					     "createContainer",
					     "startContainer",
					     "poststart",
					     "poststop",
					     NULL };

	return is_word_of(text, hooks);
}

static bool is_node_type(const char *text)
{
	static const char *const types[] = { "", "b", "c", "u", "p", NULL };

	return is_word_of(text, types);
}

static bool is_permissions(const char *text)
{
	return strcmp(text, "none") == 0 || !text[strspn(text, "rwm")];
}

/* A file name below /sys/fs/resctrl, or "/", its root. */
static bool is_clos(const char *text)
{
	return strcmp(text, "/") == 0 || (strlen(text) < CLOS_MAX && strcmp(text, ".") != 0 &&
					  strcmp(text, "..") != 0 && !strpbrk(text, "/\n"));
}

/* --- the table ------------------------------------------------------------------------------ */

#define VARIABLE .is_valid = is_variable, .want = "of the form NAME=value"
#define UINT32(text) .type = CDI_NUMBER, .max = UINT32_MAX, .want = text

static const struct cdi_field node_fields[] = {
	{ .name = "path", .required = true },
	{ .name = "hostPath", .since = 500 },
	{ .name = "type", .is_valid = is_node_type, .want = "b, c, u or p" },
	{ .name = "major", UINT32("a device number") },
	{ .name = "minor", UINT32("a device number") },
	{ .name = "fileMode", UINT32("a file mode") },
	{ .name = "permissions",
	  .is_valid = is_permissions,
	  .want = "made of r, w and m, or none" },
	{ .name = "uid", UINT32("an id below 2^32") },
	{ .name = "gid", UINT32("an id below 2^32") },
	{ .name = NULL },
};

static const struct cdi_field net_device_fields[] = {
	{ .name = "hostInterfaceName", .required = true, .unique = true },
	{ .name = "name", .required = true, .unique = true },
	{ .name = NULL },
};

static const struct cdi_field hook_fields[] = {
	{ .name = "hookName",
	  .required = true,
	  .is_valid = is_hook,
	  .want = "prestart, createRuntime, createContainer, startContainer, poststart or "
		  "poststop" },
	{ .name = "path", .required = true, .is_valid = is_absolute, .want = "an absolute path" },
	{ .name = "args", .list = true },
	{ .name = "env", .list = true, VARIABLE },
	{ .name = "timeout",
	  .type = CDI_NUMBER,
	  .min = 1,
	  .max = INT32_MAX,
	  .want = "seconds, 1 or more" },
	{ .name = NULL },
};

static const struct cdi_field mount_fields[] = {
	{ .name = "hostPath", .required = true },
	{ .name = "containerPath", .required = true },
	{ .name = "options", .list = true },
	{ .name = "type", .since = 400 },
	{ .name = NULL },
};

static const struct cdi_field rdt_fields[] = {
	{ .name = "closID", .is_valid = is_clos, .want = "a file name, or /" },
	{ .name = "l3CacheSchema" },
	{ .name = "memBwSchema" },
	{ .name = "schemata", .list = true, .since = 10100 },
	{ .name = "enableMonitoring", .type = CDI_BOOLEAN, .since = 10100 },
	{ .name = NULL },
};

static const struct cdi_field edit_fields[] = {
	{ .name = "env", .list = true, VARIABLE },
	{ .name = "deviceNodes", .type = CDI_OBJECT, .list = true, .fields = node_fields },
	{ .name = "netDevices",
	  .type = CDI_OBJECT,
	  .list = true,
	  .since = 10100,
	  .fields = net_device_fields },
	{ .name = "hooks", .type = CDI_OBJECT, .list = true, .fields = hook_fields },
	{ .name = "mounts", .type = CDI_OBJECT, .list = true, .fields = mount_fields },
	{ .name = "intelRdt", .type = CDI_OBJECT, .since = 700, .fields = rdt_fields },
	{ .name = "additionalGids", .list = true, .since = 700, UINT32("a group id below 2^32") },
	{ .name = NULL },
};

static const struct cdi_field device_fields[] = {
	{ .name = "name",
	  .required = true,
	  .unique = true,
	  .since = 500,
	  .newer = begins_with_digit,
	  .is_valid = cdi_is_device,
	  .want = "letters and digits, with '_', '-', '.' and ':' between" },
	{ .name = "annotations", .type = CDI_TEXT_MAP, .since = 600 },
	{ .name = "containerEdits", .type = CDI_OBJECT, .required = true, .fields = edit_fields },
	{ .name = NULL },
};

static const struct cdi_field file_fields[] = {
	{ .name = "cdiVersion",
	  .required = true,
	  .is_valid = is_version,
	  .want = "a version from 0.3.0 to " CDI_VERSION },
	{ .name = "kind",
	  .required = true,
	  .since = 600,
	  .newer = has_class_dot,
	  .is_valid = cdi_is_kind,
	  .want = "of the form vendor.com/class" },
	{ .name = "annotations", .type = CDI_TEXT_MAP, .since = 600 },
	{ .name = "devices",
	  .type = CDI_OBJECT,
	  .list = true,
	  .required = true,
	  .fields = device_fields },
	{ .name = "containerEdits", .type = CDI_OBJECT, .fields = edit_fields },
	{ .name = NULL },
};

const struct cdi_field cdi_root = { .name = "file", .type = CDI_OBJECT, .fields = file_fields };

const struct cdi_field *cdi_field_find(const struct cdi_field *f, const char *name)
{
	for (f = f->fields; f && f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

/* --- the walk ------------------------------------------------------------------------------- */

/* The place of a value in the file, for errors. */
struct where {
	const struct where *up; /* NULL: the file */
	const char *name;
	size_t index; /* in a list + 1; 0: not in a list */
};

struct check {
	struct err *e;
	int version; /* of the file */
};

static void put_where(struct buf *b, const struct where *w)
{
	if (w->up && w->up->up)
		put_where(b, w->up);
	buf_printf(b, "%s%.128s", b->len ? "." : "", w->name);
	if (w->index)
		buf_printf(b, "[%zu]", w->index - 1);
}

__attribute__((format(printf, 3, 4))) static int wrong(const struct check *c, const struct where *w,
						       const char *fmt, ...)
{
	_cleanup_buf_ struct buf b = BUF_NULL;
	va_list ap;

	put_where(&b, w);
	buf_puts(&b, ": ");
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return err_set(c->e, ERR_INVALID, "%s", b.data);
}

/* Does the value say anything?  One that does not needs no version. */
static bool is_used(const json_t *v, const struct cdi_field *f)
{
	if (!v || json_is_null(v) || json_is_false(v))
		return false;
	if (json_is_array(v))
		return json_array_size(v) > 0;
	if (json_is_object(v) && f->type == CDI_TEXT_MAP)
		return json_object_size(v) > 0;
	return !json_is_string(v) || json_string_length(v) > 0;
}

static bool has_used_member(const json_t *object, const struct cdi_field *f)
{
	for (f = f->fields; f->name; f++)
		if (is_used(json_object_get(object, f->name), f))
			return true;
	return false;
}

static int check_text(const struct check *c, const struct where *w, const struct cdi_field *f,
		      const json_t *v)
{
	if (!json_is_string(v))
		return wrong(c, w, "must be a text");
	if (!f->is_valid || f->is_valid(json_string_value(v)))
		return 0;
	return wrong(c, w, "\"%.128s\" must be %s", json_string_value(v), f->want);
}

static int check_number(const struct check *c, const struct where *w, const struct cdi_field *f,
			const json_t *v)
{
	if (!json_is_integer(v))
		return wrong(c, w, "must be an integer");
	if (json_integer_value(v) < f->min || json_integer_value(v) > f->max)
		return wrong(c, w, "%lld must be %s", (long long)json_integer_value(v), f->want);
	return 0;
}

static int check_text_map(const struct check *c, const struct where *w, const json_t *v)
{
	const char *name;
	json_t *text;

	if (!json_is_object(v))
		return wrong(c, w, "must be an object");
	json_object_foreach((json_t *)v, name, text)
	{
		const struct where in = { .up = w, .name = name };

		if (!json_is_string(text))
			return wrong(c, &in, "must be a text");
	}
	return 0;
}

static int check_object(const struct check *c, const struct where *w, const struct cdi_field *f,
			const json_t *v);

static int check_value(const struct check *c, const struct where *w, const struct cdi_field *f,
		       const json_t *v)
{
	switch (f->type) {
	case CDI_TEXT:
		return check_text(c, w, f, v);
	case CDI_NUMBER:
		return check_number(c, w, f, v);
	case CDI_BOOLEAN:
		return json_is_boolean(v) ? 0 : wrong(c, w, "must be true or false");
	case CDI_OBJECT:
		return check_object(c, w, f, v);
	case CDI_TEXT_MAP:
		return check_text_map(c, w, v);
	}
	return 0;
}

/* The objects of a list have different texts in the field f. */
static int check_unique(const struct check *c, const struct where *w, const struct cdi_field *f,
			const json_t *list)
{
	struct map *seen = map_new();
	json_t *object;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, object)
	{
		const char *text = json_string_value(json_object_get(object, f->name));
		const struct where item = { .up = w->up, .name = w->name, .index = i + 1 };
		const struct where in = { .up = &item, .name = f->name };

		if (map_get(seen, text)) {
			r = wrong(c, &in, "\"%.128s\" is there twice", text);
			break;
		}
		map_put(seen, text, object);
	}
	map_free(seen);
	return r;
}

static int check_list(const struct check *c, const struct where *w, const struct cdi_field *f,
		      const json_t *list)
{
	const json_t *item;
	size_t i;
	int r = 0;

	if (!json_is_array(list))
		return wrong(c, w, "must be a list");
	json_array_foreach(list, i, item)
	{
		const struct where in = { .up = w->up, .name = w->name, .index = i + 1 };

		r = check_value(c, &in, f, item);
		if (r < 0)
			return r;
	}
	for (const struct cdi_field *m = f->fields; r == 0 && m && m->name; m++)
		if (m->unique)
			r = check_unique(c, w, m, list);
	return r;
}

static int check_since(const struct check *c, const struct where *w, const struct cdi_field *f,
		       const json_t *v)
{
	int since = f->since;

	if (since <= c->version || !is_used(v, f) ||
	    (f->newer && !f->newer(json_is_string(v) ? json_string_value(v) : "")))
		return 0;
	return wrong(c, w, "needs cdiVersion %d.%d.%d or later, and the file has %d.%d.%d",
		     since / 10000, since / 100 % 100, since % 100, c->version / 10000,
		     c->version / 100 % 100, c->version % 100);
}

static int check_member(const struct check *c, const struct where *w, const struct cdi_field *f,
			const json_t *v)
{
	int r;

	if (f->required && !is_used(v, f))
		return wrong(c, w, v ? "must not be empty" : "is missing");
	if (!v || json_is_null(v))
		return 0;
	r = f->list ? check_list(c, w, f, v) : check_value(c, w, f, v);
	if (r == 0 && f->required && f->type == CDI_OBJECT && !f->list && !has_used_member(v, f))
		return wrong(c, w, "must not be empty");
	return r == 0 ? check_since(c, w, f, v) : r;
}

static int check_object(const struct check *c, const struct where *w, const struct cdi_field *f,
			const json_t *v)
{
	const char *name;
	json_t *member;

	if (!json_is_object(v))
		return wrong(c, w, "must be an object");
	for (const struct cdi_field *m = f->fields; m->name; m++) {
		const struct where in = { .up = w, .name = m->name };
		int r = check_member(c, &in, m, json_object_get(v, m->name));

		if (r < 0)
			return r;
	}
	json_object_foreach((json_t *)v, name, member)
	{
		const struct where in = { .up = w, .name = name };

		if (!cdi_field_find(f, name))
			return wrong(c, &in, "is not a field of CDI " CDI_VERSION);
	}
	return 0;
}

int cdi_check(const json_t *root, struct err *e)
{
	const char *text = json_string_value(json_object_get(root, "cdiVersion"));
	const struct where where = { .name = cdi_root.name };
	/* A file of an unknown version is refused for that first. */
	const struct check c = { .e = e, .version = text ? cdi_version(text) : 0 };

	return check_object(&c, &where, &cdi_root, root);
}
