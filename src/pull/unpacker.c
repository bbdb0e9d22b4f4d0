/*
 * unpacker.c - serve requests of the keeper: unpack, inherit, verify; one layer per channel.
 */
#include "pull/unpacker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "image/staging.h"
#include "pull/base/ipc.h"
#include "pull/confine.h"
#include "pull/trust/evaluate.h"
#include "pull/trust/openpgp.h"
#include "pull/unpack/unpack.h"

#define FDS_MAX (LIMIT_LAYERS + 1) /* the list of directories, and a root for each layer */
#define QUESTION_MAX (64 * 1024 * 1024) /* signatures */
#define READ_BYTES (256 * 1024)
#define TELL_BYTES (1024 * 1024) /* bytes of the blob between two progress messages */

struct unpacker {
	const Crisp__Pull__Request *request;
	const struct policy *policy;
	char *works;
};

static int answer(int fd, Crisp__Pull__FromUnpacker *a, const struct err *failed)
{
	Crisp__Pull__Failure failure;
	struct err e = ERR_NULL;

	if (failed) {
		ipc_put_error(failed, &failure);
		a->failure = &failure;
	}
	return ipc_send(fd, &a->base, NULL, 0, &e);
}

static int answer_sums(int fd, const struct unpack_result *u)
{
	Crisp__Pull__FromUnpacker a = CRISP__PULL__FROM_UNPACKER__INIT;
	Crisp__Pull__Unpacked unpacked = CRISP__PULL__UNPACKED__INIT;

	unpacked.bytes = u->bytes;
	unpacked.disk = u->disk;
	unpacked.inodes = u->inodes;
	unpacked.sum = (char *)(uintptr_t)u->sum;
	a.unpacked = &unpacked;
	return answer(fd, &a, NULL);
}

static int answer_error(int fd, const struct err *failed)
{
	Crisp__Pull__FromUnpacker a = CRISP__PULL__FROM_UNPACKER__INIT;

	return answer(fd, &a, failed);
}

/* --- unpack --- */

static int tell_fed(int fd, uint64_t fed, uint64_t *told)
{
	Crisp__Pull__FromUnpacker a = CRISP__PULL__FROM_UNPACKER__INIT;

	if (fed - *told < TELL_BYTES)
		return 0;
	*told = a.fed = fed;
	return answer(fd, &a, NULL);
}

/* true: hangup. Ignores input, because the finish message may be queued already. */
static bool is_closed(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0;
}

/* Feed the pipe until EOF. ERR_CANCELLED: the keeper closed the channel. */
static int feed_all(int fd, int pipe, struct unpack *u, struct err *e)
{
	_cleanup_free_ char *data = xmalloc(READ_BYTES);
	uint64_t fed = 0, told = 0;

	for (;;) {
		ssize_t n = read(pipe, data, READ_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_INTERNAL, errno, "read the blob's pipe");
		if (n == 0)
			return 0;
		if (is_closed(fd) || tell_fed(fd, fed += (uint64_t)n, &told) < 0)
			return err_set(e, ERR_CANCELLED, "cancelled");
		if (unpack_feed(u, data, (size_t)n, e) < 0)
			return -(int)e->code;
	}
}

/* EOF of the pipe: end of the blob, or a broken connection. The keeper's message decides. */
static int wait_for_finish(int fd, struct err *e)
{
	ProtobufCMessage *m = NULL;
	int r = ipc_recv(fd, &crisp__pull__to_unpacker__descriptor, QUESTION_MAX, &m, NULL, NULL,
			 e);

	if (r == 0 && !((Crisp__Pull__ToUnpacker *)m)->finish)
		r = err_set(e, ERR_INTERNAL, "a request while a layer is unpacked");
	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
	return r > 0 ? err_set(e, ERR_CANCELLED, "cancelled") : r;
}

static void unpack(const struct unpacker *p, int fd, const Crisp__Pull__Unpack *q, int *pipe)
{
	_cleanup_free_ char *dir = xasprintf("%s/%s", p->works, q->name);
	const struct unpack_spec spec = {
		.dir = dir,
		.blob_digest = q->blob_digest,
		.diff_id = q->diff_id,
		.blob_size = q->blob_size,
		.file = *q->file ? q->file : NULL,
	};
	struct unpack_result result;
	struct unpack *u = NULL;
	struct err e = ERR_NULL;
	int r = unpack_open(&spec, &u, &e);

	r = r < 0 ? r : feed_all(fd, *pipe, u, &e);
	close_fdp(pipe);
	r = r < 0 ? r : wait_for_finish(fd, &e);
	r = r < 0 ? r : unpack_finish(u, &result, &e);
	unpack_free(u);
	if (r < 0)
		answer_error(fd, &e);
	else
		answer_sums(fd, &result);
}

/* --- inherit and verify --- */

