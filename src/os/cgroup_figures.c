/*
 * cgroup_figures.c - the table of the kernel's files: which figure stands where on v1 and v2.
 * The rows of one controller and of one file follow each other: each file is read once.
 */
#include "os/cgroup_figures.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"

#define TEXT_BYTES 16384
#define DEVICES_MAX 64
#define V1_UNLIMITED (UINT64_C(1) << 62)
#define TICK_NS 10000000 /* USER_HZ is 100 */
#define US 1000
#define CHILD "/child" /* of a root, need not exist */

enum figure_text {
	NUMBER, /* the first word; any other text: unknown */
	LIMIT, /* the first word; 0: none */
	SECOND, /* the second word */
	KEY, /* the line "key NUMBER" */
	PRESSURE, /* total= in the line of key */
	ZERO, /* 0 if the file is there */
};

struct figure_source {
	const char *controller, *file;
	enum cgroup_figure figure;
	enum figure_text text;
	const char *key;
	uint64_t scale; /* 0: 1 */
};

#define PRESSURES \
	{ CGROUP_UNIFIED, "cpu.pressure", CGROUP_CPU_SOME_US, PRESSURE, "some", 0 }, \
		{ CGROUP_UNIFIED, "cpu.pressure", CGROUP_CPU_FULL_US, PRESSURE, "full", 0 }, \
		{ CGROUP_UNIFIED, "memory.pressure", CGROUP_MEMORY_SOME_US, PRESSURE, "some", 0 }, \
		{ CGROUP_UNIFIED, "memory.pressure", CGROUP_MEMORY_FULL_US, PRESSURE, "full", 0 }, \
		{ CGROUP_UNIFIED, "io.pressure", CGROUP_IO_SOME_US, PRESSURE, "some", 0 }, \
	{ \
		CGROUP_UNIFIED, "io.pressure", CGROUP_IO_FULL_US, PRESSURE, "full", 0 \
	}

