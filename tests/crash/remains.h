/*
 * remains.h - checkpoints: the world and the store's data files as a kill would leave them.
 *
 * Nothing is half-written at a crash point: LMDB writes its files in a commit alone, with write(2).
 * The files are kept in memory; a life starts on copies of them below a scratch folder.
 */
#pragma once

#include "sweep.h"

/* The bytes of one data file. */
struct datafile {
	void *data;
	size_t size, capacity; /* size 0: no file */
};

struct remains {
	struct world world;
	/* world.boot may have gone on since: the boot file belongs to files_boot. */
	unsigned int files_boot;
	struct datafile durable, boot;
};

struct scratch {
	char dir[128];
	unsigned int boot; /* of the directory that the last life has left */
};

/* Make the folder anew. */
void scratch_begin(struct scratch *s, const char *dir);
/* Keep the files of the life under way beside r->world; buffers of r are used again. */
void remains_keep(struct remains *r, const struct scratch *s);
/* Put the files below the scratch folder, from where w lives on. */
void remains_restore(const struct remains *r, struct scratch *s);
/* Print what failed with errno, and exit with 2. */
void sweep_die(const char *what) __attribute__((noreturn));
void remove_tree(const char *dir);
