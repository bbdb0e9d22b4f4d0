/*
 * cgroup_usage.c - read the usage of a cgroup with one pread(2) per file.  The caller may keep the
 * descriptors: opening a cgroup file takes several times as long as reading it.
 */
#include "os/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"

#define TEXT_BYTES 8192 /* memory.stat has about 2,000 */

enum usage_file {
	USAGE_CPU,
	USAGE_CPU_STAT,
	USAGE_MEMORY,
	USAGE_MEMORY_LIMIT,
	USAGE_MEMORY_STAT,
	USAGE_SWAP,
	USAGE_SWAP_LIMIT,
	USAGE_PIDS,
	USAGE_OOM,
	USAGE_CPU_PSI,
	USAGE_MEMORY_PSI,
	USAGE_IO_PSI,
	USAGE_COUNT,
};
_Static_assert((int)USAGE_COUNT == CGROUP_FILES_COUNT, "one descriptor a file");

enum usage_when {
	ALWAYS,
	EVENTS,
	NO_EVENTS
};

struct usage_source {
	const char *controller, *file; /* NULL: not in this version */
	enum usage_when when; /* events of cgroup_files_open for which the file is opened */
};

static const struct usage_source sources_v1[USAGE_COUNT] = {
	[USAGE_CPU] = { "cpuacct", "cpuacct.usage", ALWAYS },
	[USAGE_CPU_STAT] = { "cpu", "cpu.stat", EVENTS },
	[USAGE_MEMORY] = { "memory", "memory.usage_in_bytes", ALWAYS },
	[USAGE_MEMORY_LIMIT] = { "memory", "memory.limit_in_bytes", ALWAYS },
	[USAGE_MEMORY_STAT] = { "memory", "memory.stat", ALWAYS },
	[USAGE_SWAP_LIMIT] = { "memory", "memory.memsw.limit_in_bytes", ALWAYS },
	[USAGE_PIDS] = { "pids", "pids.current", ALWAYS },
	[USAGE_OOM] = { "memory", "memory.oom_control", EVENTS },
	[USAGE_CPU_PSI] = { CGROUP_UNIFIED, "cpu.pressure", NO_EVENTS },
	[USAGE_MEMORY_PSI] = { CGROUP_UNIFIED, "memory.pressure", NO_EVENTS },
	[USAGE_IO_PSI] = { CGROUP_UNIFIED, "io.pressure", NO_EVENTS },
};

static const struct usage_source sources_v2[USAGE_COUNT] = {
	[USAGE_CPU_STAT] = { "cpu", "cpu.stat", ALWAYS },
	[USAGE_MEMORY] = { "memory", "memory.current", ALWAYS },
	[USAGE_MEMORY_LIMIT] = { "memory", "memory.max", ALWAYS },
	[USAGE_MEMORY_STAT] = { "memory", "memory.stat", ALWAYS },
	[USAGE_SWAP] = { "memory", "memory.swap.current", ALWAYS },
	[USAGE_SWAP_LIMIT] = { "memory", "memory.swap.max", ALWAYS },
	[USAGE_PIDS] = { "pids", "pids.current", ALWAYS },
	[USAGE_OOM] = { "memory", "memory.events", EVENTS },
	[USAGE_CPU_PSI] = { CGROUP_UNIFIED, "cpu.pressure", NO_EVENTS },
	[USAGE_MEMORY_PSI] = { CGROUP_UNIFIED, "memory.pressure", NO_EVENTS },
	[USAGE_IO_PSI] = { CGROUP_UNIFIED, "io.pressure", NO_EVENTS },
};

void cgroup_files_done(struct cgroup_files *f)
{
	for (size_t i = 0; f->opened && i < ARRAY_LEN(f->fds); i++)
		close_fdp(&f->fds[i]);
	*f = CGROUP_FILES_NULL;
}

