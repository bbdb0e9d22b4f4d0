/*
 * podsame.c - compares two messages field by field, with the fields that may differ in a table.
 *
 * Lists are compared as sets, but those of words that make up a command: the kubelet gives
 * variables and mounts in any order.
 */
#include "pod/podsame.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/pbfield.h"
#include "base/util.h"

#define PATH_MAX_BYTES 256

struct compare {
	const char *const *other; /* paths that may differ; NULL ends */
	char path[PATH_MAX_BYTES]; /* of the field that is compared */
};

static bool may_differ(const struct compare *c)
{
	for (const char *const *p = c->other; *p; p++)
		if (strcmp(*p, c->path) == 0)
			return true;
	return false;
}

/* --- one value --- */

/* Append the value in a form that equal values share. */
static void put_value(const ProtobufCFieldDescriptor *f, const void *at, struct buf *to)
{
	const ProtobufCBinaryData *bytes = at;
	const ProtobufCMessage *m;
	uint8_t *packed;
	size_t size;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		buf_puts(to, *(char *const *)at);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		buf_add(to, bytes->data, bytes->len);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		m = *(const ProtobufCMessage *const *)at;
		size = m ? protobuf_c_message_get_packed_size(m) : 0;
		packed = xmalloc(size + 1);
		if (m)
			protobuf_c_message_pack(m, packed);
		buf_add(to, packed, size);
		free(packed);
		break;
	default:
		buf_add(to, at, pbfield_size(f));
	}
}

static bool buf_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

/* --- lists --- */

static int by_content(const void *a, const void *b)
{
	const struct buf *x = a, *y = b;
	size_t n = MIN(x->len, y->len);
	int r = n ? memcmp(x->data, y->data, n) : 0;

	return r ? r : (x->len > y->len) - (x->len < y->len);
}

/* The n values, sorted unless their order matters. */
static struct buf *values_of(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *m, size_t n)
{
	const char *list = *(const char *const *)((const char *)m + f->offset);
	bool ordered = strcmp(f->name, "command") == 0 || strcmp(f->name, "args") == 0;
	struct buf *values = xcalloc(n + 1, sizeof(*values));

	for (size_t i = 0; i < n; i++)
		put_value(f, list + i * pbfield_size(f), &values[i]);
	if (n && !ordered)
		qsort(values, n, sizeof(*values), by_content);
	return values;
}

static bool same_list(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *a,
		      const ProtobufCMessage *b)
{
	size_t n = *(const size_t *)((const char *)a + f->quantifier_offset);
	struct buf *x, *y;
	bool same = n == *(const size_t *)((const char *)b + f->quantifier_offset);

	if (!same)
		return false;
	x = values_of(f, a, n);
	y = values_of(f, b, n);
	for (size_t i = 0; i < n; i++) {
		same = same && buf_same(&x[i], &y[i]);
		buf_done(&x[i]);
		buf_done(&y[i]);
	}
	free(x);
	free(y);
	return same;
}

/* --- messages --- */

static bool same_message(struct compare *c, const ProtobufCMessage *a, const ProtobufCMessage *b);

/* An absent message is as an empty one. */
static bool same_messages(struct compare *c, const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	_cleanup_free_ ProtobufCMessage *empty = NULL;

	if (!a && !b)
		return true;
	if (!a || !b) {
		const ProtobufCMessageDescriptor *d = (a ? a : b)->descriptor;

		empty = xmalloc(d->sizeof_message);
		protobuf_c_message_init(d, empty);
	}
	return same_message(c, a ? a : empty, b ? b : empty);
}

static bool same_value(struct compare *c, const ProtobufCFieldDescriptor *f, const void *a,
		       const void *b)
{
	_cleanup_buf_ struct buf p = BUF_NULL, q = BUF_NULL;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return same_messages(c, *(const ProtobufCMessage *const *)a,
				     *(const ProtobufCMessage *const *)b);
	put_value(f, a, &p);
	put_value(f, b, &q);
	return buf_same(&p, &q);
}

/* false: c->path is that of the first field that differs. */
static bool same_message(struct compare *c, const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	const ProtobufCMessageDescriptor *d = a->descriptor;
	size_t len = strlen(c->path);

	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		bool same = true;

		snprintf(c->path + len, sizeof(c->path) - len, "%s%s", len ? "." : "", f->name);
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			same = may_differ(c) || same_list(f, a, b);
		else if (!may_differ(c))
			same = same_value(c, f, (const char *)a + f->offset,
					  (const char *)b + f->offset);
		if (!same)
			return false;
		c->path[len] = '\0';
	}
	return true;
}