static const struct figure_source sources_v1[] = {
	{ "cpuacct", "cpuacct.usage", CGROUP_CPU_NS, NUMBER, NULL, 0 },
	{ "cpuacct", "cpuacct.stat", CGROUP_CPU_USER_NS, KEY, "user", TICK_NS },
	{ "cpuacct", "cpuacct.stat", CGROUP_CPU_SYSTEM_NS, KEY, "system", TICK_NS },
	{ "cpu", "cpu.stat", CGROUP_CPU_PERIODS, KEY, "nr_periods", 0 },
	{ "cpu", "cpu.stat", CGROUP_CPU_THROTTLED_PERIODS, KEY, "nr_throttled", 0 },
	{ "cpu", "cpu.stat", CGROUP_CPU_THROTTLED_NS, KEY, "throttled_time", 0 },
	{ "cpu", "cpu.stat", CGROUP_CPU_BURST_PERIODS, KEY, "nr_bursts", 0 },
	{ "cpu", "cpu.stat", CGROUP_CPU_BURST_NS, KEY, "burst_time", 0 },
	{ "cpu", "cpu.shares", CGROUP_CPU_SHARES, NUMBER, NULL, 0 },
	{ "cpu", "cpu.cfs_quota_us", CGROUP_CPU_QUOTA_US, NUMBER, NULL, 0 },
	{ "cpu", "cpu.cfs_period_us", CGROUP_CPU_PERIOD_US, NUMBER, NULL, 0 },
	{ "memory", "memory.usage_in_bytes", CGROUP_MEMORY, NUMBER, NULL, 0 },
	{ "memory", "memory.usage_in_bytes", CGROUP_MEMORY_HIGH_EVENTS, ZERO, NULL, 0 },
	{ "memory", "memory.usage_in_bytes", CGROUP_MEMORY_MAX_EVENTS, ZERO, NULL, 0 },
	{ "memory", "memory.usage_in_bytes", CGROUP_MEMORY_PAGES_SCANNED, ZERO, NULL, 0 },
	{ "memory", "memory.usage_in_bytes", CGROUP_MEMORY_PAGES_STOLEN, ZERO, NULL, 0 },
	{ "memory", "memory.max_usage_in_bytes", CGROUP_MEMORY_MAX_USAGE, NUMBER, NULL, 0 },
	{ "memory", "memory.failcnt", CGROUP_MEMORY_FAILURES, NUMBER, NULL, 0 },
	{ "memory", "memory.kmem.usage_in_bytes", CGROUP_MEMORY_KERNEL, NUMBER, NULL, 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_CACHE, KEY, "total_cache", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_RSS, KEY, "total_rss", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_MAPPED, KEY, "total_mapped_file", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_SWAP, KEY, "total_swap", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_ACTIVE_FILE, KEY, "total_active_file", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_INACTIVE_FILE, KEY, "total_inactive_file", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_FAULTS, KEY, "pgfault", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_MAJOR_FAULTS, KEY, "pgmajfault", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_HIERARCHY_FAULTS, KEY, "total_pgfault", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_HIERARCHY_MAJOR_FAULTS, KEY, "total_pgmajfault",
	  0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_DIRTY, KEY, "total_dirty", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_WRITEBACK, KEY, "total_writeback", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_REFAULTS_FILE, KEY,
	  "total_workingset_refault_file", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_REFAULTS_ANON, KEY,
	  "total_workingset_refault_anon", 0 },
	{ "memory", "memory.limit_in_bytes", CGROUP_MEMORY_LIMIT, LIMIT, NULL, 0 },
	{ "memory", "memory.memsw.limit_in_bytes", CGROUP_MEMORY_SWAP_LIMIT, LIMIT, NULL, 0 },
	{ "memory", "memory.soft_limit_in_bytes", CGROUP_MEMORY_RESERVATION, LIMIT, NULL, 0 },
	{ "memory", "memory.oom_control", CGROUP_OOM_KILLS, KEY, "oom_kill", 0 },
	{ "pids", "pids.current", CGROUP_TASKS, NUMBER, NULL, 0 },
	{ "pids", "pids.max", CGROUP_TASKS_MAX, LIMIT, NULL, 0 },
	PRESSURES,
};

