/*
 * container_limits.c - writes the limits of a container, and undoes a failed write.
 *
 * Invariant: all checks precede the first write.  A file keeps the cgroup's earlier values, so
 * a later daemon can undo a write of a killed one.  A runtime that outlives a
 * killed daemon holds the container's lock; the next daemon ends that runtime before it writes.
 */
#include "pod/container_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "core/objects.h"
#include "core/paths.h"
#include "oci/json.h"
#include "oci/resources.h"
#include "os/cgroup.h"
#include "os/spawn.h"
#include "pod/container.h"
#include "pod/reach.h"

/* CONTAINER_LIMITS_MS is twice this, plus the time to end a runtime and to lock. */
#define RUNTIME_UPDATE_MS 12000

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000
#define QUOTA_MIN 1000

/* Passes over the processes until none has the old oom_score_adj, which forks inherit. */
#define OOM_PASSES 8

typedef Runtime__V1__LinuxContainerResources Resources;

struct limits {
	const char *id;
	const Crisp__State__Container *row;
	char *cgroup;
	Resources *wanted, *last; /* last: limits in force, NULL: none */
	Runtime__V1__ContainerConfig *config;
	char *run; /* directory of the container */
	json_t *undo; /* values before the write: {"update", "runtime", "hugetlb"} */
	int lock;
};

static void limits_done(struct limits *l)
{
	if (l->last && (!l->config->linux || l->last != l->config->linux->resources))
		runtime__v1__linux_container_resources__free_unpacked(l->last, NULL);
	runtime__v1__linux_container_resources__free_unpacked(l->wanted, NULL);
	runtime__v1__container_config__free_unpacked(l->config, NULL);
	json_decref(l->undo);
	free(l->cgroup);
	free(l->run);
	close_fdp(&l->lock);
}

static Resources *unpack(const ProtobufCBinaryData *b)
{
	return runtime__v1__linux_container_resources__unpack(NULL, b->len, b->data);
}

static int limits_init(struct limits *l, const char *id, const Crisp__State__Container *row,
		       struct err *e)
{
	*l = (struct limits){ .id = id, .row = row, .lock = -1 };
	l->config = container_config(row);
	l->cgroup = cgroup_dir(row->cgroups_path);
	l->run = path_container_run(world.conf, id);
	l->wanted = unpack(&row->wanted_resources);
	if (row->resources.len)
		l->last = unpack(&row->resources);
	else if (l->config->linux)
		l->last = l->config->linux->resources;
	if (!l->wanted || (row->resources.len && !l->last))
		return err_set(e, ERR_DATA_LOSS, "the limits in the row do not decode");
	return 0;
}

/* --- checks --- */

static int check_range(const char *field, int64_t n, int64_t min, int64_t max, struct err *e)
{
	return !n || (n >= min && n <= max)
		       ? 0
		       : err_set(e, ERR_INVALID, "linux.%s: %lld must be from %lld to %lld", field,
				 (long long)n, (long long)min, (long long)max);
}

/* Check before the runtime: each has its own texts, and may fail after it wrote other files. */
static int check_values(const Resources *w, struct err *e)
{
	int64_t quota = MAX(w->cpu_quota, INT64_C(0));
	int r = check_range("cpu_shares", w->cpu_shares, SHARES_MIN, SHARES_MAX, e);

	if (r == 0)
		r = check_range("cpu_period", w->cpu_period, PERIOD_MIN, PERIOD_MAX, e);
	if (r == 0)
		r = check_range("cpu_quota", quota, QUOTA_MIN, INT64_MAX, e);
	if (r < 0)
		return r;
	if (w->memory_swap_limit_in_bytes > 0 && w->memory_limit_in_bytes <= 0)
		return err_set(e, ERR_INVALID,
			       "linux.memory_swap_limit_in_bytes: %lld includes the memory limit, "
			       "and there is none: set memory_limit_in_bytes too",
			       (long long)w->memory_swap_limit_in_bytes);
	if (w->n_unified && !world.security.cgroup_v2)
		return err_set(e, ERR_PRECONDITION,
			       "linux.unified: %s needs cgroup v2, this host has v1",
			       w->unified[0]->key);
	/* cgroup.* files are no limits; cgroup.kill is even a command. */
	for (size_t i = 0; i < w->n_unified; i++)
		if (str_starts(w->unified[i]->key, "cgroup."))
			return err_set(e, ERR_INVALID, "linux.unified: %s is not a limit",
				       w->unified[i]->key);
	return 0;
}

/* Refuse a memory limit below the memory in use: cgroup v2 accepts it and kills processes until the
 * limit holds.  with_cache: count page cache that is cheap to drop. */
