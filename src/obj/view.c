/*
 * view.c - see view.h.
 */
#include "obj/view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "gen/api.pb-c.h"
#include "obj/pinned.h"

#define VIEW_PREFIX "view/"
#define REBUILD_STEP 64 /* objects in a transaction */

int view_shows(enum kind k, const struct sm_state *state)
{
	const ProtobufCEnumDescriptor *d = k == KIND_SANDBOX
						   ? &runtime__v1__pod_sandbox_state__descriptor
						   : &runtime__v1__container_state__descriptor;
	const ProtobufCEnumValue *v;

	if (!state->shows || k == KIND_IMAGE)
		return -1;
	v = protobuf_c_enum_descriptor_get_value_by_name(d, state->shows);
	assert(v); /* states/X.sm names a value that the CRI does not have */
	return v->value;
}

bool view_is_hidden(enum kind k, const struct sm_state *state, const void *row)
{
	if (!state->shows)
		return true;
	switch (k) {
	case KIND_SANDBOX:
		return ((const Crisp__State__Sandbox *)row)->undo;
	case KIND_CONTAINER:
		return !((const Crisp__State__Container *)row)->pid;
	case KIND_IMAGE:
	case KIND_EXEC:
	case KIND_PULL:
	case KIND_COUNT:
		break;
	}
	return false;
}

/* --- writing ---
 *
 * A map entry is its own type in each message that has such a map, with the same two fields: they
 * are handed over as they are.
 */

static void put(enum kind k, const char *id, const struct sm_state *state, const void *row,
		const char *owner, const ProtobufCMessage *item, struct store_txn *t)
{
	_cleanup_free_ char *key = xasprintf(VIEW_PREFIX "%s/%s", kind_ops(k)->machine->name, id);
	struct view_head h = { .hidden = view_is_hidden(k, state, row) };
	size_t size = protobuf_c_message_get_packed_size(item);
	_cleanup_free_ uint8_t *value = xmalloc(sizeof(h) + size);
	int shows = view_shows(k, state);

	h.state = shows < 0 ? 0 : (uint32_t)shows;
	memcpy(h.owner, owner, MIN(strlen(owner), (size_t)ID_LEN));
	memcpy(value, &h, sizeof(h));
	protobuf_c_message_pack(item, value + sizeof(h));
	store_put(t, STORE_ENV_BOOT, key, value, sizeof(h) + size);
}

static void del(enum kind k, const char *id, struct store_txn *t)
{
	_cleanup_free_ char *key = xasprintf(VIEW_PREFIX "%s/%s", kind_ops(k)->machine->name, id);

	store_del(t, STORE_ENV_BOOT, key);
}

static void put_sandbox(const char *id, const struct sm_state *state, const void *row,
			struct store_txn *t)
{
	const Crisp__State__Sandbox *r = row;
	Runtime__V1__PodSandbox item = RUNTIME__V1__POD_SANDBOX__INIT;
	Runtime__V1__PodSandboxConfig *c =
		runtime__v1__pod_sandbox_config__unpack(NULL, r->config.len, r->config.data);
	int shows = view_shows(KIND_SANDBOX, state);

	item.id = (char *)(uintptr_t)id;
	item.state = shows < 0 ? RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_NOTREADY
			       : (Runtime__V1__PodSandboxState)shows;
	item.created_at = r->created_ns;
	item.runtime_handler = r->runtime_handler;
	if (c) {
		item.metadata = c->metadata;
		item.n_labels = c->n_labels;
		item.labels = (void *)c->labels;
		item.n_annotations = c->n_annotations;
		item.annotations = (void *)c->annotations;
	}
	put(KIND_SANDBOX, id, state, row, "", &item.base, t);
	if (c)
		runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
}

static void put_container(const char *id, const struct sm_state *state, const void *row,
			  struct store_txn *t)
{
	const Crisp__State__Container *r = row;
	Runtime__V1__Container item = RUNTIME__V1__CONTAINER__INIT;
	Runtime__V1__ContainerConfig *c =
		runtime__v1__container_config__unpack(NULL, r->config.len, r->config.data);
	int shows = view_shows(KIND_CONTAINER, state);

	item.id = (char *)(uintptr_t)id;
	item.pod_sandbox_id = r->sandbox_id;
	item.state = shows < 0 ? RUNTIME__V1__CONTAINER_STATE__CONTAINER_UNKNOWN
			       : (Runtime__V1__ContainerState)shows;
	item.created_at = r->created_ns;
	item.image_ref = r->image_ref;
	item.image_id = r->image_id;
	if (c) {
		item.metadata = c->metadata;
		item.image = c->image;
		item.n_labels = c->n_labels;
		item.labels = (void *)c->labels;
		item.n_annotations = c->n_annotations;
		item.annotations = (void *)c->annotations;
	}
	put(KIND_CONTAINER, id, state, row, r->sandbox_id, &item.base, t);
	if (c)
		runtime__v1__container_config__free_unpacked(c, NULL);
}

