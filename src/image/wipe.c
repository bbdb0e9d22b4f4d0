/*
 * wipe.c - overwrite a message field by field, driven by its descriptor, so new fields are covered.
 *
 * What must hold: an absent field may point to a constant, which must not be written.
 */
#include "image/wipe.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static void wipe_value(const ProtobufCFieldDescriptor *f, void *at)
{
	const ProtobufCBinaryData *bytes = at;
	char *text;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		message_wipe(*(ProtobufCMessage **)at);
	} else if (f->type == PROTOBUF_C_TYPE_BYTES && bytes->len) {
		explicit_bzero(bytes->data, bytes->len);
	} else if (f->type == PROTOBUF_C_TYPE_STRING) {
		text = *(char **)at;
		if (text && *text)
			explicit_bzero(text, strlen(text));
	}
}

static size_t value_size(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData) : sizeof(void *);
}

static void wipe_field(const ProtobufCFieldDescriptor *f, uint8_t *m)
{
	uint8_t *values;
	size_t n;

	if (f->type != PROTOBUF_C_TYPE_MESSAGE && f->type != PROTOBUF_C_TYPE_BYTES &&
	    f->type != PROTOBUF_C_TYPE_STRING)
		return;
	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		wipe_value(f, m + f->offset);
		return;
	}
	n = *(size_t *)(void *)(m + f->quantifier_offset);
	values = *(uint8_t **)(void *)(m + f->offset);
	for (size_t i = 0; i < n; i++)
		wipe_value(f, values + i * value_size(f));
}

void message_wipe(ProtobufCMessage *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->descriptor->n_fields; i++)
		wipe_field(&m->descriptor->fields[i], (uint8_t *)m);
	for (unsigned i = 0; i < m->n_unknown_fields; i++)
		explicit_bzero(m->unknown_fields[i].data, m->unknown_fields[i].len);
}