static int check_use(const struct limits *l, bool with_cache, struct err *e)
{
	uint64_t limit = (uint64_t)MAX(l->wanted->memory_limit_in_bytes, INT64_C(0)), used;
	struct cgroup_usage u = { .memory = 0 };
	int r;

	if (!limit)
		return 0;
	r = cgroup_read_usage(world.cgroups, l->cgroup, &u, e);
	if (r < 0)
		return r;
	used = with_cache ? u.memory : u.working_set;
	if (r > 0 || limit >= u.memory_limit || limit >= used)
		return 0;
	return err_set(e, ERR_PRECONDITION,
		       "linux.memory_limit_in_bytes: %llu is below the %llu bytes that the "
		       "container uses: nothing was changed",
		       (unsigned long long)limit, (unsigned long long)used);
}

static void warn(void *arg, const char *text)
{
	const struct limits *l = arg;

	log_info("container setting weakened", "ctr=%.13s reason=\"%s\"", l->id, text);
}

/* --- the runtime --- */

/* The JSON for the runtime's `update`.  NULL: invalid resources, e is set. */
static json_t *runtime_text(struct limits *l, struct err *e)
{
	Resources plain = *l->wanted;
	struct oci_resources_input in = {
		.resources = &plain,
		.host = &world.security,
		.warn = warn,
		.warn_arg = l,
	};
	json_t *out = oci_json_object();

	plain.n_hugepage_limits = 0; /* runc's `update` ignores them */
	if (oci_resources_put(&in, out, e) == 0)
		return out;
	json_decref(out);
	return NULL;
}

static void put_back_number(json_t *to, const json_t *from, const char *key, int64_t before)
{
	if (json_object_get(from, key) && before)
		oci_json_put_number(to, key, before);
}

static void put_back_text(json_t *to, const json_t *from, const char *key, const char *before)
{
	if (json_object_get(from, key) && before && *before)
		oci_json_put_text(to, key, before);
}

/* Put the file's current value; its controller is the first part of its name. */
static void put_back_file(const struct limits *l, json_t *unified, const char *file)
{
	_cleanup_free_ char *controller = xstrndup(file, strcspn(file, "."));
	_cleanup_free_ char *text = cgroup_read_file(world.cgroups, controller, l->cgroup, file);

	if (text && *text && str_is_utf8(text, strlen(text)))
		oci_json_put_text(unified, file, text);
}

/* JSON that undoes text: its members, with the cgroup's current values. */
static json_t *runtime_undo(const struct limits *l, const json_t *text)
{
	_cleanup_(cgroup_limits_done) struct cgroup_limits b = CGROUP_LIMITS_NULL;
	const json_t *cpu = json_object_get(text, "cpu"), *memory = json_object_get(text, "memory");
	json_t *undo = oci_json_object(), *to, *unified;

	cgroup_read_limits(world.cgroups, l->cgroup, &b);
	to = oci_json_need_object(undo, "cpu");
	put_back_number(to, cpu, "shares", (int64_t)b.cpu_shares);
	put_back_number(to, cpu, "quota", b.cpu_quota);
	put_back_number(to, cpu, "period", (int64_t)b.cpu_period);
	put_back_text(to, cpu, "cpus", b.cpuset_cpus);
	put_back_text(to, cpu, "mems", b.cpuset_mems);
	to = oci_json_need_object(undo, "memory");
	put_back_number(to, memory, "limit", b.memory);
	put_back_number(to, memory, "swap", b.memory_swap);
	if (!world.security.cgroup_v2)
		return undo;
	unified = oci_json_need_object(undo, "unified");
	if (json_object_get(cpu, "shares"))
		put_back_file(l, unified, "cpu.weight");
	for (size_t i = 0; i < l->wanted->n_unified; i++)
		put_back_file(l, unified, l->wanted->unified[i]->key);
	return undo;
}

/* Derive the error code from the runtime's message: runtimes exit with 1 for every error. */
static enum err_code code_of(const char *text)
{
	static const struct {
		int errnum;
		enum err_code code;
	} codes[] = { { EINVAL, ERR_INVALID },
		      { ERANGE, ERR_INVALID },
		      { EACCES, ERR_INVALID },
		      { EBUSY, ERR_PRECONDITION } };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (strcasestr(text, strerror(codes[i].errnum)))
			return codes[i].code;
	return ERR_INTERNAL;
}

