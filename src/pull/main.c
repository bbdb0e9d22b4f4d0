/*
 * main.c - crisp-pull: pulls one image and ends.  Started by crispd (src/image/puller.c) with a
 * stream socket as descriptor 3, on which it gets its request and answers (proto/pull.proto).
 *
 * What must hold: it never outlives the wish for its image.  The end of the stream before the
 * result means that nobody waits (the daemon has died or cancelled): it removes what it has made
 * and ends.  After the result it means that the image is committed: it lets go of the layers.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "gen/pull.pb-c.h"
#include "pull/pull.h"
#include "pull/sandbox.h"

#define LINE_FD 3
#define REQUEST_MAX (1024 * 1024)

static int read_exactly(void *data, size_t size)
{
	char *p = data;

	while (size) {
		ssize_t n = read(LINE_FD, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static Crisp__Pull__ToPuller *read_request(void)
{
	Crisp__Pull__ToPuller *m;
	_cleanup_free_ uint8_t *data = NULL;
	uint32_t size;

	if (read_exactly(&size, sizeof(size)) < 0 || size > REQUEST_MAX)
		return NULL;
	data = xmalloc(size + 1);
	if (read_exactly(data, size) < 0)
		return NULL;
	m = crisp__pull__to_puller__unpack(NULL, size, data);
	/* There are passwords in it. */
	explicit_bzero(data, size);
	if (m && m->request)
		return m;
	if (m)
		crisp__pull__to_puller__free_unpacked(m, NULL);
	return NULL;
}

/* A daemon that is gone is noticed by whoever reads. */
static void send_message(const Crisp__Pull__FromPuller *m)
{
	uint32_t size = (uint32_t)crisp__pull__from_puller__get_packed_size(m);
	_cleanup_free_ uint8_t *data = xmalloc(sizeof(size) + size);

	memcpy(data, &size, sizeof(size));
	crisp__pull__from_puller__pack(m, data + sizeof(size));
	(void)fs_write_all(LINE_FD, data, sizeof(size) + size);
}

static void send_progress(void *arg, const Crisp__Pull__Progress *p)
{
	Crisp__Pull__FromPuller m = CRISP__PULL__FROM_PULLER__INIT;
	Crisp__Pull__Progress *last = arg, copy = *p;

	if (last->bytes_done == p->bytes_done && last->layers_done == p->layers_done &&
	    last->bytes_total == p->bytes_total)
		return;
	*last = *p;
	m.progress = &copy;
	send_message(&m);
}

/* The kubelet knows some failures by how their text begins. */
static void send_failure(struct err *e)
{
	Crisp__Pull__FromPuller m = CRISP__PULL__FROM_PULLER__INIT;
	Crisp__Pull__Failure failure = CRISP__PULL__FAILURE__INIT;

	if (e->code == ERR_UNAVAILABLE)
		err_wrap(e, "RegistryUnavailable");
	failure.code = (uint32_t)e->code;
	failure.text = e->text;
	m.failure = &failure;
	send_message(&m);
}

static void send_result(const Crisp__Pull__Result *r)
{
	Crisp__Pull__FromPuller m = CRISP__PULL__FROM_PULLER__INIT;
	Crisp__Pull__Result copy = *r;

	m.result = &copy;
	send_message(&m);
}

/* Until the daemon has committed, or is gone. */
static void wait_for_end(void)
{
	char c;

	while (read_exactly(&c, 1) == 0)
		continue;
}

static int serve(const Crisp__Pull__Request *request, struct err *e)
{
	Crisp__Pull__Progress last = CRISP__PULL__PROGRESS__INIT;
	const struct pull_ops ops = { .progress = send_progress, .arg = &last };
	const Crisp__Pull__Result *result;
	struct stop stop;
	struct pull *p;
	int r = stop_init(&stop, LINE_FD, e);

	if (r < 0)
		return r;
	p = pull_new(request, &ops, &stop);
	r = pull_run(p, &result, e);
	if (r == 0) {
		send_result(result);
		wait_for_end();
	}
	pull_free(p);
	stop_done(&stop);
	return r;
}

int main(void)
{
	struct err e = ERR_NULL;
	Crisp__Pull__ToPuller *m;
	int type, r;
	socklen_t size = sizeof(type);

	if (getsockopt(LINE_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0) {
		fprintf(stderr, "crisp-pull is started by crispd, with a socket as descriptor 3\n");
		return 2;
	}
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	m = read_request();
	if (!m) {
		fprintf(stderr, "crisp-pull: the request is not complete\n");
		return 2;
	}
	r = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK
		    ? sandbox_enter(&e)
		    : err_set(&e, ERR_INTERNAL, "libcurl cannot be initialised");
	r = r < 0 ? r : serve(m->request, &e);
	if (r < 0)
		send_failure(&e);
	crisp__pull__to_puller__free_unpacked(m, NULL);
	curl_global_cleanup();
	/* No exit handlers: a leak checker would start a process, which is refused by now. */
	_exit(r < 0 ? 1 : 0);
}
