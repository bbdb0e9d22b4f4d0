/*
 * criucheck.c - limits from a config.json, and each process of CRIU's images against them.  The
 * mounts are checked by criumounts.c.
 */
#include "pod/criucheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "os/caps.h"
#include "pod/criuimg.h"
#include "pod/criumounts.h"

#define IMAGE_VERSION 2
#define TASKS_MAX 65536
#define SECCOMP_FILTER 2
#define TASK_DEAD 2

#if defined(__x86_64__)
#define MARCH 1
#elif defined(__aarch64__)
#define MARCH 3
#else
#define MARCH 0 /* restores are refused */
#endif

struct criu_limits {
	uint64_t bounding;
	bool seccomp, no_new_privs;
	json_int_t uid, gid;
	const json_t *gids;
	const char *apparmor, *selinux; /* "": none */
	json_int_t oom_score_adj;
};

struct images {
	const char *dir;
	struct criu_limits limits;
	uint32_t init; /* pid of the first process */
	uint32_t pid; /* of the image that is read */
	unsigned messages; /* in that image */
	unsigned cores, mount_files;
	char mounts[64]; /* name of the image of the mounts */
};

/* --- limits --- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static struct criu_limits limits_of(const json_t *config)
{
	const json_t *process = json_object_get(config, "process");
	const json_t *user = json_object_get(process, "user"), *name;
	struct criu_limits l = {
		.seccomp = json_object_get(json_object_get(config, "linux"), "seccomp"),
		.no_new_privs = json_is_true(json_object_get(process, "noNewPrivileges")),
		.uid = json_integer_value(json_object_get(user, "uid")),
		.gid = json_integer_value(json_object_get(user, "gid")),
		.gids = json_object_get(user, "additionalGids"),
		.apparmor = text_of(process, "apparmorProfile"),
		.selinux = text_of(process, "selinuxLabel"),
		.oom_score_adj = json_integer_value(json_object_get(process, "oomScoreAdj")),
	};
	unsigned number;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(process, "capabilities"), "bounding"), i,
			   name)
	{
		if (caps_parse(json_string_value(name), &number) == 0)
			l.bounding |= CAPS_BIT(number);
	}
	return l;
}

/* --- processes --- */

static int denied(const struct images *im, struct err *e, const char *what)
{
	return err_set(e, ERR_DENIED, "process %u of the checkpoint: %s", im->pid, what);
}

static int check_capabilities(const struct images *im, const char *set, const uint32_t *words,
			      size_t n, struct err *e)
{
	uint64_t all = 0, more;
	bool high = false;

	for (size_t i = 0; i < n; i++) {
		if (i < 2)
			all |= (uint64_t)words[i] << (32 * i);
		else
			high |= words[i] != 0;
	}
	more = all & ~im->limits.bounding;
	if (!more && !high)
		return 0;
	return err_set(e, ERR_DENIED,
		       "process %u of the checkpoint: its %s capabilities have 0x%llx "
		       "more than the new container may have",
		       im->pid, set, (unsigned long long)more);
}

static bool may_have_group(const struct criu_limits *l, uint32_t gid)
{
	const json_t *g;
	size_t i;

	json_array_foreach(l->gids, i, g)
	{
		if (json_integer_value(g) == (json_int_t)gid)
			return true;
	}
	return (json_int_t)gid == l->gid;
}

static bool has_user(const Crisp__Criu__Creds *c, json_int_t uid)
{
	return c->uid == uid || c->euid == uid || c->suid == uid || c->fsuid == uid;
}

/* The first process of a container that is not root's has config's ids; the others cannot become
 * root with no_new_privs. */
static int check_ids(const struct images *im, const Crisp__Criu__Creds *c, struct err *e)
{
	const struct criu_limits *l = &im->limits;

	if (l->uid == 0)
		return 0;
	if (l->no_new_privs && has_user(c, 0))
		return denied(im, e, "uid 0, and the new container is not root's");
	if (im->pid != im->init)
		return 0;
	if (c->uid != l->uid || c->euid != l->uid || c->suid != l->uid || c->fsuid != l->uid)
		return denied(im, e, "its uid is not that of the new container");
	if (c->gid != l->gid || c->egid != l->gid || c->sgid != l->gid || c->fsgid != l->gid)
		return denied(im, e, "its gid is not that of the new container");
	for (size_t i = 0; i < c->n_groups; i++)
		if (!may_have_group(l, c->groups[i]))
			return denied(im, e, "it has a group that the new container has not");
	return 0;
}

static int check_lsm(const struct images *im, const Crisp__Criu__Creds *c, struct err *e)
{
	const struct criu_limits *l = &im->limits;
	const char *has = c->lsm_profile ? c->lsm_profile : "";

	if (*l->apparmor && strcmp(l->apparmor, "unconfined") != 0 && strcmp(has, l->apparmor) != 0)
		return denied(im, e, "its AppArmor profile is not that of the new container");
	if (*l->selinux && strcmp(has, l->selinux) != 0)
		return denied(im, e, "its SELinux label is not that of the new container");
	return 0;
}

