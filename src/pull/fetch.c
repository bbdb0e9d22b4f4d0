/*
 * fetch.c - distribute the layers over a few threads. Each waits for fetcher and unpacker, which
 * serve every channel on its own thread.
 */
#include "pull/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "image/pullphase.h"
#include "image/staging.h"
#include "pull/hand.h"
#include "pull/slots.h"
#include "pull/unpack/layer.h"

#define PROGRESS_MS 200
#define FLUSH_MS 100
#define LOOK_MS 100 /* poll interval for another puller's layer */

/* One layer of the manifest. */
struct part {
	struct fetch *fetch;
	unsigned index;
	const struct descriptor *blob;
	char *diff_id;
	size_t twin; /* index of the first part with this diffID */
	struct layer *layer; /* NULL: already in layers/, or a twin has it */
	int lock_fd;
	Crisp__State__Layer *row;
	_Atomic uint64_t done;
	atomic_bool reused, waiting; /* already on this node; another puller makes it */
};

struct fetch {
	const Crisp__Pull__Request *request;
	const struct helper *unpacker;
	struct stop *stop;
	struct part *parts;
	size_t n;
	Crisp__State__Layer **rows; /* one for each part; returned by fetch_layers */
	atomic_size_t next; /* the first unclaimed part */
	atomic_uint finished; /* threads */
	atomic_uint layers_done;
	int event_fd; /* signalled when a thread ends */
	atomic_flag failed;
	struct err e; /* first failure; written by the thread that set failed */
};

/* A thread and its clone of the source. */
struct runner {
	struct fetch *fetch;
	struct source source;
	pthread_t thread;
};

struct fetch *fetch_new(const Crisp__Pull__Request *request, const struct helper *unpacker,
			const struct manifest *manifest, const char *const *diff_ids,
			struct stop *stop)
{
	struct fetch *f = xcalloc(1, sizeof(*f));

	f->request = request;
	f->unpacker = unpacker;
	f->stop = stop;
	f->event_fd = -1;
	atomic_flag_clear(&f->failed);
	f->n = manifest->n;
	f->parts = xcalloc(f->n + 1, sizeof(*f->parts));
	f->rows = xcalloc(f->n + 1, sizeof(struct Crisp__State__Layer *));
	for (size_t i = 0; i < f->n; i++) {
		struct part *part = &f->parts[i];

		part->fetch = f;
		part->index = (unsigned)i;
		part->blob = &manifest->entries[i];
		part->diff_id = xstrdup(diff_ids[i]);
		part->lock_fd = -1;
		for (part->twin = 0; strcmp(diff_ids[part->twin], diff_ids[i]) != 0;)
			part->twin++;
	}
	return f;
}

void fetch_free(struct fetch *f)
{
	const Crisp__Pull__Request *q;

	if (!f)
		return;
	q = f->request;
	for (size_t i = 0; i < f->n; i++) {
		if (!f->parts[i].layer || !layer_is_whole(f->parts[i].layer))
			image_staging_unclaim(q->images_root, q->pull_id, f->parts[i].diff_id);
		layer_abort(f->parts[i].layer);
		close_fdp(&f->parts[i].lock_fd);
		free(f->parts[i].diff_id);
		if (f->parts[i].row)
			crisp__state__layer__free_unpacked(f->parts[i].row, NULL);
	}
	close_fdp(&f->event_fd);
	free(f->parts);
	free(f->rows);
	free(f);
}

/* --- worker threads --- */

static void on_fed(void *arg, uint64_t bytes)
{
	struct part *part = arg;

	atomic_store(&part->done, bytes);
}

/* 0: already on this node. 1: begun, must be made. Holds no lock while it waits for another puller,
 * so no deadlock is possible. */
static int obtain(struct part *part, struct err *e)
{
	struct fetch *f = part->fetch;
	const struct descriptor *d = part->blob;
	const char *root = f->request->images_root, *pull = f->request->pull_id;
	const struct layer_blob blob = { d->media_type, d->digest, d->size, part->diff_id,
					 d->file };

	for (;;) {
		int r = layer_reuse(root, part->diff_id, &part->lock_fd, &part->row, e);

		if (r > 0)
			r = layer_take(root, pull, part->diff_id, &part->layer, &part->row, e);
		if (r == 1) {
			r = layer_begin(root, pull, &blob, &part->layer, e);
			if (r == 0)
				return 1;
		}
		if (r <= 0)
			return r;
		atomic_store(&part->waiting, true);
		if (stop_wait(f->stop, LOOK_MS))
			return err_set(e, ERR_CANCELLED, "cancelled");
	}
}

