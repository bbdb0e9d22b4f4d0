/* remains.c - the store's data files between memory and a scratch folder. */
#include "remains.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

void sweep_die(const char *what)
{
	fprintf(stderr, "sweep: %s: %s\n", what, strerror(errno));
	exit(2);
}

void remove_tree(const char *dir)
{
	struct err e = ERR_NULL;

	if (fs_remove_tree(dir, &e) < 0) {
		fprintf(stderr, "sweep: %s\n", e.text);
		exit(2);
	}
}

static void boot_dir(const struct scratch *s, unsigned int boot, char *out, size_t size)
{
	snprintf(out, size, "%s/boot/" SIM_BOOT_ID, s->dir, boot);
}

static void make_dir(const char *fmt, const char *dir)
{
	char path[256];

	snprintf(path, sizeof(path), fmt, dir);
	if (mkdir(path, 0700) < 0)
		sweep_die(path);
}

void scratch_begin(struct scratch *s, const char *dir)
{
	char path[256];

	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	s->boot = 0;
	remove_tree(dir);
	make_dir("%s", dir);
	make_dir("%s/durable", dir);
	make_dir("%s/boot", dir);
	boot_dir(s, 0, path, sizeof(path));
	make_dir("%s", path);
}

static void read_data(struct datafile *f, const char *dir)
{
	char path[256];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		sweep_die(path);
	f->size = (size_t)st.st_size;
	if (f->capacity < f->size) {
		f->data = xrealloc(f->data, f->size);
		f->capacity = f->size;
	}
	if (pread(fd, f->data, f->size, 0) != (ssize_t)f->size)
		sweep_die(path);
	close(fd);
}

static void write_data(const struct datafile *f, const char *dir)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	if (!f->size) {
		if (unlink(path) < 0 && errno != ENOENT)
			sweep_die(path);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, f->data, f->size) != (ssize_t)f->size)
		sweep_die(path);
	close(fd);
}

void remains_keep(struct remains *r, const struct scratch *s)
{
	char path[256];

	r->files_boot = r->world.boot;
	snprintf(path, sizeof(path), "%s/durable", s->dir);
	read_data(&r->durable, path);
	boot_dir(s, r->files_boot, path, sizeof(path));
	read_data(&r->boot, path);
}

void remains_restore(const struct remains *r, struct scratch *s)
{
	char path[256], old[256];

	snprintf(path, sizeof(path), "%s/durable", s->dir);
	write_data(&r->durable, path);
	boot_dir(s, r->files_boot, path, sizeof(path));
	if (s->boot != r->files_boot) {
		boot_dir(s, s->boot, old, sizeof(old));
		if (rename(old, path) < 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
			sweep_die(path);
	}
	write_data(&r->boot, path);
	s->boot = r->files_boot;
}
