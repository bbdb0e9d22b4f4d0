/*
 * session.c - reference-counted session, and renewal of its token under a lock.
 */
#include "pull/fetch/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* The API of docker.io has another host name. */
static const char *base_of(const char *host)
{
	return strcmp(host, "docker.io") == 0 ? "registry-1.docker.io" : host;
}

int session_new(const struct registry_options *o, struct registry_session **ret, struct err *e)
{
	struct registry_session *s = xcalloc(1, sizeof(*s));

	atomic_init(&s->refs, 1);
	pthread_mutex_init(&s->lock, NULL);
	s->host = xstrdup(o->source->host);
	s->base = xstrdup(base_of(o->source->host));
	s->repository = xstrdup(o->source->repository);
	s->certs_dirs = o->certs_dirs;
	s->insecure = o->source->insecure;
	s->cred = credentials_copy(o->cred);
	s->progress_timeout_ms = o->progress_timeout_ms;
	s->meter = o->meter;
	s->stop = o->stop;
	if (o->cred->registry_token)
		s->authorization = xasprintf("Bearer %s", o->cred->registry_token);
	if (certs_add(&s->certs, s->certs_dirs, s->host, true, e) < 0) {
		session_unref(s);
		return -(int)e->code;
	}
	*ret = s;
	return 0;
}

struct registry_session *session_ref(struct registry_session *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void session_unref(struct registry_session *s)
{
	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&s->lock);
	certs_done(&s->certs);
	credentials_done(&s->cred);
	free(s->host);
	free(s->base);
	free(s->repository);
	free(s->authorization);
	free(s);
}

char *session_authorization(struct registry_session *s, unsigned *ret_generation)
{
	char *copy;

	pthread_mutex_lock(&s->lock);
	copy = s->authorization ? xstrdup(s->authorization) : NULL;
	*ret_generation = s->generation;
	pthread_mutex_unlock(&s->lock);
	return copy;
}

int session_renew(struct registry_session *s, struct exchange *h, const struct challenge *c,
		  unsigned generation, struct err *e)
{
	const struct auth_peer peer = {
		.host = s->host,
		.repository = s->repository,
		.certs_dirs = s->certs_dirs,
		.insecure = s->insecure,
		.stop = s->stop,
		.retries = &s->meter->retries,
	};
	char *authorization = NULL;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (s->generation == generation) {
		r = auth_answer(h, c, &s->cred, &peer, &authorization, e);
		if (r == 0) {
			free(s->authorization);
			s->authorization = authorization;
			s->generation++;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}