static const struct figure_source sources_v2[] = {
	{ "cpu", "cpu.stat", CGROUP_CPU_NS, KEY, "usage_usec", US },
	{ "cpu", "cpu.stat", CGROUP_CPU_USER_NS, KEY, "user_usec", US },
	{ "cpu", "cpu.stat", CGROUP_CPU_SYSTEM_NS, KEY, "system_usec", US },
	{ "cpu", "cpu.stat", CGROUP_CPU_PERIODS, KEY, "nr_periods", 0 },
	{ "cpu", "cpu.stat", CGROUP_CPU_THROTTLED_PERIODS, KEY, "nr_throttled", 0 },
	{ "cpu", "cpu.stat", CGROUP_CPU_THROTTLED_NS, KEY, "throttled_usec", US },
	{ "cpu", "cpu.stat", CGROUP_CPU_BURST_PERIODS, KEY, "nr_bursts", 0 },
	{ "cpu", "cpu.stat", CGROUP_CPU_BURST_NS, KEY, "burst_usec", US },
	{ "cpu", "cpu.weight", CGROUP_CPU_SHARES, NUMBER, NULL, 0 },
	{ "cpu", "cpu.max", CGROUP_CPU_QUOTA_US, NUMBER, NULL, 0 },
	{ "cpu", "cpu.max", CGROUP_CPU_PERIOD_US, SECOND, NULL, 0 },
	{ "memory", "memory.current", CGROUP_MEMORY, NUMBER, NULL, 0 },
	{ "memory", "memory.peak", CGROUP_MEMORY_MAX_USAGE, NUMBER, NULL, 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_KERNEL, KEY, "kernel", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_CACHE, KEY, "file", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_RSS, KEY, "anon", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_MAPPED, KEY, "file_mapped", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_ACTIVE_FILE, KEY, "active_file", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_INACTIVE_FILE, KEY, "inactive_file", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_FAULTS, KEY, "pgfault", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_MAJOR_FAULTS, KEY, "pgmajfault", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_HIERARCHY_FAULTS, KEY, "pgfault", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_HIERARCHY_MAJOR_FAULTS, KEY, "pgmajfault", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_DIRTY, KEY, "file_dirty", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_WRITEBACK, KEY, "file_writeback", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_PAGES_SCANNED, KEY, "pgscan", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_PAGES_STOLEN, KEY, "pgsteal", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_REFAULTS_FILE, KEY, "workingset_refault_file", 0 },
	{ "memory", "memory.stat", CGROUP_MEMORY_REFAULTS_ANON, KEY, "workingset_refault_anon", 0 },
	{ "memory", "memory.swap.current", CGROUP_MEMORY_SWAP, NUMBER, NULL, 0 },
	{ "memory", "memory.events", CGROUP_MEMORY_FAILURES, KEY, "max", 0 },
	{ "memory", "memory.events", CGROUP_MEMORY_HIGH_EVENTS, KEY, "high", 0 },
	{ "memory", "memory.events", CGROUP_MEMORY_MAX_EVENTS, KEY, "max", 0 },
	{ "memory", "memory.events", CGROUP_OOM_KILLS, KEY, "oom_kill", 0 },
	{ "memory", "memory.max", CGROUP_MEMORY_LIMIT, LIMIT, NULL, 0 },
	{ "memory", "memory.swap.max", CGROUP_MEMORY_SWAP_LIMIT, LIMIT, NULL, 0 },
	{ "memory", "memory.min", CGROUP_MEMORY_RESERVATION, LIMIT, NULL, 0 },
	{ "pids", "pids.current", CGROUP_TASKS, NUMBER, NULL, 0 },
	{ "pids", "pids.max", CGROUP_TASKS_MAX, LIMIT, NULL, 0 },
	PRESSURES,
};

/* --- text --- */

/* false: text does not begin with a number that ends at a space, a line end or the end. */
static bool parse_number(const char *text, uint64_t *ret)
{
	size_t len = strcspn(text, " \n");
	char word[24];

	if (!len || len >= sizeof(word))
		return false;
	memcpy(word, text, len);
	word[len] = '\0';
	return str_to_u64(word, UINT64_MAX, ret) == 0;
}

static bool parse_pressure(const char *text, const char *key, uint64_t *ret)
{
	struct psi psi;

	psi_parse(text, &psi);
	*ret = strcmp(key, "some") == 0 ? psi.some.total_us : psi.full.total_us;
	return psi.known && cgroup_find_line(text, key);
}

static bool parse(const struct figure_source *s, const char *text, uint64_t *ret)
{
	const char *at;

	switch (s->text) {
	case NUMBER:
		return parse_number(text, ret);
	case LIMIT:
		if (strcmp(text, "max\n") == 0)
			*ret = 0;
		else if (!parse_number(text, ret))
			return false;
		*ret = *ret >= V1_UNLIMITED ? 0 : *ret;
		return true;
	case SECOND:
		at = strchr(text, ' ');
		return at && parse_number(at + 1, ret);
	case KEY:
		at = cgroup_find_line(text, s->key);
		return at && parse_number(at, ret);
	case PRESSURE:
		return parse_pressure(text, s->key, ret);
	case ZERO:
		*ret = 0;
		return true;
	}
	abort();
}

/* --- files --- */

struct figure_reader {
	const struct cgroups *cg;
	const char *path;
	const struct figure_source *open; /* text is of its file; NULL: none was read */
	char *dir; /* of its controller; NULL: there is none */
	bool found; /* some file was there */
	bool readable;
	char text[TEXT_BYTES];
};

static bool read_into(const char *dir, const char *file, char text[TEXT_BYTES])
{
	_cleanup_free_ char *name = xasprintf("%s/%s", dir, file);
	_cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, TEXT_BYTES - 1);

	text[MAX(n, (ssize_t)0)] = '\0';
	return n >= 0;
}