static void inherit(const struct unpacker *p, int fd, const Crisp__Pull__Inherit *q, const int *fds,
		    size_t n)
{
	_cleanup_free_ char *dir = xasprintf("%s/%s", p->works, q->name);
	struct unpack_result result = { .bytes = 0 };
	struct err e = ERR_NULL;
	int r;

	snprintf(result.sum, sizeof(result.sum), "%s", q->sum);
	r = n == 0 ? err_set(&e, ERR_INTERNAL, "a list of directories is missing")
		   : unpack_inherit(dir, fds[0], fds + 1, n - 1, result.sum, &e);
	if (r < 0)
		answer_error(fd, &e);
	else
		answer_sums(fd, &result);
}

static void judge(const struct unpacker *p, int fd, const Crisp__Pull__Judge *q)
{
	Crisp__Pull__FromUnpacker a = CRISP__PULL__FROM_UNPACKER__INIT;
	Crisp__Pull__Judged judged = CRISP__PULL__JUDGED__INIT;
	const struct image_ref ref = { q->domain, q->path, q->tag, q->digest };
	_cleanup_free_ bool *accepted = xcalloc(q->n_signatures + 1, sizeof(*accepted));
	_cleanup_free_ protobuf_c_boolean *list = NULL;
	struct err e = ERR_NULL;
	int r;

	/* On success e may hold the error of another signature. */
	r = p->policy ? evaluate_image(policy_of_image(p->policy, &ref), &ref, q->signatures,
				       q->n_signatures, accepted, &e)
		      : err_set(&e, ERR_INTERNAL, "there is no policy");
	list = xcalloc(q->n_signatures + 1, sizeof(*list));
	for (size_t i = 0; i < q->n_signatures; i++)
		list[i] = accepted[i];
	judged.accepted = list;
	judged.n_accepted = q->n_signatures;
	a.judged = &judged;
	answer(fd, &a, r < 0 ? &e : NULL);
}

/* Receive the descriptors that did not fit into the first message. */
static int receive_rest(int fd, const Crisp__Pull__Inherit *q, int fds[FDS_MAX], size_t *n,
			struct err *e)
{
	bool more = q->more;

	while (more) {
		size_t part = MIN(FDS_MAX - *n, (size_t)WIRE_FDS_MAX);
		Crisp__Pull__ToUnpacker *next;
		ProtobufCMessage *m;

		if (!part)
			return err_set(e, ERR_INTERNAL, "more than %d descriptors", FDS_MAX);
		if (ipc_recv(fd, &crisp__pull__to_unpacker__descriptor, QUESTION_MAX, &m, fds + *n,
			     &part, e) != 0)
			return err_set(e, ERR_INTERNAL, "descriptors are missing");
		*n += part;
		next = (Crisp__Pull__ToUnpacker *)m;
		more = part && next->inherit && next->inherit->more;
		protobuf_c_message_free_unpacked(m, NULL);
	}
	return 0;
}

static void serve(void *arg, int fd)
{
	const struct unpacker *p = arg;
	int fds[FDS_MAX];
	size_t n = WIRE_FDS_MAX;
	ProtobufCMessage *m;
	Crisp__Pull__ToUnpacker *q;
	struct err e = ERR_NULL;

	if (ipc_recv(fd, &crisp__pull__to_unpacker__descriptor, QUESTION_MAX, &m, fds, &n, &e) != 0)
		return;
	q = (Crisp__Pull__ToUnpacker *)m;
	if (q->unpack && n == 1)
		unpack(p, fd, q->unpack, &fds[0]);
	else if (q->inherit && receive_rest(fd, q->inherit, fds, &n, &e) < 0)
		answer_error(fd, &e);
	else if (q->inherit)
		inherit(p, fd, q->inherit, fds, n);
	else if (q->judge)
		judge(p, fd, q->judge);
	for (size_t i = 0; i < n; i++)
		close_fdp(&fds[i]);
	protobuf_c_message_free_unpacked(m, NULL);
}

static void refuse(int fd, const struct err *e)
{
	(void)answer_error(fd, e);
}

/* --- start --- */

static int prepare(void *arg, struct err *e)
{
	struct unpacker *p = arg;
	_cleanup_free_ char *layers = xasprintf("%s/layers", p->request->images_root);
	_cleanup_free_ char *staging = xasprintf("%s/staging", p->request->images_root);
	struct confine_view view = { .lower = { layers, staging }, .own_fds = true };
	struct err ignored = ERR_NULL;
	int r;

	if (p->policy && policy_has_kind(p->policy, POLICY_KIND_GPG))
		(void)openpgp_load(&ignored);
	p->works = image_staging_works(p->request->images_root, p->request->pull_id);
	confine_view_add(&view, p->works, NULL, true, false);
	r = confine_enter(CONFINE_UNPACKER, &view, e);
	confine_view_done(&view);
	return r;
}

int unpacker_start(const Crisp__Pull__Request *request, const struct policy *policy,
		   int staging_lock, struct helper *ret, struct err *e)
{
	struct unpacker p = { .request = request, .policy = policy };
	const struct helper_ops ops = {
		.name = "crisp-pull-fs",
		.prepare = prepare,
		.serve = serve,
		.refuse = refuse,
		.arg = &p,
	};

	return helper_start(ret, &ops, &staging_lock, 1, e);
}
