/*
 * crisp_json.c - build a JSON tree from a message by walking its protobuf-c descriptors.
 */
#include "crisp_json.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"
#include "gen/cri_print.h"

/* "pod_sandbox_id" is "podSandboxId". */
static void camel_case(const char *name, char *out, size_t size)
{
	size_t n = 0;

	for (; *name && n + 1 < size; name++) {
		if (*name == '_' && name[1])
			out[n++] = (char)toupper((unsigned char)*++name);
		else
			out[n++] = *name;
	}
	out[n] = '\0';
}

static json_t *json_bytes(const ProtobufCBinaryData *data)
{
	_cleanup_buf_ struct buf b = BUF_NULL;

	base64_put(&b, data->data, data->len);
	return json_string(b.data ? b.data : "");
}

static json_t *json_enum(const ProtobufCEnumDescriptor *d, int value)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, value);

	return v ? json_string(v->name) : json_integer(value);
}

static json_t *json_message(const ProtobufCMessage *m);

static json_t *json_value(const ProtobufCFieldDescriptor *f, const void *at)
{
	char number[32];

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_integer(*(const int32_t *)at);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_integer(*(const uint32_t *)at);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		snprintf(number, sizeof(number), "%" PRId64, *(const int64_t *)at);
		return json_string(number);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		snprintf(number, sizeof(number), "%" PRIu64, *(const uint64_t *)at);
		return json_string(number);
	case PROTOBUF_C_TYPE_FLOAT:
		return json_real((double)*(const float *)at);
	case PROTOBUF_C_TYPE_DOUBLE:
		return json_real(*(const double *)at);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)at);
	case PROTOBUF_C_TYPE_ENUM:
		return json_enum(f->descriptor, *(const int *)at);
	case PROTOBUF_C_TYPE_STRING:
		return json_string(*(char *const *)at ? *(char *const *)at : "");
	case PROTOBUF_C_TYPE_BYTES:
		return json_bytes(at);
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(ProtobufCMessage *const *)at ? json_message(*(ProtobufCMessage *const *)at)
						      : json_null();
	}
	return json_null();
}

static size_t value_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	}
	return sizeof(void *);
}

/* protobuf-c turns a map into repeated entries with exactly these two fields. */
static bool is_map(const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;

	return f->type == PROTOBUF_C_TYPE_MESSAGE && d->n_fields == 2 &&
	       str_ends(d->name, "Entry") && d->fields[0].type == PROTOBUF_C_TYPE_STRING &&
	       strcmp(d->fields[0].name, "key") == 0 && strcmp(d->fields[1].name, "value") == 0;
}

/* The daemon's verbose information is JSON in a string. */
static json_t *json_info(const char *text)
{
	json_t *v = text ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL) : NULL;

	return v ? v : json_string(text ? text : "");
}

static json_t *json_map(const ProtobufCFieldDescriptor *f, ProtobufCMessage *const *entries,
			size_t n)
{
	const ProtobufCMessageDescriptor *d = f->descriptor;
	const ProtobufCFieldDescriptor *sub = d->fields;
	bool info = strcmp(f->name, "info") == 0 && sub[1].type == PROTOBUF_C_TYPE_STRING;
	json_t *o = json_object();

	for (size_t i = 0; i < n; i++) {
		const char *base = (const char *)entries[i];
		const char *key = *(char *const *)(const void *)(base + sub[0].offset);
		const void *value = base + sub[1].offset;

		json_object_set_new(o, key ? key : "",
				    info ? json_info(*(char *const *)value)
					 : json_value(&sub[1], value));
	}
	return o;
}

static json_t *json_field(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const char *at = (const char *)m + f->offset;
	const char *items;
	json_t *list;
	size_t n;

	if (cri_print_redacts(m->descriptor, f->id))
		return json_string("[redacted]");
	if (f->label != PROTOBUF_C_LABEL_REPEATED)
		return json_value(f, at);
	n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);
	items = *(const char *const *)(const void *)at;
	if (is_map(f))
		return json_map(f, (ProtobufCMessage *const *)(const void *)items, n);
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_value(f, items + i * value_size(f->type)));
	return list;
}

static json_t *json_message(const ProtobufCMessage *m)
{
	json_t *o = json_object();
	char name[128];

	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		camel_case(m->descriptor->fields[i].name, name, sizeof(name));
		json_object_set_new(o, name, json_field(m, &m->descriptor->fields[i]));
	}
	return o;
}

void json_print(const ProtobufCMessage *m, FILE *out)
{
	json_t *o = json_message(m);

	json_dumpf(o, out, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	fputc('\n', out);
	json_decref(o);
}