static int read_file(struct figure_reader *rd, const struct figure_source *s, struct err *e)
{
	int r = 0;

	if (rd->open && strcmp(rd->open->file, s->file) == 0)
		return 0;
	if (!rd->open || strcmp(rd->open->controller, s->controller) != 0) {
		free(take_ptr(rd->dir));
		r = cgroup_source_dir(rd->cg, s->controller, rd->path, &rd->dir, e);
	}
	rd->open = s;
	rd->readable = rd->dir && read_into(rd->dir, s->file, rd->text);
	rd->found |= rd->readable;
	return MIN(r, 0);
}

/* cpu.weight to cpu.shares, as OCI runtimes convert shares to a weight. */
static uint64_t shares_of_weight(uint64_t weight)
{
	return 2 + (MAX(weight, UINT64_C(1)) - 1) * 262142 / 9999;
}

static void derive(struct figures *f, bool v2)
{
	if (figure_known(f, CGROUP_MEMORY) && figure_known(f, CGROUP_MEMORY_INACTIVE_FILE))
		figure_set(f, CGROUP_MEMORY_WORKING_SET,
			   f->v[CGROUP_MEMORY] -
				   MIN(f->v[CGROUP_MEMORY], f->v[CGROUP_MEMORY_INACTIVE_FILE]));
	if (v2 && figure_known(f, CGROUP_CPU_SHARES))
		figure_set(f, CGROUP_CPU_SHARES, shares_of_weight(f->v[CGROUP_CPU_SHARES]));
}

int cgroup_figures_read(const struct cgroups *cg, const char *path, uint64_t want,
			struct figures *ret, struct err *e)
{
	bool v2 = cgroups_layout(cg) == CGROUP_LAYOUT_V2;
	const struct figure_source *sources = v2 ? sources_v2 : sources_v1;
	size_t n = v2 ? ARRAY_LEN(sources_v2) : ARRAY_LEN(sources_v1);
	struct figure_reader rd;
	int r = 0;

	rd.cg = cg;
	rd.path = path;
	rd.open = NULL;
	rd.dir = NULL;
	rd.found = false;
	rd.readable = false;
	*ret = (struct figures){ .known = 0 };
	if (want >> CGROUP_MEMORY_WORKING_SET & 1)
		want |= UINT64_C(1) << CGROUP_MEMORY | UINT64_C(1) << CGROUP_MEMORY_INACTIVE_FILE;
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct figure_source *s = &sources[i];
		uint64_t v;

		if (!(want >> s->figure & 1))
			continue;
		r = read_file(&rd, s, e);
		if (r == 0 && rd.readable && parse(s, rd.text, &v))
			figure_set(ret, s->figure, v * (s->scale ? s->scale : 1));
	}
	free(rd.dir);
	if (r < 0)
		return r;
	derive(ret, v2);
	return rd.found ? 0 : 1;
}

/* --- block devices --- */

void device_label(unsigned major, unsigned minor, char ret[FIGURE_LABEL_BYTES])
{
	_cleanup_free_ char *path = xasprintf("/sys/dev/block/%u:%u/uevent", major, minor);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err ignored = ERR_NULL;
	const char *name = NULL;

	if (fs_read_file(path, TEXT_BYTES, &text, &ignored) == 0 && text.data)
		name = strstr(text.data, "DEVNAME=");
	if (name)
		name += strlen("DEVNAME=");
	if (name && strcspn(name, "\n") + strlen("/dev/") < FIGURE_LABEL_BYTES)
		snprintf(ret, FIGURE_LABEL_BYTES, "/dev/%.*s", (int)strcspn(name, "\n"), name);
	else
		snprintf(ret, FIGURE_LABEL_BYTES, "%u:%u", major, minor);
}

/* One line of a device: on v1 "8:0 Read 1", on v2 "8:0 rbytes=1 wbytes=2". */
struct device_word {
	const char *file, *word;
	enum device_figure figure;
};