static int check_creds(const struct images *im, const Crisp__Criu__Creds *c, struct err *e)
{
	int r = check_capabilities(im, "bounding", c->cap_bnd, c->n_cap_bnd, e);

	if (r == 0)
		r = check_capabilities(im, "permitted", c->cap_prm, c->n_cap_prm, e);
	if (r == 0)
		r = check_capabilities(im, "effective", c->cap_eff, c->n_cap_eff, e);
	if (r == 0)
		r = check_capabilities(im, "inheritable", c->cap_inh, c->n_cap_inh, e);
	if (r == 0)
		r = check_capabilities(im, "ambient", c->cap_amb, c->n_cap_amb, e);
	if (r == 0 && im->limits.no_new_privs && c->no_new_privs != 1)
		r = denied(im, e, "no_new_privs is not set");
	if (r == 0)
		r = check_ids(im, c, e);
	return r < 0 ? r : check_lsm(im, c, e);
}

/* Its parent has not waited for it yet: CRIU lets it end at once, and it runs nothing. */
static bool is_zombie(const Crisp__Criu__Core *c)
{
	return c->tc && c->tc->task_state == TASK_DEAD && !c->thread_core;
}

static int check_core(const ProtobufCMessage *message, void *arg, struct err *e)
{
	const Crisp__Criu__Core *c = (const Crisp__Criu__Core *)(const void *)message;
	struct images *im = arg;

	if (im->messages++)
		return err_set(e, ERR_INVALID, "it has more than one message");
	if (!MARCH || c->mtype != MARCH)
		return err_set(e, ERR_PRECONDITION,
			       "process %u is of another architecture (%u, this node has %d)",
			       im->pid, c->mtype, MARCH);
	if (is_zombie(c) && im->pid != im->init)
		return 0;
	if (!c->thread_core || !c->thread_core->creds)
		return err_set(e, ERR_INVALID, "it has no credentials");
	if (im->limits.seccomp && c->thread_core->seccomp_mode != SECCOMP_FILTER)
		return denied(im, e, "it has no seccomp filter");
	if (c->tc && c->tc->n_old_seccomp_mode)
		return err_set(e, ERR_PRECONDITION, "it was written by a CRIU before 3.12");
	for (size_t i = 0; c->tc && i < c->tc->n_oom_score_adj; i++)
		if (c->tc->oom_score_adj[i] < im->limits.oom_score_adj)
			return denied(im, e,
				      "its oom_score_adj is below that of the new container");
	return check_creds(im, c->thread_core->creds, e);
}

/* --- files --- */

static int check_inventory(const ProtobufCMessage *message, void *arg, struct err *e)
{
	const Crisp__Criu__Inventory *i = (const Crisp__Criu__Inventory *)(const void *)message;
	struct images *im = arg;

	if (im->messages++)
		return err_set(e, ERR_INVALID, "it has more than one message");
	return i->img_version == IMAGE_VERSION
		       ? 0
		       : err_set(e, ERR_PRECONDITION, "version %u of images is not supported",
				 i->img_version);
}

static int find_init(const ProtobufCMessage *message, void *arg, struct err *e)
{
	const Crisp__Criu__Pstree *p = (const Crisp__Criu__Pstree *)(const void *)message;
	struct images *im = arg;

	if (p->ppid)
		return 0;
	if (im->init)
		return err_set(e, ERR_INVALID, "it has more than one first process");
	im->init = p->pid;
	return 0;
}

/* The pid in "core-PID.img".  false: another image. */
static bool core_pid(const char *name, uint32_t *ret)
{
	char number[16];
	size_t n = strlen(name);
	int64_t pid;

	if (!str_starts(name, "core-") || !str_ends(name, ".img") || n - 9 >= sizeof(number))
		return false;
	memcpy(number, name + 5, n - 9);
	number[n - 9] = '\0';
	if (str_to_i64(number, 1, INT32_MAX, &pid) < 0)
		return false;
	*ret = (uint32_t)pid;
	return true;
}

/* Images that hold more than one container's mounts, or credentials of an old CRIU, are refused. */
static int check_file(const char *path, const char *name, void *arg, struct err *e)
{
	struct images *im = arg;

	(void)path;
	if (str_starts(name, "creds-"))
		return err_set(e, ERR_PRECONDITION, "checkpoint/%s is of an old CRIU", name);
	if (str_starts(name, "mountpoints-")) {
		if (im->mount_files++ || strlen(name) >= sizeof(im->mounts))
			return err_set(e, ERR_PRECONDITION,
				       "the checkpoint has more than one mount namespace");
		snprintf(im->mounts, sizeof(im->mounts), "%s", name);
		return 0;
	}
	if (!core_pid(name, &im->pid))
		return 0;
	if (++im->cores > TASKS_MAX)
		return err_set(e, ERR_EXHAUSTED, "the checkpoint has more than %d threads",
			       TASKS_MAX);
	im->messages = 0;
	return criuimg_each_of_file(im->dir, name, CRIUIMG_CORE, check_core, im, e);
}

int criucheck_images(const char *dir, const json_t *config, struct err *e)
{
	struct images im = { .dir = dir, .limits = limits_of(config) };
	int r = criuimg_each_of_file(dir, "inventory.img", CRIUIMG_INVENTORY, check_inventory, &im,
				     e);

	if (r == 0)
		r = criuimg_each_of_file(dir, "pstree.img", CRIUIMG_PSTREE, find_init, &im, e);
	if (r == 0)
		r = fs_each(dir, check_file, &im, e);
	if (r == 0 && (!im.init || !im.cores || !im.mount_files))
		r = err_set(e, ERR_INVALID, "the checkpoint has no processes or no mounts");
	return r < 0 ? r : criumounts_check(dir, im.mounts, config, e);
}
