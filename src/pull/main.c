/*
 * main.c - crisp-pull: pull one image and exit. crispd (src/images/puller.c) starts it with a
 * listening socket as descriptor 3, for request and replies (proto/pull.proto, link.h).
 *
 * What must hold: the pull survives the daemon. Only the fetcher's memory holds the credentials;
 * the next daemon finds the pull by its socket. After end, or if no daemon collects the outcome,
 * the process releases everything.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/reason.h"
#include "base/util.h"
#include "gen/pull.pb-c.h"
#include "pull/acquire.h"
#include "pull/keeper.h"
#include "pull/link.h"
#include "pull/unarchive.h"
#include "pull/verify.h"

#define LISTEN_FD 3

/* State shared by the pulling thread and the serving thread. */
struct work {
	struct link *link;
	Crisp__Pull__Request *request;
	struct acquire_parts parts;
	struct acquire *pull;
	struct stop stop;
	bool failed;
};

static void tell_progress(void *arg, const Crisp__Pull__Progress *p)
{
	Crisp__Pull__FromPuller m = CRISP__PULL__FROM_PULLER__INIT;
	Crisp__Pull__Progress copy = *p;

	m.progress = &copy;
	link_tell(arg, &m);
}

static void tell_failure(struct work *w, struct err *e)
{
	Crisp__Pull__FromPuller m = CRISP__PULL__FROM_PULLER__INIT;
	Crisp__Pull__Failure failure = CRISP__PULL__FAILURE__INIT;

	if (e->code == ERR_UNAVAILABLE)
		reason_set(e, REASON_REGISTRY_UNAVAILABLE);
	failure.code = (uint32_t)e->code;
	failure.text = e->text;
	m.failure = &failure;
	if (w->pull) {
		m.kept = acquire_kept(w->pull);
		acquire_fetched(w->pull, &m.fetched, &m.n_fetched);
	}
	w->failed = true;
	link_tell(w->link, &m);
}

static void tell_result(struct work *w, const Crisp__Pull__Result *r)
{
	Crisp__Pull__FromPuller m = CRISP__PULL__FROM_PULLER__INIT;
	Crisp__Pull__Result copy = *r;

	m.result = &copy;
	acquire_fetched(w->pull, &m.fetched, &m.n_fetched);
	link_tell(w->link, &m);
}

static void *run(void *arg)
{
	struct work *w = arg;
	const struct acquire_ops ops = { .progress = tell_progress, .arg = w->link };
	const Crisp__Pull__Result *result;
	struct err e = ERR_NULL;

	if (stop_init(&w->stop, link_end_fd(w->link), &e) < 0) {
		tell_failure(w, &e);
		return NULL;
	}
	w->pull = acquire_new(w->request, &w->parts, &ops, &w->stop);
	if (acquire_run(w->pull, &result, &e) < 0)
		tell_failure(w, &e);
	else
		tell_result(w, result);
	/* From here on only the locks on the layers are needed. */
	keeper_end_children(&w->parts);
	return NULL;
}

static void serve(struct work *w)
{
	struct err e = ERR_NULL;
	pthread_t thread;
	int r;

	r = keeper_begin(w->request, &w->parts, &e);
	if (r == 0 && pthread_create(&thread, NULL, run, w) != 0)
		r = err_set(&e, ERR_EXHAUSTED, "start a thread");
	if (r < 0)
		tell_failure(w, &e);
	link_serve(w->link);
	if (r == 0)
		pthread_join(thread, NULL);
	/* Releases the locks on the layers. */
	acquire_free(w->pull);
	if (w->pull)
		stop_done(&w->stop);
	keeper_end(&w->parts);
}

int main(int argc, char **argv)
{
	struct work w = { .failed = false };
	Crisp__Pull__ToPuller *m;
	struct err e = ERR_NULL;
	int listens = 0;
	socklen_t size = sizeof(listens);

	if (argc == 2 && strcmp(argv[1], "verify") == 0)
		return verify_main();
	if (argc > 1 && strcmp(argv[1], "unpack") == 0)
		return unarchive_main(argc - 2, argv + 2);
	if (getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens) {
		fprintf(stderr, "crisp-pull is started by crispd, with a socket as descriptor 3\n");
		return 2;
	}
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	if (link_open(LISTEN_FD, &w.link, &m, &e) < 0) {
		fprintf(stderr, "crisp-pull: %s\n", e.text);
		return 2;
	}
	w.request = m->request;
	serve(&w);
	crisp__pull__to_puller__free_unpacked(m, NULL);
	link_free(w.link);
	/* Skip exit handlers: a leak checker would fork, which the filter refuses. */
	_exit(w.failed ? 1 : 0);
}
