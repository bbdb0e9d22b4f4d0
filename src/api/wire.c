/*
 * wire.c - one recursive walk for checking and cleaning.  A bad string ends the check.  The
 * cleaning repairs it in place, which never changes a length.
 */
#include "api/wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"

enum wire_type {
	WIRE_TYPE_VARINT = 0,
	WIRE_TYPE_I64 = 1,
	WIRE_TYPE_LEN = 2,
	WIRE_TYPE_I32 = 5,
};

/* One message on the path from the root; the chain gives errors their field path. */
struct level {
	const struct level *up;
	const ProtobufCMessageDescriptor *desc;
	const ProtobufCFieldDescriptor *field; /* current field, NULL: none or unknown */
	unsigned depth;
};

struct wire_walk {
	size_t elements;
	bool clean;
	struct err *e;
};

struct span {
	uint8_t *p, *end;
};

static void path_add(struct buf *b, const struct level *l)
{
	if (l->up)
		path_add(b, l->up);
	if (l->field)
		buf_printf(b, "%s%s", b->len ? "." : "", l->field->name);
}

static int walk_fail(struct wire_walk *w, const struct level *l, enum err_code code,
		     const char *what)
{
	_cleanup_buf_ struct buf path = BUF_NULL;

	if (!w->e)
		return -1;
	path_add(&path, l);
	if (!path.len)
		return err_set(w->e, code, "%s: %s", l->desc->name, what);
	return err_set(w->e, code, "%s: %s", path.data, what);
}

static int walk_count(struct wire_walk *w, const struct level *l, size_t n)
{
	if (n > WIRE_ELEMENTS_MAX - w->elements)
		return walk_fail(w, l, ERR_EXHAUSTED, "the message has more than 1000000 elements");
	w->elements += n;
	return 0;
}

/* At most ten bytes, the tenth at most 1. */
static bool read_varint(struct span *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b;

		if (s->p == s->end)
			return false;
		b = *s->p++;
		if (shift == 63 && b > 1)
			return false;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool read_fixed(struct span *s, size_t size)
{
	if ((size_t)(s->end - s->p) < size)
		return false;
	s->p += size;
	return true;
}

static bool read_len(struct span *s, struct span *ret)
{
	uint64_t n;

	if (!read_varint(s, &n) || n > (uint64_t)(s->end - s->p))
		return false;
	*ret = (struct span){ s->p, s->p + n };
	s->p += n;
	return true;
}

static enum wire_type type_wire(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return WIRE_TYPE_VARINT;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_TYPE_I32;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_TYPE_I64;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_TYPE_LEN;
	}
	return WIRE_TYPE_LEN;
}

/* Skip a value of a scalar wire type. */
static bool skip_scalar(struct span *s, unsigned type)
{
	uint64_t unused;

	switch (type) {
	case WIRE_TYPE_VARINT:
		return read_varint(s, &unused);
	case WIRE_TYPE_I64:
		return read_fixed(s, 8);
	case WIRE_TYPE_I32:
		return read_fixed(s, 4);
	default: /* value from the wire, not an enum of crisp */
		return false;
	}
}

static int walk_packed(struct wire_walk *w, const struct level *l, struct span body)
{
	unsigned type = type_wire(l->field->type);
	size_t n = 0;

	while (body.p < body.end) {
		if (!skip_scalar(&body, type))
			return walk_fail(w, l, ERR_INVALID, "truncated or malformed packed values");
		n++;
	}
	return walk_count(w, l, n);
}

static int walk_string(struct wire_walk *w, const struct level *l, struct span body)
{
	size_t size = (size_t)(body.end - body.p);

	if (w->clean) {
		wire_clean_text((char *)body.p, size);
		return 0;
	}
	if (size && memchr(body.p, 0, size))
		return walk_fail(w, l, ERR_INVALID, "a NUL byte inside a string");
	if (!str_is_utf8((const char *)body.p, size))
		return walk_fail(w, l, ERR_INVALID, "not valid UTF-8");
	return 0;
}

static int walk_message(struct wire_walk *w, struct level *l, struct span s);

static int walk_len(struct wire_walk *w, const struct level *l, struct span body)
{
	struct level down = { .up = l, .depth = l->depth + 1 };

	if (!l->field)
		return 0;
	switch (l->field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return walk_string(w, l, body);
	case PROTOBUF_C_TYPE_BYTES:
		return 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		if (down.depth > WIRE_DEPTH_MAX)
			return walk_fail(w, l, ERR_EXHAUSTED, "messages nested more than 32 deep");
		down.desc = l->field->descriptor;
		return walk_message(w, &down, body);
	default: /* scalars */
		return walk_packed(w, l, body);
	}
}

/* Does the wire type match the field? Repeated scalars come packed or one by one. */
static bool type_fits(const ProtobufCFieldDescriptor *f, unsigned type)
{
	unsigned want = type_wire(f->type);

	return type == want || (type == WIRE_TYPE_LEN && f->label == PROTOBUF_C_LABEL_REPEATED);
}

static int walk_message(struct wire_walk *w, struct level *l, struct span s)
{
	while (s.p < s.end) {
		struct span body;
		uint64_t tag;
		unsigned type;
		int r;

		l->field = NULL;
		if (!read_varint(&s, &tag) || tag >> 3 == 0 || tag >> 3 > 536870911)
			return walk_fail(w, l, ERR_INVALID, "truncated or malformed field tag");
		type = tag & 7;
		l->field = protobuf_c_message_descriptor_get_field(l->desc, (unsigned)(tag >> 3));
		r = walk_count(w, l, 1);
		if (r < 0)
			return r;
		if (l->field && !type_fits(l->field, type))
			return walk_fail(w, l, ERR_INVALID,
					 "encoded as another type than declared");
		if (type != WIRE_TYPE_LEN) {
			if (!skip_scalar(&s, type))
				return walk_fail(w, l, ERR_INVALID, "truncated or malformed value");
			continue;
		}
		if (!read_len(&s, &body))
			return walk_fail(w, l, ERR_INVALID, "longer than the message it is in");
		r = walk_len(w, l, body);
		if (r < 0)
			return r;
	}
	return 0;
}

int wire_check(const ProtobufCMessageDescriptor *desc, const void *data, size_t size, struct err *e)
{
	struct level top = { .desc = desc, .depth = 1 };
	struct wire_walk w = { .e = e };
	uint8_t *p = (uint8_t *)(uintptr_t)data; /* only read: w.clean is off */

	if (!size)
		return 0;
	return walk_message(&w, &top, (struct span){ p, p + size });
}

void wire_clean(const ProtobufCMessageDescriptor *desc, void *data, size_t size)
{
	struct level top = { .desc = desc, .depth = 1 };
	struct wire_walk w = { .clean = true };

	if (size)
		walk_message(&w, &top, (struct span){ data, (uint8_t *)data + size });
}

/* Length in bytes of the UTF-8 character at p; 0: invalid. */
static size_t char_size(const char *p, size_t left)
{
	for (size_t n = 1; n <= 4 && n <= left; n++)
		if (*p && str_is_utf8(p, n))
			return n;
	return 0;
}

void wire_clean_text(char *s, size_t size)
{
	if (!size || (str_is_utf8(s, size) && !memchr(s, 0, size)))
		return;
	for (size_t i = 0; i < size;) {
		size_t n = char_size(s + i, size - i);

		if (!n)
			s[i] = '?';
		i += MAX(n, (size_t)1);
	}
}
