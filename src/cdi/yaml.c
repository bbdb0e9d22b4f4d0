/*
 * yaml.c - build the JSON tree from libyaml's events.
 * Invariants: no recursion below DEPTH_MAX levels.  A value counts once for each alias that stands
 * for it, so that walks over the shared tree, and copies of it, are bounded.
 */
#include "cdi/yaml.h"

#include <assert.h>
#include <string.h>
#include <yaml.h>

#include "base/map.h"
#include "base/util.h"
#include "cdi/fields.h"

#define DEPTH_MAX 32
#define ANCHORS_MAX 4096
#define SIZE_MAX_BYTES (32 * 1024 * 1024) /* of the tree, if it were not shared */
#define VALUE_BYTES 64 /* of a value without its text */

struct anchor {
	char *name;
	json_t *value; /* NULL: the value is being read */
	size_t size; /* of the value, as struct yaml_reading counts it */
	unsigned levels; /* of it below itself */
};

struct yaml_reading {
	yaml_parser_t parser;
	yaml_event_t event; /* the last one read */
	struct map *anchors;
	size_t size; /* of the values read so far */
	unsigned deepest; /* level of the values read since read_value began */
	struct err *e;
};

/* The field whose value, or whose list's item, is read next. */
struct place {
	const struct cdi_field *field; /* NULL: the table does not know it */
	bool item;
	unsigned depth;
};

static const struct cdi_field any_text = { .name = "", .type = CDI_TEXT };

static int wrong(struct yaml_reading *r, const char *what)
{
	return err_set(r->e, ERR_INVALID, "line %zu: %s", r->event.start_mark.line + 1, what);
}

static int next(struct yaml_reading *r)
{
	yaml_event_delete(&r->event);
	if (yaml_parser_parse(&r->parser, &r->event))
		return 0;
	return err_set(r->e, ERR_INVALID, "line %zu: %s", r->parser.problem_mark.line + 1,
		       r->parser.problem ? r->parser.problem : "malformed YAML");
}

static int expect(struct yaml_reading *r, yaml_event_type_t type, const char *what)
{
	int n = next(r);

	return n == 0 && r->event.type != type ? wrong(r, what) : n;
}

/* --- anchors -------------------------------------------------------------------------------- */

static void anchors_free(struct map *anchors)
{
	struct anchor *a;

	for (size_t pos = 0; (a = map_next(anchors, &pos));) {
		json_decref(a->value);
		free(a->name);
		free(a);
	}
	map_free(anchors);
}

/* A later anchor of the same name replaces the earlier one. */
static int anchor_begin(struct yaml_reading *r, const yaml_char_t *name, struct anchor **ret)
{
	struct anchor *a = name ? map_get(r->anchors, (const char *)name) : NULL;

	*ret = a;
	if (!name)
		return 0;
	if (a) {
		if (!a->value)
			return wrong(r, "an anchor of this name is open");
		json_decref(take_ptr(a->value));
		return 0;
	}
	if (map_count(r->anchors) == ANCHORS_MAX)
		return wrong(r, "too many anchors");
	a = xcalloc(1, sizeof(*a));
	a->name = xstrdup((const char *)name);
	map_put(r->anchors, a->name, a);
	*ret = a;
	return 0;
}

static int count(struct yaml_reading *r, size_t n)
{
	r->size += n;
	if (r->size <= SIZE_MAX_BYTES)
		return 0;
	return wrong(r, "too many values, with those behind aliases");
}

static int reach(struct yaml_reading *r, unsigned depth)
{
	r->deepest = MAX(r->deepest, depth);
	return depth > DEPTH_MAX ? wrong(r, "too many levels") : 0;
}

static int read_alias(struct yaml_reading *r, const struct place *at, json_t **ret)
{
	const struct anchor *a = map_get(r->anchors, (const char *)r->event.data.alias.anchor);
	int n;

	if (!a)
		return wrong(r, "an alias without an anchor");
	if (!a->value)
		return wrong(r, "an alias inside its own anchor");
	n = count(r, a->size);
	if (n == 0)
		n = reach(r, at->depth + a->levels);
	if (n == 0)
		*ret = json_incref(a->value);
	return n;
}

/* --- scalars -------------------------------------------------------------------------------- */

static bool is_one_of(const char *text, const char *const *words)
{
	while (*words && strcmp(text, *words) != 0)
		words++;
	return *words;
}