/* Image.uid or Image.username: what its config's User says, without the group. */
static void fill_user(Runtime__V1__Image *item, Runtime__V1__Int64Value *uid, char *user)
{
	int64_t n;

	user[strcspn(user, ":")] = '\0';
	if (!*user)
		return;
	if (str_to_i64(user, 0, UINT32_MAX, &n) == 0) {
		uid->value = n;
		item->uid = uid;
	} else {
		item->username = user;
	}
}

static void put_image(const char *id, const struct sm_state *state, const void *row,
		      struct store_txn *t)
{
	const Crisp__State__Image *r = row;
	Runtime__V1__Image item = RUNTIME__V1__IMAGE__INIT;
	Runtime__V1__Int64Value uid = RUNTIME__V1__INT64_VALUE__INIT;
	Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
	_cleanup_free_ char *user = xstrdup(r->user);
	_cleanup_free_ char *full_id = xasprintf("sha256:%s", id);

	item.id = full_id;
	item.n_repo_tags = r->n_tags;
	item.repo_tags = r->tags;
	item.n_repo_digests = r->n_digests;
	item.repo_digests = r->digests;
	item.size = r->size;
	item.pinned = pinned_image(world.conf, r);
	spec.image = full_id;
	item.spec = &spec;
	fill_user(&item, &uid, user);
	put(KIND_IMAGE, id, state, row, "", &item.base, t);
}

static void view_of(enum kind k, const char *id, const struct sm_state *state, const void *row,
		    struct store_txn *t)
{
	switch (k) {
	case KIND_SANDBOX:
		put_sandbox(id, state, row, t);
		break;
	case KIND_CONTAINER:
		put_container(id, state, row, t);
		break;
	case KIND_IMAGE:
		put_image(id, state, row, t);
		break;
	case KIND_EXEC:
	case KIND_PULL:
	case KIND_COUNT:
		break;
	}
}

static void put_write(enum kind k, const struct sm_write *w, struct store_txn *t, bool gone)
{
	if (gone)
		del(k, w->obj->id, t);
	else
		view_of(k, w->obj->id, &w->obj->machine->states[w->state], w->row, t);
}

void view_put_sandbox(const struct sm_write *w, struct store_txn *t, bool gone)
{
	put_write(KIND_SANDBOX, w, t, gone);
}

void view_put_container(const struct sm_write *w, struct store_txn *t, bool gone)
{
	put_write(KIND_CONTAINER, w, t, gone);
}

void view_put_image(const struct sm_write *w, struct store_txn *t, bool gone)
{
	put_write(KIND_IMAGE, w, t, gone);
}

static bool is_of_object(const char *key)
{
	if (str_starts(key, VIEW_PREFIX))
		key += strlen(VIEW_PREFIX);
	for (int k = 0; k < KIND_COUNT; k++) {
		const char *name = kind_ops((enum kind)k)->machine->name;

		if (str_starts(key, name) && key[strlen(name)] == '/')
			return world_find((enum kind)k, key + strlen(name) + 1);
	}
	return false;
}

static int delete_other(void *arg, const struct store_row *row)
{
	struct store_txn *t = arg;

	if (!is_of_object(row->key))
		store_del(t, STORE_ENV_BOOT, row->key);
	return 0;
}

static int delete_others(struct err *e)
{
	struct store_read read;
	struct store_txn t;
	int r;

	/* The reader's snapshot stays while the writer deletes below it. */
	store_read_begin(world.store, &read);
	store_begin(world.store, &t);
	r = store_scan(&read, STORE_ENV_BOOT, "", delete_other, &t, e);
	store_read_end(&read);
	if (r == 0)
		return store_commit(&t, e);
	store_abort(&t);
	return r;
}

/* What is there already is not written again, and the rest in small transactions: a full file
 * system has room for that. */
static int write_all(enum kind k, struct err *e)
{
	struct store_txn t;
	struct object *o;
	size_t pos = 0;
	int n = 0, r = 0;

	store_begin(world.store, &t);
	while (r == 0 && (o = map_next(world.objects[k], &pos))) {
		_cleanup_free_ char *key = xasprintf("%s/%s", o->sm->machine->name, o->sm->id);
		_cleanup_free_ void *envelope = NULL;
		size_t size;

		envelope = sm_object_pack(o->sm, &size);
		store_put(&t, STORE_ENV_BOOT, key, envelope, size);
		view_of(k, o->sm->id, sm_state(o->sm), o->sm->row, &t);
		if (++n % REBUILD_STEP)
			continue;
		r = store_commit(&t, e);
		store_begin(world.store, &t);
	}
	if (r == 0)
		return store_commit(&t, e);
	store_abort(&t);
	return r;
}