static const struct device_word words_v1[] = {
	{ "blkio.throttle.io_service_bytes_recursive", "Read", DEVICE_READ_BYTES },
	{ "blkio.throttle.io_service_bytes_recursive", "Write", DEVICE_WRITE_BYTES },
	{ "blkio.throttle.io_service_bytes_recursive", "Sync", DEVICE_SYNC_BYTES },
	{ "blkio.throttle.io_service_bytes_recursive", "Async", DEVICE_ASYNC_BYTES },
	{ "blkio.throttle.io_service_bytes_recursive", "Discard", DEVICE_DISCARD_BYTES },
	{ "blkio.throttle.io_service_bytes_recursive", "Total", DEVICE_TOTAL_BYTES },
	{ "blkio.throttle.io_serviced_recursive", "Read", DEVICE_READS },
	{ "blkio.throttle.io_serviced_recursive", "Write", DEVICE_WRITES },
};

static const struct device_word words_v2[] = {
	{ "io.stat", "rbytes", DEVICE_READ_BYTES },
	{ "io.stat", "wbytes", DEVICE_WRITE_BYTES },
	{ "io.stat", "rios", DEVICE_READS },
	{ "io.stat", "wios", DEVICE_WRITES },
	{ "io.stat", "cost.usage", DEVICE_COST_USAGE_US },
	{ "io.stat", "cost.wait", DEVICE_COST_WAIT_US },
	{ "io.stat", "cost.indebt", DEVICE_COST_INDEBT_US },
	{ "io.stat", "cost.indelay", DEVICE_COST_INDELAY_US },
};

static struct figures *device_find(struct figure_list *l, const char *major, const char *minor)
{
	struct figures *f;
	uint64_t numbers[2];

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->items[i].labels[1], major) == 0 &&
		    strcmp(l->items[i].labels[2], minor) == 0)
			return &l->items[i];
	if (l->n >= DEVICES_MAX || str_to_u64(major, UINT32_MAX, &numbers[0]) < 0 ||
	    str_to_u64(minor, UINT32_MAX, &numbers[1]) < 0)
		return NULL;
	f = figure_list_add(l);
	device_label((unsigned)numbers[0], (unsigned)numbers[1], f->labels[0]);
	snprintf(f->labels[1], FIGURE_LABEL_BYTES, "%s", major);
	snprintf(f->labels[2], FIGURE_LABEL_BYTES, "%s", minor);
	return f;
}

static void set_word(struct figures *f, const struct device_word *words, size_t n, const char *file,
		     const char *word, uint64_t v)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i].file, file) == 0 && strcmp(words[i].word, word) == 0)
			figure_set(f, words[i].figure, v);
}

/* A line without a device is the sum of all. */
static void parse_device(char *line, const struct device_word *words, size_t n, const char *file,
			 struct figure_list *ret)
{
	char *rest = line, *major = strsep(&rest, ":"), *minor = strsep(&rest, " "), *word, *number;
	struct figures *f = minor ? device_find(ret, major, minor) : NULL;
	uint64_t v;

	while (f && (word = strsep(&rest, " =")) && (number = strsep(&rest, " ")))
		if (str_to_u64(number, UINT64_MAX, &v) == 0)
			set_word(f, words, n, file, word, v);
}

void cgroup_devices_read(const struct cgroups *cg, const char *path, struct figure_list *ret)
{
	bool v2 = cgroups_layout(cg) == CGROUP_LAYOUT_V2;
	const struct device_word *words = v2 ? words_v2 : words_v1;
	size_t n = v2 ? ARRAY_LEN(words_v2) : ARRAY_LEN(words_v1);
	_cleanup_free_ char *dir = NULL;
	struct err ignored = ERR_NULL;

	if (cgroup_controller_dir(cg, v2 ? "io" : "blkio", path, &dir, &ignored))
		return;
	for (size_t i = 0; i < n; i++) {
		char text[TEXT_BYTES], *rest = text, *line;

		if ((i > 0 && strcmp(words[i - 1].file, words[i].file) == 0) ||
		    !read_into(dir, words[i].file, text))
			continue;
		while ((line = strsep(&rest, "\n")))
			parse_device(line, words, n, words[i].file, ret);
	}
}