static bool to_digits(const char *s, int base, int64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	int64_t n = 0;

	for (const char *p = s; *p; p++) {
		const char *digit = strchr(digits, *p >= 'A' && *p <= 'F' ? *p - 'A' + 'a' : *p);

		if (!digit || digit - digits >= base || __builtin_mul_overflow(n, base, &n) ||
		    __builtin_add_overflow(n, digit - digits, &n))
			return false;
	}
	*ret = n;
	return *s;
}

/* Decimal, 0xHEX, and as file modes are written: 0oOCTAL and 0OCTAL. */
static bool to_number(const char *s, int64_t *ret)
{
	bool minus = *s == '-', done;

	s += *s == '-' || *s == '+';
	if (strncmp(s, "0x", 2) == 0)
		done = to_digits(s + 2, 16, ret);
	else if (strncmp(s, "0o", 2) == 0)
		done = to_digits(s + 2, 8, ret);
	else
		done = to_digits(s, *s == '0' ? 8 : 10, ret);
	if (done && minus)
		*ret = -*ret;
	return done;
}

/* The value of a scalar without quotes. */
static json_t *plain_value(const char *text, bool want_text)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };
	int64_t n;

	if (is_one_of(text, nulls))
		return json_null();
	if (want_text)
		return json_string(text);
	if (is_one_of(text, yes) || is_one_of(text, no))
		return json_boolean(is_one_of(text, yes));
	return to_number(text, &n) ? json_integer(n) : json_string(text);
}

static int read_scalar(struct yaml_reading *r, const struct place *at, json_t **ret)
{
	const char *text = (const char *)r->event.data.scalar.value;
	const char *tag = (const char *)r->event.data.scalar.tag;
	bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	bool want_text = at->field && at->field->type == CDI_TEXT && (at->item || !at->field->list);

	if (strlen(text) != r->event.data.scalar.length)
		return wrong(r, "a NUL in a text");
	if (tag && strcmp(tag, YAML_STR_TAG) != 0)
		return wrong(r, "a tag other than !!str");
	if (count(r, strlen(text)) < 0)
		return -(int)r->e->code;
	*ret = plain && !tag ? plain_value(text, want_text) : json_string(text);
	return *ret ? 0 : wrong(r, "a text that is not UTF-8");
}

/* --- collections ---------------------------------------------------------------------------- */

static int read_value(struct yaml_reading *r, const struct place *at, json_t **ret);

static int read_list(struct yaml_reading *r, const struct place *at, json_t *list)
{
	bool known = at->field && at->field->list && !at->item;
	const struct place in = { .field = known ? at->field : NULL,
				  .item = true,
				  .depth = at->depth + 1 };
	json_t *item;
	int n;

	for (n = next(r); n == 0 && r->event.type != YAML_SEQUENCE_END_EVENT; n = next(r)) {
		n = read_value(r, &in, &item);
		if (n < 0)
			return n;
		json_array_append_new(list, item);
	}
	return n;
}

/* The field of a member; NULL: none that the table knows. */
static const struct cdi_field *field_of(const struct place *at, const char *name)
{
	const struct cdi_field *f = at->field;

	if (!f || (f->list && !at->item))
		return NULL;
	return f->type == CDI_TEXT_MAP ? &any_text : cdi_field_find(f, name);
}

/* Add what "<<" names: an object, or a list of them; earlier members win. */
static int merge(struct yaml_reading *r, json_t *object, json_t *from)
{
	json_t *part;
	size_t i;
	int n = 0;

	if (json_is_object(from)) {
		json_object_update_missing(object, from);
		return 0;
	}
	if (!json_is_array(from))
		return wrong(r, "\"<<\" without a mapping");
	json_array_foreach(from, i, part)
	{
		if (!json_is_object(part))
			return wrong(r, "\"<<\" without a mapping");
		n = n == 0 ? merge(r, object, part) : n;
	}
	return n;
}

/* One member of a mapping, whose key is the current event. */
static int read_member(struct yaml_reading *r, const struct place *at, json_t *object,
		       json_t **merged)
{
	_cleanup_free_ char *name = NULL;
	struct place in = { .depth = at->depth + 1 };
	json_t *value;
	bool merges;
	int n;

	if (r->event.type != YAML_SCALAR_EVENT || r->event.data.scalar.anchor)
		return wrong(r, "a key that is not a plain name");
	if (strlen((char *)r->event.data.scalar.value) != r->event.data.scalar.length)
		return wrong(r, "a NUL in a key");
	if (count(r, r->event.data.scalar.length) < 0)
		return -(int)r->e->code;
	name = xstrdup((const char *)r->event.data.scalar.value);
	merges = strcmp(name, "<<") == 0 && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (merges ? *merged != NULL : json_object_get(object, name) != NULL)
		return err_set(r->e, ERR_INVALID, "line %zu: \"%.128s\" is there twice",
			       r->event.start_mark.line + 1, name);
	if (merges)
		in = (struct place){ .field = at->field, .item = at->item, .depth = in.depth };
	else
		in.field = field_of(at, name);
	n = next(r);
	if (n == 0)
		n = read_value(r, &in, &value);
	if (n < 0)
		return n;
	if (merges)
		*merged = value;
	else if (json_object_set_new(object, name, value) < 0)
		return wrong(r, "a key that is not UTF-8");
	return 0;
}

