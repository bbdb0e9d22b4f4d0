/*
 * objects.c - the tables of objects by id and by name.
 */
#include "core/objects.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "core/jobs.h"

struct world world;

bool object_is_nameless(enum kind k, const struct sm_object *sm)
{
	return kind_ops(k)->is_nameless && kind_ops(k)->is_nameless(sm);
}

void object_drop_name(const struct object *o)
{
	if (*o->name_key && map_get(world.names, o->name_key) == o)
		map_del(world.names, o->name_key);
}

struct object *world_find(enum kind k, const char *id)
{
	return world.objects[k] ? map_get(world.objects[k], id) : NULL;
}

struct object *world_child(const struct object *parent, enum kind k, const struct object *after)
{
	const struct list *end = &parent->sm->children;
	const struct list *at = after ? after->sm->sibling.next : end->next;

	for (; at != end; at = at->next) {
		struct object *o = object_of(list_entry(at, struct sm_object, sibling));

		/* A child within sm_object_new has no struct object yet. */
		if (o && o->kind == k)
			return o;
	}
	return NULL;
}

void observer_add(struct observer *w)
{
	w->next = world.observers;
	world.observers = w;
}

void observer_del(struct observer *w)
{
	for (struct observer **at = &world.observers; *at; at = &(*at)->next) {
		if (*at != w)
			continue;
		*at = w->next;
		return;
	}
}

struct object *world_find_name(const char *name_key)
{
	return map_get(world.names, name_key);
}

struct object *world_next_named(enum kind k, const char *name, size_t *pos)
{
	struct object *o;

	while ((o = map_next(world.objects[k], pos)))
		if (kind_ops(k)->answers_to(o, name))
			return o;
	return NULL;
}

int world_lookup(enum kind k, const char *id, struct object **ret, struct err *e)
{
	const char *kind = kind_ops(k)->machine->name;
	struct object *o, *found = NULL;
	size_t pos = 0;

	if (kind_ops(k)->answers_to) {
		*ret = world_next_named(k, id, &pos);
		return *ret ? 0
			    : err_set(e, ERR_NOT_FOUND, "there is no %s of \"%.300s\"", kind, id);
	}
	if (!id_is_prefix(id))
		return err_set(e, ERR_NOT_FOUND,
			       "%s with ID \"%.80s\" not found: an id is up to %d hex digits", kind,
			       id, ID_LEN);
	*ret = world_find(k, id);
	if (*ret)
		return 0;
	while ((o = map_next(world.objects[k], &pos))) {
		if (!str_starts(o->sm->id, id))
			continue;
		if (found)
			return err_set(e, ERR_PRECONDITION,
				       "%s id %s fits several: give more of it", kind, id);
		found = o;
	}
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "%s with ID %s not found", kind, id);
	*ret = found;
	return 0;
}

struct object *object_add(enum kind k, struct sm_object *sm, const char *name_key)
{
	struct object *o = xcalloc(1, sizeof(*o));

	o->sm = sm;
	o->kind = k;
	o->name_copy = name_key ? xstrdup(name_key) : NULL;
	o->name_key = o->name_copy ? o->name_copy : "";
	list_init(&o->jobs);
	list_init(&o->delayed);
	sm->user = o;
	map_put(world.objects[k], sm->id, o);
	if (*o->name_key && !object_is_nameless(k, sm))
		map_put(world.names, o->name_key, o);
	if (kind_ops(k)->born)
		kind_ops(k)->born(o);
	return o;
}

struct object *world_new(enum kind k, const char *id, void *row, const char *name_key)
{
	return object_add(k, sm_object_new(world.engine, kind_ops(k)->machine, id, row), name_key);
}

void object_free(struct object *o)
{
	object_drop_name(o);
	map_del(world.objects[o->kind], o->sm->id);
	loop_timer_stop(world.loop, &o->timer);
	kind_ops(o->kind)->gone(o);
	jobs_drop(o);
	sm_object_free(o->sm);
	free(o->name_copy);
	free(o);
}
