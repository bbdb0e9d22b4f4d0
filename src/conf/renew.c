/*
 * renew.c - compare a new configuration with the one in force: what may change does, the rest
 * keeps its value.
 */
#include "conf/renew.h"

#include <string.h>

#include "base/util.h"
#include "conf/apply.h"
#include "conf/args.h"

void conf_news_done(struct conf_news *n)
{
	conf_list_free(n->changed);
	conf_list_free(n->restart);
	*n = CONF_NEWS_NULL;
}

/* The keys of one struct; name: its handler, NULL: struct conf itself. */
static void settle(enum conf_place_of place, const char *name, const void *now, void *next,
		   struct conf_news *n)
{
	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *k = &conf_keys[i];
		const char *last = strrchr(k->name, '.') + 1;

		if (k->place != place || !conf_member(k, now) || conf_is_equal(k, now, next))
			continue;
		conf_list_add(k->reload ? &n->changed : &n->restart,
			      name ? xasprintf(CONF_RUNTIMES ".%s.%s", name, last)
				   : xstrdup(k->name));
		if (!k->reload)
			conf_member_copy(k, next, now);
	}
}

static void add_copy(struct conf *c, const struct conf_runtime *from)
{
	struct conf_runtime *to = conf_runtime_add(c, from->name);

	for (size_t i = 0; i < conf_n_keys; i++)
		if (conf_keys[i].place == CONF_PLACE_RUNTIME && conf_member(&conf_keys[i], from))
			conf_member_copy(&conf_keys[i], to, from);
}

/* A handler that is gone stays: containers may have it. */
static void settle_runtimes(const struct conf *now, struct conf *next, struct conf_news *n)
{
	for (size_t i = 0; i < next->n_runtimes; i++) {
		struct conf_runtime *rt = &next->runtimes[i];
		const struct conf_runtime *old = conf_runtime_get(now, rt->name);

		if (old)
			settle(CONF_PLACE_RUNTIME, rt->name, old, rt, n);
		else
			conf_list_add(&n->changed, xasprintf(CONF_RUNTIMES ".%s", rt->name));
	}
	for (size_t i = 0; i < now->n_runtimes; i++) {
		if (conf_runtime_get(next, now->runtimes[i].name))
			continue;
		conf_list_add(&n->restart, xasprintf(CONF_RUNTIMES ".%s", now->runtimes[i].name));
		add_copy(next, &now->runtimes[i]);
	}
}

int conf_renew(const struct conf *now, const struct conf_args *a, struct conf *c,
	       struct conf_news *ret, struct err *e)
{
	int r;

	*ret = CONF_NEWS_NULL;
	conf_init(c);
	r = conf_args_apply(a, c, e);
	if (r < 0)
		return r;
	/* Directories of new handlers would be below another root. */
	if (strcmp(c->runroot, now->runroot) != 0)
		return err_set(e, ERR_INVALID, "%s: %s is in force, which only a restart changes",
			       conf_where(c, "crio.runroot"), now->runroot);
	settle(CONF_PLACE_CONF, NULL, now, c, ret);
	settle_runtimes(now, c, ret);
	return 0;
}