static int read_object(struct yaml_reading *r, const struct place *at, json_t *object)
{
	json_t *merged = NULL;
	int n;

	for (n = next(r); n == 0 && r->event.type != YAML_MAPPING_END_EVENT; n = next(r)) {
		n = read_member(r, at, object, &merged);
		if (n < 0)
			break;
	}
	if (n == 0 && merged)
		n = merge(r, object, merged);
	json_decref(merged);
	return n;
}

/* --- any value ------------------------------------------------------------------------------ */

static int read_collection(struct yaml_reading *r, const struct place *at, bool list, json_t **ret)
{
	json_t *value = list ? json_array() : json_object();
	int n;

	assert(value);
	n = list ? read_list(r, at, value) : read_object(r, at, value);
	if (n == 0)
		*ret = value;
	else
		json_decref(value);
	return n;
}

/* The anchor of the current event; *ret_tag: it has a tag, of a collection. */
static const yaml_char_t *anchor_of(const yaml_event_t *event, bool *ret_tag)
{
	*ret_tag = false;
	if (event->type == YAML_SCALAR_EVENT)
		return event->data.scalar.anchor;
	if (event->type == YAML_SEQUENCE_START_EVENT) {
		*ret_tag = event->data.sequence_start.tag;
		return event->data.sequence_start.anchor;
	}
	*ret_tag = event->data.mapping_start.tag;
	return event->data.mapping_start.anchor;
}

/* A scalar or a collection, with what its anchor needs. */
static int read_anchored(struct yaml_reading *r, const struct place *at, json_t **ret)
{
	yaml_event_type_t type = r->event.type;
	size_t before = r->size;
	struct anchor *a = NULL;
	bool tagged;
	int n = count(r, VALUE_BYTES);

	if (n == 0)
		n = anchor_begin(r, anchor_of(&r->event, &tagged), &a);
	if (n == 0 && tagged)
		n = wrong(r, "a tag other than !!str");
	if (n < 0)
		return n;
	n = type == YAML_SCALAR_EVENT
		    ? read_scalar(r, at, ret)
		    : read_collection(r, at, type == YAML_SEQUENCE_START_EVENT, ret);
	if (n == 0 && a) {
		a->value = json_incref(*ret);
		a->size = r->size - before;
		a->levels = r->deepest - at->depth;
	}
	return n;
}

/* The current event begins the value, and its last event is current afterwards. */
static int read_value(struct yaml_reading *r, const struct place *at, json_t **ret)
{
	unsigned deepest = r->deepest;
	int n;

	r->deepest = at->depth;
	n = reach(r, at->depth);
	if (n == 0)
		n = r->event.type == YAML_ALIAS_EVENT ? read_alias(r, at, ret)
						      : read_anchored(r, at, ret);
	r->deepest = MAX(r->deepest, deepest);
	return n;
}

static int read_document(struct yaml_reading *r, json_t **ret)
{
	const struct place root = { .field = &cdi_root };
	int n = expect(r, YAML_STREAM_START_EVENT, "malformed YAML");

	if (n == 0)
		n = expect(r, YAML_DOCUMENT_START_EVENT, "the file is empty");
	if (n == 0)
		n = next(r);
	if (n == 0)
		n = read_value(r, &root, ret);
	if (n == 0)
		n = expect(r, YAML_DOCUMENT_END_EVENT, "malformed YAML");
	return n == 0 ? expect(r, YAML_STREAM_END_EVENT, "a second document") : n;
}

int cdi_yaml_read(const char *text, size_t size, json_t **ret, struct err *e)
{
	struct yaml_reading r = { .e = e };
	json_t *root = NULL;
	int n;

	n = yaml_parser_initialize(&r.parser);
	assert(n);
	r.anchors = map_new();
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
	n = read_document(&r, &root);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	anchors_free(r.anchors);
	if (n == 0)
		*ret = root;
	else
		json_decref(root);
	return n;
}