static int runtime_update(const struct limits *l, const json_t *text, struct err *e)
{
	const Crisp__State__Container *row = l->row;
	const char *const argv[] = { row->runtime_path,
				     "--root",
				     row->runtime_root,
				     "update",
				     "--resources",
				     "-",
				     l->id,
				     NULL };
	_cleanup_free_ char *in = oci_json_dump(text);
	struct spawn_result res = SPAWN_RESULT_NULL;
	struct spawn s = SPAWN_NULL;
	int r;

	s.argv = argv;
	s.pass_fd = l->lock;
	r = spawn_run_as(&s, in, strlen(in), 4096, RUNTIME_UPDATE_MS, &res, e);
	if (r == 0 && res.status != 0) {
		const char *why = res.err.len ? res.err.data : "no message";

		r = err_set(e, code_of(why), "%s update: exit status %d: %s", row->runtime_path,
			    res.status, why);
	}
	spawn_result_done(&res);
	return r;
}

/* Take the update lock, ending a runtime of a killed daemon, which could overwrite the limits. */
static int lock(struct limits *l, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/update.lock", l->run);

	l->lock = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	return reach_lock(l->lock, path, 0)
		       ? 0
		       : err_set(e, ERR_UNAVAILABLE,
				 "an update that an earlier crispd started still runs and cannot "
				 "be killed");
}

/* --- hugepages: no runtime's `update` writes them on v1 and v2, systemd not at all --- */

static char *pages_file(const struct limits *l, size_t i)
{
	return xasprintf("hugetlb.%s.%s", l->wanted->hugepage_limits[i]->page_size,
			 world.security.cgroup_v2 ? "max" : "limit_in_bytes");
}

static const Runtime__V1__HugepageLimit *pages_last(const struct limits *l, const char *size)
{
	for (size_t i = 0; l->last && i < l->last->n_hugepage_limits; i++)
		if (strcmp(l->last->hugepage_limits[i]->page_size, size) == 0)
			return l->last->hugepage_limits[i];
	return NULL;
}

/* Does limit i differ from the last?  The kubelet sends all page sizes with each request. */
static bool pages_change(const struct limits *l, size_t i)
{
	const Runtime__V1__HugepageLimit *h = l->wanted->hugepage_limits[i],
					 *last = pages_last(l, h->page_size);

	return !last || last->limit != h->limit;
}

static int pages_undo(const struct limits *l, json_t *undo, struct err *e)
{
	for (size_t i = 0; i < l->wanted->n_hugepage_limits; i++) {
		const Runtime__V1__HugepageLimit *h = l->wanted->hugepage_limits[i];
		_cleanup_free_ char *file = pages_file(l, i), *now = NULL;

		if (!pages_change(l, i))
			continue;
		if (!world.security.hugetlb) {
			if (h->limit)
				warn((void *)(uintptr_t)l, "hugepage_limits are left out: the "
							   "hugetlb controller is not there");
			continue;
		}
		now = cgroup_read_file(world.cgroups, "hugetlb", l->cgroup, file);
		if (!now)
			return err_set(e, ERR_INVALID,
				       "linux.hugepage_limits[%zu]: this host has no pages of "
				       "\"%s\"",
				       i, h->page_size);
		oci_json_put_text(undo, file, now);
	}
	return 0;
}

static int write_pages(const struct limits *l, struct err *e)
{
	for (size_t i = 0; i < l->wanted->n_hugepage_limits && world.security.hugetlb; i++) {
		_cleanup_free_ char *file = pages_file(l, i);
		_cleanup_free_ char *text =
			xasprintf("%llu", (unsigned long long)l->wanted->hugepage_limits[i]->limit);

		if (pages_change(l, i) &&
		    cgroup_write_file(world.cgroups, "hugetlb", l->cgroup, file, text, e) < 0)
			return err_wrap(e, "linux.hugepage_limits[%zu]", i);
	}
	return 0;
}

static int undo_pages(const struct limits *l, struct err *e)
{
	const char *file;
	json_t *text;
	int r = 0;

	json_object_foreach(json_object_get(l->undo, "hugetlb"), file, text)
	{
		if (cgroup_write_file(world.cgroups, "hugetlb", l->cgroup, file,
				      json_string_value(text), e) < 0)
			r = -(int)e->code;
	}
	return r;
}

/* --- oom_score_adj --- */