/* Has the v2 cgroup at dir a process?  A runtime on a hybrid host may place them on v1 alone. */
static bool is_populated(const char *dir)
{
	_cleanup_free_ char *name = xasprintf("%s/cgroup.events", dir);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err ignored = ERR_NULL;

	return fs_read_file(name, TEXT_BYTES, &text, &ignored) == 0 && text.data &&
	       strstr(text.data, "populated 1");
}

static int pressure_dir(const struct cgroups *cg, const char *path, char **ret, struct err *e)
{
	_cleanup_free_ char *dir = NULL;
	int r = cgroup_unified_dir(cg, path, &dir, e);

	if (r == 0 && cgroups_layout(cg) == CGROUP_LAYOUT_HYBRID && !is_populated(dir))
		r = 1;
	if (r == 0)
		*ret = take_ptr(dir);
	return r;
}

int cgroup_source_dir(const struct cgroups *cg, const char *controller, const char *path,
		      char **ret, struct err *e)
{
	if (strcmp(controller, CGROUP_UNIFIED) == 0)
		return pressure_dir(cg, path, ret, e);
	return cgroup_controller_dir(cg, controller, path, ret, e);
}

int cgroup_files_open(const struct cgroups *cg, const char *path, bool events,
		      struct cgroup_files *ret, struct err *e)
{
	bool v2 = cgroups_layout(cg) == CGROUP_LAYOUT_V2;
	const struct usage_source *sources = v2 ? sources_v2 : sources_v1;
	struct cgroup_files f = { .opened = true, .v2 = v2 };

	for (size_t i = 0; i < USAGE_COUNT; i++) {
		const struct usage_source *s = &sources[i];
		_cleanup_free_ char *dir = NULL, *name = NULL;
		int r;

		f.fds[i] = -1;
		if (!s->file || s->when == (events ? NO_EVENTS : EVENTS))
			continue;
		r = cgroup_source_dir(cg, s->controller, path, &dir, e);
		if (r < 0) {
			while (i-- > 0)
				close_fdp(&f.fds[i]);
			return r;
		}
		if (r > 0)
			continue;
		name = xasprintf("%s/%s", dir, s->file);
		f.fds[i] = open(name, O_RDONLY | O_CLOEXEC);
		f.n += f.fds[i] >= 0;
	}
	if (!f.n)
		return 1;
	*ret = f;
	return 0;
}

struct usage_reader {
	const struct cgroup_files *files;
	bool gone; /* a read returned ENODEV */
	char text[TEXT_BYTES];
};

static const char *read_text(struct usage_reader *rd, enum usage_file file)
{
	int fd = rd->files->fds[file];
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = pread(fd, rd->text, sizeof(rd->text) - 1, 0);
	rd->gone |= n < 0 && errno == ENODEV;
	if (n < 0)
		return NULL;
	rd->text[n] = '\0';
	return rd->text;
}

/* Read a file of one number; UINT64_MAX: "max" or no limit.  missing: the result if unreadable. */
static uint64_t read_number(struct usage_reader *rd, enum usage_file file, uint64_t missing)
{
	uint64_t v;

	if (!read_text(rd, file))
		return missing;
	rd->text[strcspn(rd->text, "\n")] = '\0';
	if (strcmp(rd->text, "max") == 0)
		return UINT64_MAX;
	return str_to_u64(rd->text, UINT64_MAX, &v) == 0 ? v : missing;
}

const char *cgroup_find_line(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return p + len + 1;
	}
	return NULL;
}