static int make(struct part *part, struct source *source, struct err *e)
{
	struct fetch *f = part->fetch;
	_cleanup_close_ int slot = -1;
	struct unpack_result result;
	int r = 0;

	if (*f->request->slots_file)
		r = slot_take(f->request->slots_file, MAX(f->request->max_layers, 1U), f->stop,
			      &slot, e);
	r = r < 0 ? r
		  : hand_unpack(f->unpacker, source, part->blob, part->layer, on_fed, part, &result,
				e);
	return r < 0 ? r : layer_finish(part->layer, &result, &part->row, e);
}

static int fetch_part(struct part *part, struct source *source, struct err *e)
{
	const Crisp__Pull__Request *q = part->fetch->request;
	int r = image_staging_claim(q->images_root, q->pull_id, part->diff_id, e);

	r = r < 0 ? r : obtain(part, e);
	atomic_store(&part->waiting, false);
	if (r == 0) {
		atomic_store(&part->reused, true);
		atomic_store(&part->done, part->blob->size);
	}
	return r <= 0 ? r : make(part, source, e);
}

static void *run(void *arg)
{
	struct runner *r = arg;
	struct fetch *f = r->fetch;
	const uint64_t one = 1;
	size_t i;

	while (!atomic_load(&f->stop->set) && (i = atomic_fetch_add(&f->next, 1)) < f->n) {
		struct part *part = &f->parts[i];
		struct err e = ERR_NULL;

		if (part->twin != i)
			continue;
		if (fetch_part(part, &r->source, &e) == 0) {
			atomic_fetch_add(&f->layers_done, 1);
			continue;
		}
		if (!atomic_flag_test_and_set(&f->failed)) {
			f->e = e;
			err_wrap(&f->e, "layer %zu of %zu", i + 1, f->n);
		}
		stop_set(f->stop);
	}
	atomic_fetch_add(&f->finished, 1);
	(void)!write(f->event_fd, &one, sizeof(one));
	return NULL;
}

/* --- calling thread --- */

static void tell(struct fetch *f, const struct fetch_ops *ops, enum image_pull_phase phase)
{
	Crisp__Pull__Progress p = CRISP__PULL__PROGRESS__INIT;

	p.phase = phase;
	for (size_t i = 0; i < f->n; i++) {
		struct part *part = &f->parts[i];
		uint64_t done = atomic_load(&part->done);

		if (part->twin != i)
			continue;
		p.bytes_done += done;
		p.bytes_total += part->blob->size;
		p.layers_total++;
		p.layers_waiting += atomic_load(&part->waiting);
		if (atomic_load(&part->reused))
			p.layers_reused++;
		else
			p.bytes_received += done;
	}
	p.layers_done = atomic_load(&f->layers_done);
	ops->progress(ops->arg, &p);
}

/* Report progress until all threads have ended. */
static void watch(struct fetch *f, unsigned threads, const struct fetch_ops *ops)
{
	struct pollfd fds[2] = {
		{ .fd = f->event_fd, .events = POLLIN },
		{ .fd = f->stop->watch_fd, .events = POLLIN },
	};

	while (atomic_load(&f->finished) < threads) {
		uint64_t count;

		poll(fds, 2, PROGRESS_MS);
		if (fds[0].revents & POLLIN)
			(void)!read(f->event_fd, &count, sizeof(count));
		if (fds[1].revents && stop_is_set(f->stop))
			fds[1].fd = -1;
		tell(f, ops, IMAGE_PULL_PHASE_FETCHING);
	}
}

/* Calls syncfs periodically, so that small files are written while layers are still unpacked. Ends
 * once done_fd is readable. */
struct flusher {
	pthread_t thread;
	const char *images_root;
	int done_fd;
};