static int compare(const char *what, const char *name, const char *const *other,
		   const ProtobufCMessage *old, const ProtobufCMessage *now, struct err *e)
{
	struct compare c = { .other = other };

	if (same_message(&c, old, now))
		return 0;
	return err_set(e, ERR_PRECONDITION, "%s%s%s: %s differs from that of the checkpoint", what,
		       *name ? " " : "", name, c.path);
}

/* --- places: mounts and devices --- */

struct pod_place {
	const char *path;
	bool readonly;
};

static int by_path(const void *a, const void *b)
{
	const struct pod_place *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static struct pod_place *mounts_of(const Runtime__V1__ContainerConfig *c, size_t *ret_n)
{
	struct pod_place *list = xcalloc(c->n_mounts + 1, sizeof(*list));

	*ret_n = c->n_mounts;
	for (size_t i = 0; i < c->n_mounts; i++)
		list[i] =
			(struct pod_place){ c->mounts[i]->container_path, c->mounts[i]->readonly };
	return list;
}

static struct pod_place *devices_of(const Runtime__V1__ContainerConfig *c, size_t *ret_n)
{
	struct pod_place *list = xcalloc(c->n_devices + 1, sizeof(*list));

	*ret_n = c->n_devices;
	for (size_t i = 0; i < c->n_devices; i++)
		list[i] = (struct pod_place){ .path = c->devices[i]->container_path };
	return list;
}

/* Places of one kind in a configuration. */
struct place_list {
	struct pod_place *list;
	size_t n;
};

static int compare_lists(const char *field, const char *name, const struct place_list *old,
			 const struct place_list *now, struct err *e)
{
	for (size_t i = 0; i < MAX(old->n, now->n); i++) {
		int order = i >= old->n	  ? 1
			    : i >= now->n ? -1
					  : strcmp(old->list[i].path, now->list[i].path);

		if (order)
			return err_set(e, ERR_PRECONDITION,
				       "container_configs %s: %s: %.200s is %s", name, field,
				       order < 0 ? old->list[i].path : now->list[i].path,
				       order < 0 ? "in the checkpoint and not in the request"
						 : "in the request and not in the checkpoint");
		if (old->list[i].readonly != now->list[i].readonly)
			return err_set(e, ERR_PRECONDITION,
				       "container_configs %s: %s: readonly of %.200s differs from "
				       "the checkpoint's",
				       name, field, now->list[i].path);
	}
	return 0;
}

static int same_places(const char *field,
		       struct pod_place *(*of)(const Runtime__V1__ContainerConfig *c, size_t *n),
		       const Runtime__V1__ContainerConfig *old,
		       const Runtime__V1__ContainerConfig *now, struct err *e)
{
	struct place_list x, y;
	int r;

	x.list = of(old, &x.n);
	y.list = of(now, &y.n);
	qsort(x.list, x.n, sizeof(*x.list), by_path);
	qsort(y.list, y.n, sizeof(*y.list), by_path);
	r = compare_lists(field, now->metadata->name, &x, &y, e);
	free(x.list);
	free(y.list);
	return r;
}

int podsame_pod(const Runtime__V1__PodSandboxConfig *old, const Runtime__V1__PodSandboxConfig *now,
		struct err *e)
{
	static const Runtime__V1__NamespaceOption none = RUNTIME__V1__NAMESPACE_OPTION__INIT;
	static const char *const other[] = { NULL };
	const Runtime__V1__LinuxSandboxSecurityContext *a =
		old->linux ? old->linux->security_context : NULL;
	const Runtime__V1__LinuxSandboxSecurityContext *b =
		now->linux ? now->linux->security_context : NULL;
	const Runtime__V1__NamespaceOption *x =
		a && a->namespace_options ? a->namespace_options : &none;
	const Runtime__V1__NamespaceOption *y =
		b && b->namespace_options ? b->namespace_options : &none;

	return compare("config.linux.security_context.namespace_options", "", other, &x->base,
		       &y->base, e);
}

int podsame_container(const Runtime__V1__ContainerConfig *old,
		      const Runtime__V1__ContainerConfig *now, struct err *e)
{
	static const char *const other[] = { "metadata",
					     "image",
					     "labels",
					     "annotations",
					     "log_path",
					     "mounts",
					     "devices",
					     "stop_signal",
					     "linux.resources",
					     "linux.security_context.namespace_options.target_id",
					     "linux.security_context.selinux_options",
					     NULL };
	int r = compare("container_configs", now->metadata->name, other, &old->base, &now->base, e);

	if (r == 0)
		r = same_places("mounts", mounts_of, old, now, e);
	return r == 0 ? same_places("devices", devices_of, old, now, e) : r;
}
