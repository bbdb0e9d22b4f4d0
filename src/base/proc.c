/*
 * proc.c - read /proc/PID, and identify processes by pidfd and start time.
 */
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"

/* Fields of /proc/PID/stat; field 3 is the first after "(name) ". */
#define FIELD_PARENT 4
#define FIELD_START 22
#define ANCESTORS_MAX 1000

/* 1: no such process.  -1 with errno. */
static int read_stat(pid_t pid, char text[1024])
{
	char path[40];
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, 1023);
	/* ESRCH, from open too: the process exited during the path lookup. */
	if (n < 0)
		return errno == ENOENT || errno == ESRCH ? 1 : -1;
	text[n] = '\0';
	return 0;
}

/* Read field n > 2 of the process's stat file.  1: no such process. */
static int read_stat_field(pid_t pid, int n, uint64_t *ret, struct err *e)
{
	char text[1024], *p;
	int r = read_stat(pid, text);

	if (r != 0)
		return r > 0 ? 1
			     : err_errno(e, ERR_INTERNAL, errno, "read the state of process %d",
					 (int)pid);
	/* The name may contain any character, ")" too. */
	p = strrchr(text, ')');
	for (int i = 2; p && i < n; i++)
		p = strchr(p + 1, ' ');
	if (p)
		p[1 + strcspn(p + 1, " ")] = '\0';
	if (!p || str_to_u64(p + 1, UINT64_MAX, ret) < 0)
		return err_set(e, ERR_INTERNAL, "process %d: no field %d in its state", (int)pid,
			       n);
	return 0;
}

int proc_start_ticks(pid_t pid, uint64_t *ret, struct err *e)
{
	return read_stat_field(pid, FIELD_START, ret, e);
}

int proc_descends_from(pid_t pid, pid_t ancestor, struct err *e)
{
	uint64_t parent;
	int r;

	/* Bounded, since the chain may change during the walk. */
	for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		if (pid == ancestor)
			return 0;
		r = read_stat_field(pid, FIELD_PARENT, &parent, e);
		if (r != 0)
			return r;
		pid = (pid_t)parent;
	}
	return 1;
}

char proc_describe(pid_t pid, char out[PROC_TEXT_MAX])
{
	char text[1024], *name, *end;
	int r = read_stat(pid, text);

	name = r == 0 ? strchr(text, '(') : NULL;
	/* The name may contain any character, ")" too. */
	end = name ? strrchr(name, ')') : NULL;
	if (!end || strlen(end) < 3) {
		snprintf(out, PROC_TEXT_MAX, "pid %d is gone", (int)pid);
		return 0;
	}
	for (char *p = name; p < end; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	snprintf(out, PROC_TEXT_MAX, "pid %d %.*s in state %c", (int)pid, (int)(end + 1 - name),
		 name, end[2]);
	return end[2];
}

uint64_t proc_zombies(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	const struct dirent *entry;
	uint64_t n = 0, pid;

	while (d && (entry = readdir(d))) {
		char text[PROC_TEXT_MAX];

		if (str_to_u64(entry->d_name, INT32_MAX, &pid) == 0)
			n += proc_describe((pid_t)pid, text) == 'Z';
	}
	return n;
}

int proc_open(pid_t pid, uint64_t start_ticks, int *ret_pidfd, struct err *e)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	uint64_t ticks;
	int r;

	if (fd < 0 && (errno == ESRCH || errno == EINVAL))
		return 1;
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open process %d", (int)pid);
	/* Checked after pidfd_open: while start_ticks match, the pidfd is that process. */
	r = proc_start_ticks(pid, &ticks, e);
	if (r != 0)
		return r;
	if (ticks != start_ticks)
		return 1;
	*ret_pidfd = take_fd(fd);
	return 0;
}

int proc_save(const char *path, pid_t pid, uint64_t start_ticks, struct err *e)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d %llu\n", (int)pid,
			 (unsigned long long)start_ticks);

	return fs_replace_file(path, text, (size_t)n, 0600, false, e);
}

int proc_load(const char *path, pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	uint64_t ticks;
	int64_t pid;
	char *space;
	int r = fs_read_file(path, 64, &text, e);

	if (r != 0)
		return r;
	space = text.len ? strchr(text.data, ' ') : NULL;
	if (!space || text.data[text.len - 1] != '\n')
		return err_set(e, ERR_DATA_LOSS, "%s does not name a process", path);
	text.data[text.len - 1] = '\0';
	*space = '\0';
	if (str_to_i64(text.data, 1, INT32_MAX, &pid) < 0 ||
	    str_to_u64(space + 1, UINT64_MAX, &ticks) < 0)
		return err_set(e, ERR_DATA_LOSS, "%s does not name a process", path);
	r = proc_open((pid_t)pid, ticks, ret_pidfd, e);
	if (r == 0)
		*ret_pid = (pid_t)pid;
	return r;
}

/* From the kernel's linux/pidfd.h; older headers lack it. */
struct info_of_pidfd {
	uint64_t mask;
	uint64_t cgroup_id;
	uint32_t ids[11];
	int32_t exit_code;
};
#define INFO_EXIT (UINT64_C(1) << 3)
#define BETWEEN_LOOKS 10
#define GET_INFO _IOWR(0xFF, 11, struct info_of_pidfd)

int proc_exit_status(int pidfd, int *ret_wait_status, struct err *e)
{
	struct info_of_pidfd info;

	/* ESRCH: the parent is reaping it at this moment, or the kernel keeps no exit status and
	 * returns ESRCH on every retry. */
	for (int i = 0; i < BETWEEN_LOOKS; i++) {
		info = (struct info_of_pidfd){ .mask = INFO_EXIT };
		if (ioctl(pidfd, GET_INFO, &info) == 0) {
			*ret_wait_status = info.exit_code;
			return info.mask & INFO_EXIT ? 0 : 1;
		}
		if (errno != ESRCH)
			break;
	}
	return err_errno(e, ERR_UNIMPLEMENTED, errno,
			 "the kernel has no exit status of the process");
}

int proc_has_open(pid_t pid, const char *path, struct err *e)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct stat want, have;
	struct dirent *d;
	char name[40];

	snprintf(name, sizeof(name), "/proc/%d/fd", (int)pid);
	if (stat(path, &want) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat %s", path);
	dir = opendir(name);
	if (!dir)
		return err_errno(e, ERR_INTERNAL, errno, "list %s", name);
	for (errno = 0; (d = readdir(dir)); errno = 0)
		if (fstatat(dirfd(dir), d->d_name, &have, 0) == 0 && have.st_dev == want.st_dev &&
		    have.st_ino == want.st_ino)
			return 0;
	return errno ? err_errno(e, ERR_INTERNAL, errno, "list %s", name) : 1;
}

void proc_kill_holders(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	struct dirent *d;
	int64_t pid;

	while (dir && (d = readdir(dir))) {
		_cleanup_close_ int fd = -1;
		struct err ignored = ERR_NULL;

		if (str_to_i64(d->d_name, 1, INT32_MAX, &pid) < 0 || pid == getpid())
			continue;
		/* Checked after pidfd_open: the pidfd is the checked process. */
		fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
		if (fd >= 0 && proc_has_open((pid_t)pid, path, &ignored) == 0)
			syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	}
}

uint64_t proc_resident(void)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err ignored = ERR_NULL;
	unsigned long long pages = 0;

	if (fs_read_file("/proc/self/statm", 4096, &text, &ignored) == 0)
		(void)sscanf(text.data, "%*u %llu", &pages);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