static void *flush(void *arg)
{
	struct flusher *fl = arg;
	struct pollfd done = { .fd = fl->done_fd, .events = POLLIN };
	_cleanup_close_ int fs = open(fl->images_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Errors do not matter: layer_publish repeats syncfs. */
	while (fs >= 0 && poll(&done, 1, FLUSH_MS) == 0)
		(void)syncfs(fs);
	return NULL;
}

static void flusher_start(struct flusher *fl, const char *images_root)
{
	fl->images_root = images_root;
	fl->done_fd = eventfd(0, EFD_CLOEXEC);
	if (fl->done_fd >= 0 && pthread_create(&fl->thread, NULL, flush, fl) != 0)
		close_fdp(&fl->done_fd);
}

static void flusher_end(struct flusher *fl)
{
	const uint64_t one = 1;

	if (fl->done_fd < 0)
		return;
	(void)!write(fl->done_fd, &one, sizeof(one));
	pthread_join(fl->thread, NULL);
	close_fdp(&fl->done_fd);
}

static int run_threads(struct fetch *f, struct source *source, const struct fetch_ops *ops,
		       struct err *e)
{
	struct runner runners[FETCH_PARALLEL] = { 0 };
	struct flusher flusher;
	unsigned wanted = (unsigned)MIN(f->n, (size_t)FETCH_PARALLEL), n = 0;
	int r = 0;

	flusher_start(&flusher, f->request->images_root);
	while (r == 0 && n < wanted) {
		runners[n].fetch = f;
		r = source_clone(source, &runners[n].source, e);
		if (r == 0 && pthread_create(&runners[n].thread, NULL, run, &runners[n]) != 0) {
			source_done(&runners[n].source);
			r = err_set(e, ERR_EXHAUSTED, "start a thread");
		}
		n += r == 0;
	}
	if (r < 0)
		stop_set(f->stop);
	watch(f, n, ops);
	flusher_end(&flusher);
	while (n--) {
		pthread_join(runners[n].thread, NULL);
		source_done(&runners[n].source);
	}
	return r;
}

/* true: no higher part has the same diffID. Lower duplicates are not mounted. */
static bool is_highest(const struct fetch *f, size_t i)
{
	for (size_t above = i + 1; above < f->n; above++)
		if (f->parts[above].twin == f->parts[i].twin)
			return false;
	return true;
}

static int inherit_layer(void *arg, const struct layer *l, int list_fd, const int *lower, size_t n,
			 char sum[TREESUM_TEXT], struct err *e)
{
	const struct fetch *f = arg;

	return hand_inherit(f->unpacker, l, list_fd, lower, n, sum, e);
}

/* Give directories without an entry the attributes of the lower layers. */
static int inherit(struct fetch *f, struct err *e)
{
	struct layer **layers = xcalloc(f->n + 1, sizeof(struct layer *));
	const char **diff_ids = xcalloc(f->n + 1, sizeof(const char *));
	const struct layer_hands hands = { FETCH_READ_ROOT, inherit_layer, f };
	size_t n = 0;
	int r;

	for (size_t i = 0; i < f->n; i++) {
		if (!is_highest(f, i))
			continue;
		diff_ids[n] = f->parts[i].diff_id;
		layers[n++] = f->parts[f->parts[i].twin].layer;
	}
	r = layer_inherit(&hands, diff_ids, layers, n, f->stop, e);
	free(layers);
	free(diff_ids);
	return r;
}

static int publish(struct fetch *f, struct err *e)
{
	struct layer **layers = xcalloc(f->n + 1, sizeof(struct layer *));
	_cleanup_free_ int *fds = xcalloc(f->n + 1, sizeof(*fds));
	size_t n = 0, k = 0;
	int r;

	for (size_t i = 0; i < f->n; i++)
		if (f->parts[i].layer)
			layers[n++] = f->parts[i].layer;
	r = layer_publish(f->request->images_root, layers, n, fds, e);
	for (size_t i = 0; r == 0 && i < f->n; i++)
		if (f->parts[i].layer)
			f->parts[i].lock_fd = fds[k++];
	free(layers);
	return r;
}

static void set_text(char **at, const char *value)
{
	if (*at != protobuf_c_empty_string)
		free(*at);
	*at = xstrdup(value);
}

/* Record the current manifest's blob: the row of a reused layer may name another compression. */
static void fill_rows(struct fetch *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct part *part = &f->parts[i];
		Crisp__State__Layer *row = f->parts[part->twin].row;

		f->rows[i] = row;
		if (part->twin != i)
			continue;
		set_text(&row->media_type, part->blob->media_type);
		set_text(&row->blob_digest, part->blob->digest);
		row->compressed_size = part->blob->size;
	}
}

size_t fetch_count(const struct fetch *f)
{
	return f->n;
}

size_t fetch_fetched(const struct fetch *f, Crisp__Pull__Fetched *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct part *part = &f->parts[i];
		uint64_t done = atomic_load(&part->done);

		if (part->twin != i || !done)
			continue;
		crisp__pull__fetched__init(&ret[n]);
		ret[n].media_type = part->blob->media_type;
		ret[n].digest = part->blob->digest;
		ret[n].size = part->blob->size;
		ret[n].reused = atomic_load(&part->reused);
		ret[n].received = ret[n].reused ? 0 : done;
		n++;
	}
	return n;
}

int fetch_run(struct fetch *f, struct source *source, const struct fetch_ops *ops, struct err *e)
{
	int r;

	f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->event_fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "eventfd");
	r = run_threads(f, source, ops, e);
	if (r < 0)
		return r;
	if (stop_is_set(f->stop) && atomic_load(&f->stop->asked))
		return err_set(e, ERR_CANCELLED, "cancelled");
	if (atomic_flag_test_and_set(&f->failed)) {
		stop_clear(f->stop);
		*e = f->e;
		return -(int)e->code;
	}
	tell(f, ops, IMAGE_PULL_PHASE_SYNCING);
	r = inherit(f, e);
	r = r < 0 ? r : publish(f, e);
	if (r == 0)
		fill_rows(f);
	return r;
}

void fetch_layers(struct fetch *f, Crisp__State__Layer ***ret, size_t *ret_n)
{
	*ret = f->rows;
	*ret_n = f->n;
}
