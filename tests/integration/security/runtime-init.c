/*
 * runtime-init.c - a container that may trace looks for processes that lead out of it, for
 * runtime-init.sh.
 *
 * usage: runtime-init PRIZE: without end, try to make a file in PRIZE, a directory of the host,
 * through each process that /proc shows, and to trace each that has a capability which this one
 * lacks.  One line for each way that was found, once: "root", "cwd", "fd", "trace".
 *
 * usage: runtime-init -f DIR: mount an empty directory that never answers when a file in it is
 * looked for: who looks hangs in the kernel.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define UP "/../../../../../../../../../../../.."

static void found(const char *way, const char *pid)
{
	static const char *known[8];
	size_t n = 0;

	while (known[n] && strcmp(known[n], way) != 0)
		n++;
	if (known[n])
		return;
	known[n] = way;
	printf("%s %s\n", way, pid);
	fflush(stdout);
}

static void try_path(const char *prize, const char *pid, const char *way, const char *link)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s%s%s/%s", pid, link, UP, prize, way);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	close(fd);
	found(way, pid);
}

static void try_fds(const char *prize, const char *pid)
{
	char path[64], link[NAME_MAX + 4];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(link, sizeof(link), "fd/%s", e->d_name);
		try_path(prize, pid, "fd", link);
	}
	if (d)
		closedir(d);
}

static unsigned long long caps_of(const char *pid)
{
	char path[64], line[256];
	unsigned long long caps = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps;
}

/* Whoever may take a descriptor may trace: the kernel asks the same question.  A trace would stop
 * the process. */
static void try_trace(const char *pid, unsigned long long own)
{
	int number, pidfd, fd;

	if (!(caps_of(pid) & ~own) || sscanf(pid, "%d", &number) != 1)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, number, 0);
	for (int i = 0; pidfd >= 0 && i < 3; i++) {
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, i, 0);
		if (fd < 0)
			continue;
		found("trace", pid);
		close(fd);
	}
	if (pidfd >= 0)
		close(pidfd);
}

static void reply(int fd, uint64_t unique, int error, const void *data, size_t size)
{
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + size),
				     .error = error,
				     .unique = unique };
	struct iovec parts[] = { { &h, sizeof(h) }, { (void *)data, size } };

	if (writev(fd, parts, 2) < 0 && errno != ENOENT)
		perror("reply");
}

static int never_answer(const char *dir)
{
	static char request[1 << 20];
	const struct fuse_in_header *in = (const void *)request;
	const struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = 4096 };
	const struct fuse_attr_out root = {
		.attr = { .ino = 1, .mode = S_IFDIR | 0755, .nlink = 2 }
	};
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[64];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 fd);
	if (fd < 0 || mount("test", dir, "fuse", 0, options) < 0)
		return 1;
	while (read(fd, request, sizeof(request)) > 0) {
		if (in->opcode == FUSE_INIT)
			reply(fd, in->unique, 0, &init, sizeof(init));
		else if (in->opcode == FUSE_GETATTR)
			reply(fd, in->unique, 0, &root, sizeof(root));
		else if (in->opcode != FUSE_LOOKUP && in->opcode != FUSE_INTERRUPT &&
			 in->opcode != FUSE_FORGET)
			reply(fd, in->unique, -ENOSYS, NULL, 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long long own = caps_of("self");

	if (argc == 3 && strcmp(argv[1], "-f") == 0)
		return never_answer(argv[2]);
	printf("looks\n");
	fflush(stdout);
	for (;;) {
		DIR *d = opendir("/proc");
		struct dirent *e;

		while (d && (e = readdir(d))) {
			if (e->d_name[0] < '2' || e->d_name[0] > '9')
				if (e->d_name[0] != '1' || !e->d_name[1])
					continue;
			try_path(argv[1], e->d_name, "root", "root");
			try_path(argv[1], e->d_name, "cwd", "cwd");
			try_fds(argv[1], e->d_name);
			try_trace(e->d_name, own);
		}
		if (d)
			closedir(d);
	}
}