/* The root's file has a line per device: "8:0 enable=1 ...". */
bool cgroup_costs_counted(const struct cgroups *cg)
{
	_cleanup_free_ char *dir = NULL;
	struct err ignored = ERR_NULL;
	char text[TEXT_BYTES];

	if (cgroups_layout(cg) != CGROUP_LAYOUT_V2 ||
	    cgroup_controller_dir(cg, "io", CHILD, &dir, &ignored))
		return false;
	dir[strlen(dir) - strlen(CHILD)] = '\0';
	return read_into(dir, "io.cost.qos", text) && strstr(text, " enable=1");
}

/* --- hugepages --- */

struct pages_reader {
	const char *dir;
	bool v2;
	struct figure_list *to;
};

static void read_pages(const struct pages_reader *rd, struct figures *f, unsigned figure,
		       const char *file)
{
	_cleanup_free_ char *name = xasprintf("hugetlb.%s.%s", f->labels[0], file);
	char text[TEXT_BYTES];
	const char *at = text;
	uint64_t v;

	if (!read_into(rd->dir, name, text))
		return;
	if (strcmp(file, "events") == 0)
		at = cgroup_find_line(text, "max");
	if (at && parse_number(at, &v))
		figure_set(f, figure, v);
}

/* One directory of /sys/kernel/mm/hugepages, "hugepages-2048kB". */
static int add_pages(const char *path, const char *name, void *arg, struct err *e)
{
	static const char *const units[] = { "KB", "MB", "GB" };
	const struct pages_reader *rd = arg;
	_cleanup_free_ char *number = NULL;
	const char *prefix = "hugepages-";
	struct figures *f;
	uint64_t size;
	size_t unit = 0;

	(void)path;
	(void)e;
	if (!str_starts(name, prefix) || !str_ends(name, "kB"))
		return 0;
	number = xstrndup(name + strlen(prefix), strlen(name) - strlen(prefix) - strlen("kB"));
	if (str_to_u64(number, UINT32_MAX, &size) < 0)
		return 0;
	for (; size >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
		size /= 1024;
	f = figure_list_add(rd->to);
	snprintf(f->labels[0], FIGURE_LABEL_BYTES, "%u%s", (unsigned)size, units[unit]);
	read_pages(rd, f, PAGES_USAGE_BYTES, rd->v2 ? "current" : "usage_in_bytes");
	if (!rd->v2)
		read_pages(rd, f, PAGES_MAX_USAGE_BYTES, "max_usage_in_bytes");
	read_pages(rd, f, PAGES_FAILURES, rd->v2 ? "events" : "failcnt");
	return 0;
}

void cgroup_pages_read(const struct cgroups *cg, const char *path, struct figure_list *ret)
{
	struct pages_reader rd = { .v2 = cgroups_layout(cg) == CGROUP_LAYOUT_V2, .to = ret };
	_cleanup_free_ char *dir = NULL;
	struct err ignored = ERR_NULL;

	if (cgroup_controller_dir(cg, "hugetlb", path, &dir, &ignored))
		return;
	rd.dir = dir;
	fs_each("/sys/kernel/mm/hugepages", add_pages, &rd, &ignored);
}

/* On a hybrid host no controller of the v2 hierarchy is enabled for containers. */
bool cgroup_pages_counted(const struct cgroups *cg)
{
	_cleanup_free_ char *dir = NULL, *unified = NULL;
	struct err ignored = ERR_NULL;

	if (cgroup_controller_dir(cg, "hugetlb", CHILD, &dir, &ignored))
		return false;
	return cgroups_layout(cg) == CGROUP_LAYOUT_V2 ||
	       cgroup_unified_dir(cg, CHILD, &unified, &ignored) || strcmp(dir, unified) != 0;
}