/* Change one process, unless it has set another value itself.  1: changed.  0: unchanged. */
static int rescore(pid_t pid, int64_t from, int64_t to, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/oom_score_adj", (int)pid);
	_cleanup_free_ char *text = xasprintf("%lld", (long long)to);
	_cleanup_buf_ struct buf now = BUF_NULL;
	struct err ended = ERR_NULL;
	int64_t n;

	if (fs_read_file(path, 64, &now, &ended) || !now.data)
		return 0;
	now.data[strcspn(now.data, "\n")] = '\0';
	if (str_to_i64(now.data, -1000, 1000, &n) < 0 || n != from)
		return 0;
	if (fs_write_existing(path, text, e) == 0)
		return 1;
	return e->errnum == ENOENT || e->errnum == ESRCH ? 0 : -(int)e->code;
}

static int rescore_all(const struct limits *l, int64_t from, int64_t to, struct err *e)
{
	int changed = 1;

	for (int pass = 0; pass < OOM_PASSES && changed; pass++) {
		_cleanup_free_ pid_t *pids = NULL;
		size_t n = 0;
		int r = cgroup_pids(world.cgroups, l->cgroup, &pids, &n, e);

		changed = 0;
		for (size_t i = 0; i < n && r >= 0; i++) {
			r = rescore(pids[i], from, to, e);
			changed |= r > 0;
		}
		if (r < 0)
			return err_wrap(e, "linux.oom_score_adj");
	}
	return 0;
}

/* As in the container's spec: at least the lowest value that the daemon may set. */
static int64_t oom_score(const Resources *r)
{
	return MAX(r ? r->oom_score_adj : 0, world.security.oom_score_adj_min);
}

/* --- undo --- */

/* The undo file of a daemon that was killed during this update; NULL: none. */
static json_t *undo_kept(const char *path, uint64_t update)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err ignored = ERR_NULL;
	json_t *undo = NULL;

	if (fs_read_file(path, 16 * LIMIT_CONFIG_BYTES, &text, &ignored) == 0)
		undo = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	if (json_integer_value(json_object_get(undo, "update")) == (json_int_t)update)
		return undo;
	json_decref(undo);
	return NULL;
}

static int prepare_undo(struct limits *l, const json_t *text, uint64_t update, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/update.json", l->run), *dump = NULL;
	int r;

	l->undo = undo_kept(path, update);
	if (l->undo)
		return 0;
	l->undo = oci_json_object();
	oci_json_put_number(l->undo, "update", (int64_t)update);
	oci_json_put(l->undo, "runtime", runtime_undo(l, text));
	r = pages_undo(l, oci_json_need_object(l->undo, "hugetlb"), e);
	dump = oci_json_dump(l->undo);
	return r < 0 ? r : fs_replace_file(path, dump, strlen(dump), 0600, false, e);
}

/* --- all of it --- */

static int write_all(const struct limits *l, const json_t *text, struct err *e)
{
	int r = write_pages(l, e);

	if (r == 0)
		r = runtime_update(l, text, e);
	if (r < 0 || oom_score(l->last) == oom_score(l->wanted))
		return r;
	return rescore_all(l, oom_score(l->last), oom_score(l->wanted), e);
}

/* Undo the writes; add to e if a limit stays changed. */
static void take_back(const struct limits *l, struct err *e)
{
	struct err why = ERR_NULL;
	int r = undo_pages(l, &why);

	if (runtime_update(l, json_object_get(l->undo, "runtime"), &why) < 0)
		r = -1;
	if (oom_score(l->last) != oom_score(l->wanted) &&
	    rescore_all(l, oom_score(l->wanted), oom_score(l->last), &why) < 0)
		r = -1;
	if (r < 0) {
		log_err(LOG_LEVEL_WARN, "restore the limits", &why);
		err_wrap(e, "some limits stay changed");
	}
}

static int apply(struct limits *l, uint64_t update, struct err *e)
{
	struct err use = ERR_NULL;
	json_t *text = NULL;
	int r = check_values(l->wanted, e);

	if (r == 0) {
		text = runtime_text(l, e);
		r = text ? 0 : -(int)e->code;
	}
	if (r == 0)
		r = lock(l, e);
	if (r == 0)
		r = check_use(l, false, e);
	if (r == 0)
		r = prepare_undo(l, text, update, e);
	if (r == 0) {
		r = write_all(l, text, e);
		if (r < 0)
			take_back(l, e);
		if (r < 0 && e->code == ERR_INTERNAL && check_use(l, true, &use) < 0)
			*e = use;
	}
	json_decref(text);
	return r < 0 ? -(int)e->code : 0;
}

int container_limits_apply(const char *id, const Crisp__State__Container *row, uint64_t update,
			   struct err *e)
{
	struct limits l;
	int r = limits_init(&l, id, row, e);

	if (r == 0)
		r = apply(&l, update, e);
	limits_done(&l);
	return r < 0 ? err_wrap(e, "container %.13s", id) : 0;
}