/* Find the number of key in "key number" lines.  0: the key is missing. */
static uint64_t find_number(const char *text, const char *key)
{
	uint64_t v = 0;

	for (const char *p = cgroup_find_line(text, key); p && *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* v1 shows the largest multiple of the page size for "no limit". */
static uint64_t limit_v1(uint64_t v)
{
	return v >= (UINT64_C(1) << 62) ? UINT64_MAX : v;
}

static void read_v1(struct usage_reader *rd, struct cgroup_usage *u)
{
	const char *text;
	uint64_t both;

	u->cpu_ns = read_number(rd, USAGE_CPU, 0);
	text = read_text(rd, USAGE_CPU_STAT);
	if (text) {
		u->cpu_periods = find_number(text, "nr_periods");
		u->cpu_throttled_periods = find_number(text, "nr_throttled");
		u->cpu_throttled_ns = find_number(text, "throttled_time");
	}
	u->memory = read_number(rd, USAGE_MEMORY, 0);
	u->memory_limit = limit_v1(read_number(rd, USAGE_MEMORY_LIMIT, UINT64_MAX));
	text = read_text(rd, USAGE_MEMORY_STAT);
	if (text) {
		u->working_set = minus(u->memory, find_number(text, "total_inactive_file"));
		u->rss = find_number(text, "total_rss");
		u->page_faults = find_number(text, "total_pgfault");
		u->major_page_faults = find_number(text, "total_pgmajfault");
		u->swap = find_number(text, "total_swap");
	}
	both = limit_v1(read_number(rd, USAGE_SWAP_LIMIT, UINT64_MAX));
	u->swap_limit = both == UINT64_MAX ? both : minus(both, u->memory_limit);
	u->pids = read_number(rd, USAGE_PIDS, 0);
	text = read_text(rd, USAGE_OOM);
	if (text)
		u->oom_kills = find_number(text, "oom_kill");
}

static void read_v2(struct usage_reader *rd, struct cgroup_usage *u)
{
	const char *text = read_text(rd, USAGE_CPU_STAT);

	if (text) {
		u->cpu_ns = find_number(text, "usage_usec") * 1000;
		u->cpu_periods = find_number(text, "nr_periods");
		u->cpu_throttled_periods = find_number(text, "nr_throttled");
		u->cpu_throttled_ns = find_number(text, "throttled_usec") * 1000;
	}
	u->memory = read_number(rd, USAGE_MEMORY, 0);
	u->memory_limit = read_number(rd, USAGE_MEMORY_LIMIT, UINT64_MAX);
	text = read_text(rd, USAGE_MEMORY_STAT);
	if (text) {
		u->working_set = minus(u->memory, find_number(text, "inactive_file"));
		u->rss = find_number(text, "anon");
		u->page_faults = find_number(text, "pgfault");
		u->major_page_faults = find_number(text, "pgmajfault");
	}
	u->swap = read_number(rd, USAGE_SWAP, 0);
	u->swap_limit = read_number(rd, USAGE_SWAP_LIMIT, UINT64_MAX);
	u->pids = read_number(rd, USAGE_PIDS, 0);
	text = read_text(rd, USAGE_OOM);
	if (text)
		u->oom_kills = find_number(text, "oom_kill");
}

/* A missing file, or one that cannot be read (PSI is off in the kernel): not known. */
static void read_psi(struct usage_reader *rd, enum usage_file file, struct psi *ret)
{
	const char *text = read_text(rd, file);

	if (text)
		psi_parse(text, ret);
}

int cgroup_files_read(const struct cgroup_files *f, struct cgroup_usage *ret)
{
	struct usage_reader rd;

	rd.files = f;
	rd.gone = false;
	*ret = (struct cgroup_usage){ .memory_limit = UINT64_MAX, .swap_limit = UINT64_MAX };
	if (f->v2)
		read_v2(&rd, ret);
	else
		read_v1(&rd, ret);
	read_psi(&rd, USAGE_CPU_PSI, &ret->cpu_psi);
	read_psi(&rd, USAGE_MEMORY_PSI, &ret->memory_psi);
	read_psi(&rd, USAGE_IO_PSI, &ret->io_psi);
	return rd.gone;
}

int cgroup_read_usage(const struct cgroups *cg, const char *path, struct cgroup_usage *ret,
		      struct err *e)
{
	_cleanup_(cgroup_files_done) struct cgroup_files f = CGROUP_FILES_NULL;
	int r = cgroup_files_open(cg, path, true, &f, e);

	return r ? r : cgroup_files_read(&f, ret);
}
