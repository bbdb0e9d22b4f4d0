/*
 * exectree.c - cgroups of execs: made, killed, and removed by retries with a growing interval.
 */
#include "shim/exectree.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/util.h"
#include "shim/kill.h"
#include "shim/poll.h"
#include "shimproto/shimproto.h"

#define KILL_EVERY_MS 10
#define KILL_ROUNDS 500
#define WAIT_MIN_MS 500
#define WAIT_MAX_MS 60000 /* longest interval between two attempts to remove a cgroup */

struct exec_tree {
	struct list node;
	char *dir;
	int kills; /* rounds of SIGKILL still to do */
	int64_t wait_ms;
	struct timer again;
};

static struct list trees = { &trees, &trees }; /* cgroups to remove */
static unsigned n_trees;

int exectree_make(const char *dir)
{
	return mkdir(dir, 0755) == 0 || errno == EEXIST ? 0 : errno;
}

static void look_again(struct timer *t)
{
	struct exec_tree *tree = container_of(t, struct exec_tree, again);
	char who[PROC_TEXT_MAX];

	if (tree->kills)
		kill_cgroup(tree->dir, SIGKILL);
	if (rmdir(tree->dir) == 0 || errno == ENOENT) {
		timer_stop(t); /* also set if called from let_go */
		list_remove(&tree->node);
		n_trees--;
		free(tree->dir);
		free(tree);
		return;
	}
	if (tree->kills && --tree->kills == 0)
		log_warn("processes of an exec survive SIGKILL", "cgroup=%s first=\"%s\"",
			 tree->dir, kill_describe(tree->dir, who));
	tree->wait_ms = tree->kills ? KILL_EVERY_MS : MIN(2 * tree->wait_ms, WAIT_MAX_MS);
	timer_set(t, tree->wait_ms, look_again);
}

static struct exec_tree *tree_find(const char *dir)
{
	list_for_each(pos, &trees) {
		struct exec_tree *tree = list_entry(pos, struct exec_tree, node);

		if (strcmp(tree->dir, dir) == 0)
			return tree;
	}
	return NULL;
}

static void let_go(const char *dir, int kills)
{
	struct exec_tree *tree = tree_find(dir);

	if (!tree && n_trees >= SHIM_SESSIONS_MAX)
		return; /* removed with the container's cgroup */
	if (!tree) {
		tree = xcalloc(1, sizeof(*tree));
		tree->dir = xstrdup(dir);
		list_append(&trees, &tree->node);
		n_trees++;
	}
	tree->kills = MAX(tree->kills, kills);
	tree->wait_ms = WAIT_MIN_MS;
	look_again(&tree->again);
}

void exectree_kill(const char *dir)
{
	if (*dir)
		let_go(dir, KILL_ROUNDS);
}

void exectree_end(const char *dir)
{
	if (*dir)
		let_go(dir, 0);
}
