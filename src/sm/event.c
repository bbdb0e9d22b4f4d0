/*
 * event.c - creates and frees events; sm_dispatch hands them to the engine.
 */
#include <stdlib.h>

#include "base/util.h"
#include "sm/engine.h"

struct sm_event *sm_event_new(int event)
{
	struct sm_event *ev = xcalloc(1, sizeof(*ev));

	list_init(&ev->node);
	ev->event = event;
	return ev;
}

struct sm_event *sm_event_failed(int event, const struct err *why)
{
	struct sm_event *ev = sm_event_new(event);

	if (why)
		ev->err = *why;
	return ev;
}

struct sm_event *sm_event_carry(int event, void *payload, void (*free_payload)(void *payload))
{
	struct sm_event *ev = sm_event_new(event);

	ev->payload = payload;
	ev->free_payload = free_payload;
	return ev;
}

const void *sm_event_payload(const struct sm_event *ev)
{
	return ev->payload;
}

void sm_event_free(struct sm_event *ev)
{
	if (!ev)
		return;
	if (ev->free_payload)
		ev->free_payload(ev->payload);
	free(ev);
}
