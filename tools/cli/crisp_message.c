/*
 * crisp_message.c - walks a JSON value along the descriptor of a message.
 */
#include "crisp_message.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pbfield.h"
#include "base/util.h"

static int bad(const ProtobufCFieldDescriptor *f, const char *want, struct err *e)
{
	return err_set(e, ERR_INVALID, "%s: it is no %s", f->name, want);
}

/* --- scalars --- */

static int read_text(const ProtobufCFieldDescriptor *f, const json_t *v, void *to, struct err *e)
{
	const char *s = json_string_value(v);

	if (!s)
		return bad(f, "text", e);
	if (f->type == PROTOBUF_C_TYPE_STRING)
		*(char **)to = xstrdup(s);
	else
		*(ProtobufCBinaryData *)to =
			(ProtobufCBinaryData){ .len = strlen(s), .data = (uint8_t *)xstrdup(s) };
	return 0;
}

static int read_enum(const ProtobufCFieldDescriptor *f, const json_t *v, void *to, struct err *e)
{
	const ProtobufCEnumDescriptor *d = f->descriptor;
	const ProtobufCEnumValue *found =
		json_is_string(v)
			? protobuf_c_enum_descriptor_get_value_by_name(d, json_string_value(v))
			: NULL;

	if (!found && !json_is_integer(v))
		return bad(f, d->short_name, e);
	*(int *)to = found ? found->value : (int)json_integer_value(v);
	return 0;
}

static int read_number(const ProtobufCFieldDescriptor *f, const json_t *v, void *to, struct err *e)
{
	if (!json_is_integer(v))
		return bad(f, "number", e);
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		*(int64_t *)to = json_integer_value(v);
		return 0;
	default:
		*(int32_t *)to = (int32_t)json_integer_value(v);
		return 0;
	}
}

/* --- values --- */

static int read_message(const ProtobufCMessageDescriptor *of, const json_t *from,
			ProtobufCMessage **ret, struct err *e);

static int read_value(const ProtobufCFieldDescriptor *f, const json_t *v, void *to, struct err *e)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
		return read_text(f, v, to, e);
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(f, v, to, e);
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(v))
			return bad(f, "truth value", e);
		*(protobuf_c_boolean *)to = json_is_true(v);
		return 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_message(f->descriptor, v, to, e) < 0 ? err_wrap(e, "%s", f->name) : 0;
	default:
		return read_number(f, v, to, e);
	}
}

/* A map is an object in JSON and a list of entries in the message. */
static json_t *entries_of(const json_t *map)
{
	json_t *list = json_array(), *value;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)map, key, value)
	{
		json_array_append_new(list, json_pack("{s:s, s:O}", "key", key, "value", value));
	}
	return list;
}

static int read_list(const ProtobufCFieldDescriptor *f, const json_t *v, ProtobufCMessage *m,
		     struct err *e)
{
	size_t *n = (size_t *)((char *)m + f->quantifier_offset), i;
	json_t *entries = json_is_object(v) ? entries_of(v) : NULL, *item;
	const json_t *list = entries ? entries : v;
	char *items;
	int r = 0;

	if (!json_is_array(list))
		return bad(f, "list", e);
	items = xcalloc(json_array_size(list) + 1, pbfield_size(f));
	*(void **)((char *)m + f->offset) = items;
	json_array_foreach(list, i, item)
	{
		if (r == 0)
			r = read_value(f, item, items + i * pbfield_size(f), e);
		if (r == 0)
			++*n;
	}
	json_decref(entries);
	return r;
}

/* --- names --- */

/* log_path, logPath */
static bool is_name(const char *name, const char *key)
{
	for (; *name && *key; name++, key++) {
		if (*name == '_' && *key != '_' &&
		    tolower((unsigned char)name[1]) == tolower((unsigned char)*key))
			name++;
		if (*name != *key && tolower((unsigned char)*name) != tolower((unsigned char)*key))
			return false;
	}
	return !*name && !*key;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *of,
						  const char *key)
{
	for (unsigned i = 0; i < of->n_fields; i++)
		if (is_name(of->fields[i].name, key))
			return &of->fields[i];
	return NULL;
}

static int read_message(const ProtobufCMessageDescriptor *of, const json_t *from,
			ProtobufCMessage **ret, struct err *e)
{
	ProtobufCMessage *m;
	const char *key;
	json_t *v;
	int r = 0;

	if (!json_is_object(from))
		return err_set(e, ERR_INVALID, "it is no object");
	*ret = m = xcalloc(1, of->sizeof_message);
	protobuf_c_message_init(of, m);
	json_object_foreach((json_t *)(uintptr_t)from, key, v)
	{
		const ProtobufCFieldDescriptor *f = find_field(of, key);

		if (r < 0 || json_is_null(v))
			continue;
		if (!f)
			r = err_set(e, ERR_INVALID, "%s has no field \"%s\"", of->short_name, key);
		else if (f->label == PROTOBUF_C_LABEL_REPEATED)
			r = read_list(f, v, m, e);
		else
			r = read_value(f, v, (char *)m + f->offset, e);
	}
	return r;
}

int message_read(const char *path, const ProtobufCMessageDescriptor *of, ProtobufCMessage **ret,
		 struct err *e)
{
	json_error_t why;
	json_t *from = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	int r;

	*ret = NULL;
	if (!from)
		return err_set(e, ERR_INVALID, "%s: %s", path, why.text);
	r = read_message(of, from, ret, e);
	json_decref(from);
	if (r == 0)
		return 0;
	protobuf_c_message_free_unpacked(*ret, NULL);
	*ret = NULL;
	return err_wrap(e, "%s", path);
}
