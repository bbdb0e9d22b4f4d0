/*
 * reload.c - read the configuration on a worker, replace world.conf on the loop.  A superseded
 * configuration stays in memory, because other threads and objects may hold parts of it.
 */
#include "pod/reload.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/logsink.h"
#include "base/util.h"
#include "conf/conf.h"
#include "conf/renew.h"
#include "core/listing.h"
#include "core/objects.h"
#include "pod/runtimes.h"

#define LATER_MAX 1500 /* bytes of names in one line */

/* A configuration that a reload made. */
struct edition {
	struct edition *older;
	struct conf conf;
};

static struct {
	const struct conf_args *args;
	struct edition *editions; /* the newest first */
	struct loop_job job;
	bool busy, again;
	/* The worker's, until the job is done. */
	struct edition *next;
	struct conf_news news;
	struct err error;
	int r;
} state;

/* --- the log --- */

/* Name the keys without effect in one line, as far as it has room. */
static void log_later(const struct conf *c)
{
	_cleanup_buf_ struct buf names = BUF_NULL;
	size_t n = 0, more;

	for (; c->later && c->later[n] && names.len < LATER_MAX; n++)
		buf_printf(&names, "%s%s", n ? ", " : "", c->later[n]);
	for (more = 0; c->later && c->later[n + more];)
		more++;
	if (n && more)
		buf_printf(&names, " and %zu more", more);
	if (n)
		log_warn("configuration", "text=\"these keys have no effect yet: %s\"", names.data);
}

/* Log each finding; a single error is the reason that main logs. */
void reload_log_findings(const struct conf *c)
{
	for (char **p = c->ignored; p && *p; p++)
		log_warn("configuration", "text=\"%s\"", *p);
	for (char **p = c->warnings; p && *p; p++)
		log_warn("configuration", "text=\"%s\"", *p);
	log_later(c);
	for (char **p = c->errors; p && c->errors[1] && *p; p++)
		log_error("configuration", "text=\"%s\"", *p);
	if (c->n_unlisted)
		log_warn("configuration", "text=\"and %zu more\"", c->n_unlisted);
}

/* "a, b"; malloc'ed. */
static char *joined(char *const *list)
{
	_cleanup_buf_ struct buf text = BUF_NULL;

	buf_puts(&text, "");
	for (size_t i = 0; list && list[i]; i++) {
		if (text.len > LATER_MAX / 2) {
			buf_puts(&text, ", ...");
			break;
		}
		buf_printf(&text, "%s%s", i ? ", " : "", list[i]);
	}
	return buf_take(&text);
}

static void log_news(void)
{
	_cleanup_free_ char *changed = joined(state.news.changed);
	_cleanup_free_ char *restart = joined(state.news.restart);

	log_info("configuration reloaded", "changed=\"%s\" needs_restart=\"%s\"", changed, restart);
}

/* --- the reload --- */

static void edition_free(struct edition *n)
{
	if (n)
		conf_done(&n->conf);
	free(n);
}

static void work(struct loop_job *job)
{
	(void)job;
	state.next = xcalloc(1, sizeof(*state.next));
	state.error = ERR_NULL;
	state.r = conf_renew(world.conf, state.args, &state.next->conf, &state.news, &state.error);
	if (state.r == 0)
		runtimes_probe(&state.next->conf);
}

/* Put the new configuration into force. */
static void publish(void)
{
	enum log_level level = LOG_LEVEL_INFO;
	struct err e = ERR_NULL;

	if (log_parse_level(state.next->conf.log_level, &level) == 0)
		log_set_level(LOG_LEVEL_INFO);
	log_news();
	log_set_level(level);
	if (logsink_set_filter(state.next->conf.log_filter, &e) < 0)
		log_err(LOG_LEVEL_WARN, "crio.runtime.log_filter stays as it was", &e);
	if (!state.news.changed)
		return;
	state.next->older = state.editions;
	state.editions = take_ptr(state.next);
	world.conf = &state.editions->conf;
	/* Images are listed as pinned or not. */
	if (listing_refresh(KIND_IMAGE, &e) < 0)
		log_err(LOG_LEVEL_WARN, "images are listed as before", &e);
}

static void done(struct loop_job *job)
{
	(void)job;
	reload_log_findings(&state.next->conf);
	if (state.r == 0)
		publish();
	else
		log_err(LOG_LEVEL_ERROR, "configuration not reloaded", &state.error);
	edition_free(take_ptr(state.next));
	conf_news_done(&state.news);
	state.busy = false;
	if (state.again)
		reload_request();
}

void reload_request(void)
{
	struct err e = ERR_NULL;

	state.again = state.busy;
	if (state.busy || world.draining)
		return;
	state.job.work = work;
	state.job.done = done;
	state.busy = true;
	if (loop_work(world.loop, LANE_CALL, &state.job, &e) == 0)
		return;
	state.busy = false;
	log_err(LOG_LEVEL_ERROR, "configuration not reloaded", &e);
}

void reload_start(const struct conf_args *a)
{
	state.args = a;
}

void reload_stop(void)
{
	edition_free(take_ptr(state.next));
	conf_news_done(&state.news);
	while (state.editions) {
		struct edition *n = state.editions;

		state.editions = n->older;
		edition_free(n);
	}
}
