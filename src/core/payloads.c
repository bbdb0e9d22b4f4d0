/*
 * payloads.c - constructors and destructors of event payloads.
 */
#include "core/payloads.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Without strings and lists. */
#define PLAIN(name) \
	void payload_##name##_free(void *payload) \
	{ \
		free(payload); \
	}
PLAIN(setup)
PLAIN(init)
PLAIN(exit)
PLAIN(stop)
PLAIN(image_id)

void payload_netns_free(void *netns)
{
	struct payload_netns *n = netns;

	if (!n)
		return;
	free(n->path);
	free(n->cni_conf);
	free(n);
}

static void free_texts(char **texts)
{
	for (size_t i = 0; texts && texts[i]; i++)
		free(texts[i]);
	free(texts);
}

void payload_network_free(void *network)
{
	struct payload_network *n = network;

	if (!n)
		return;
	free(n->result);
	free_texts(n->ips);
	free(n);
}

void payload_pod_checkpoint_free(void *pod_checkpoint)
{
	struct payload_pod_checkpoint *c = pod_checkpoint;

	if (!c)
		return;
	free(c->path);
	free_texts(c->ids);
	free_texts(c->options);
	free(c);
}

void payload_checkpointed_free(void *checkpointed)
{
	struct payload_checkpointed *c = checkpointed;

	if (!c)
		return;
	free_texts(c->ips);
	free(c);
}

void payload_bundle_free(void *bundle)
{
	struct payload_bundle *b = bundle;

	if (!b)
		return;
	free(b->groups);
	free(b);
}

void payload_resources_free(void *resources)
{
	struct payload_resources *r = resources;

	if (!r)
		return;
	free(r->packed);
	free(r);
}

void payload_pod_resources_free(void *pod_resources)
{
	struct payload_pod_resources *p = pod_resources;

	if (!p)
		return;
	payload_resources_free(p->resources);
	payload_resources_free(p->overhead);
	free(p);
}

void payload_image_free(void *image)
{
	struct payload_image *i = image;

	if (!i)
		return;
	crisp__state__image__free_unpacked(i->found, NULL);
	free(i);
}

void payload_tag_free(void *tag)
{
	struct payload_tag *t = tag;

	if (!t)
		return;
	free(t->tag);
	free(t->handler);
	free(t);
}

void payload_origin_free(void *origin)
{
	struct payload_origin *o = origin;

	if (!o)
		return;
	crisp__state__container__free_unpacked(o->found, NULL);
	free(o);
}

void payload_checkpoint_free(void *checkpoint)
{
	struct payload_checkpoint *c = checkpoint;

	if (!c)
		return;
	free(c->location);
	free(c);
}

void payload_kept_free(void *kept)
{
	free(kept);
}

struct payload_image *payload_image_new(Crisp__State__Image *found)
{
	struct payload_image *i = xcalloc(1, sizeof(*i));

	i->found = found;
	return i;
}

struct payload_tag *payload_tag_new(const char *tag)
{
	struct payload_tag *t = xcalloc(1, sizeof(*t));

	t->tag = xstrdup(tag);
	return t;
}

struct payload_tag *payload_handler_new(const char *handler)
{
	struct payload_tag *t = xcalloc(1, sizeof(*t));

	t->handler = xstrdup(handler);
	return t;
}

struct payload_image_id *payload_image_id_new(const char *id)
{
	struct payload_image_id *i = xcalloc(1, sizeof(*i));

	memcpy(i->id, id, ID_LEN);
	return i;
}