int view_rebuild(struct err *e)
{
	int r = delete_others(e);

	for (int k = 0; k < KIND_COUNT && r == 0; k++)
		r = write_all((enum kind)k, e);
	return r;
}

/* --- reading --- */

struct listing {
	int (*fn)(void *arg, const struct view *v);
	void *arg;
	size_t skip; /* of the key, up to the id */
};

static int list_row(void *arg, const struct store_row *row)
{
	const struct listing *l = arg;
	struct view v;

	if (row->damaged || row->size < sizeof(v.head))
		return 0; /* its object is listed by Explain */
	memcpy(&v.head, row->payload, sizeof(v.head));
	v.head.owner[ID_LEN] = '\0';
	v.id = row->key + l->skip;
	v.item = (const char *)row->payload + sizeof(v.head);
	v.size = row->size - sizeof(v.head);
	return v.head.hidden ? 0 : l->fn(l->arg, &v);
}

int view_list(enum kind k, int (*fn)(void *arg, const struct view *v), void *arg, struct err *e)
{
	_cleanup_free_ char *prefix = xasprintf(VIEW_PREFIX "%s/", kind_ops(k)->machine->name);
	struct listing l = { .fn = fn, .arg = arg, .skip = strlen(prefix) };
	struct store_read read;
	int r;

	store_read_begin(world.store, &read);
	r = store_scan(&read, STORE_ENV_BOOT, prefix, list_row, &l, e);
	store_read_end(&read);
	return r;
}

struct search {
	struct buf found; /* the first row's payload */
	char id[ID_LEN + 1];
	size_t skip;
	unsigned n;
};

static int search_row(void *arg, const struct store_row *row)
{
	struct search *s = arg;

	if (row->damaged || strlen(row->key + s->skip) != ID_LEN)
		return 0;
	if (s->n++ == 0) {
		memcpy(s->id, row->key + s->skip, ID_LEN);
		buf_add(&s->found, row->payload, row->size);
	}
	/* An exact id is found first, and nothing has it as a prefix. */
	return 0;
}

int view_get(enum kind k, const char *id, struct view_row *ret, struct err *e)
{
	const struct sm_machine *m = kind_ops(k)->machine;
	_cleanup_free_ char *prefix = NULL;
	_cleanup_buf_ struct buf found = BUF_NULL;
	struct search s = { .n = 0, .skip = strlen(m->name) + 1 };
	struct store_read read;
	int r;

	*ret = VIEW_ROW_NULL;
	if (!id_is_prefix(id))
		return err_set(e, ERR_NOT_FOUND, "%s with ID %.80s not found", m->name, id);
	prefix = xasprintf("%s/%s", m->name, id);
	store_read_begin(world.store, &read);
	r = store_scan(&read, STORE_ENV_BOOT, prefix, search_row, &s, e);
	store_read_end(&read);
	found = s.found;
	if (r < 0)
		return r;
	if (s.n == 0)
		return err_set(e, ERR_NOT_FOUND, "%s with ID %s not found", m->name, id);
	if (s.n > 1)
		return err_set(e, ERR_PRECONDITION, "%s id %s fits several: give more of it",
			       m->name, id);
	ret->kind = k;
	memcpy(ret->id, s.id, sizeof(ret->id));
	ret->envelope = crisp__state__envelope__unpack(NULL, found.len, (uint8_t *)found.data);
	if (ret->envelope)
		ret->row = protobuf_c_message_unpack(m->row_descriptor, NULL,
						     ret->envelope->row.len,
						     ret->envelope->row.data);
	for (int i = 0; ret->row && i < m->n_states; i++)
		if (m->states[i].number == ret->envelope->state)
			ret->state = &m->states[i];
	if (!ret->row || !ret->state) {
		view_row_done(ret);
		return err_set(e, ERR_DATA_LOSS, "row %s/%s does not decode", m->name, id);
	}
	return 0;
}

void view_row_done(struct view_row *r)
{
	if (r->row)
		protobuf_c_message_free_unpacked(r->row, NULL);
	if (r->envelope)
		crisp__state__envelope__free_unpacked(r->envelope, NULL);
	*r = VIEW_ROW_NULL;
}
