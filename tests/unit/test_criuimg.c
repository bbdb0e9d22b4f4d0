/*
 * test_criuimg.c - CRIU's images against the limits of a config.json: each thing that a process or
 * a mount may not have is found and named.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "pod/criucheck.h"
#include "pod/criuimg.h"

#define COMMON 0x54564319U
#ifdef __x86_64__
#define MARCH 1
#else
#define MARCH 3
#endif

static const char config_text[] =
	"{\"process\": {\"noNewPrivileges\": true, \"oomScoreAdj\": 5,"
	" \"user\": {\"uid\": 1000, \"gid\": 1000, \"additionalGids\": [7]},"
	" \"capabilities\": {\"bounding\": [\"CAP_CHOWN\"]}, \"apparmorProfile\": \"crisp\"},"
	" \"linux\": {\"seccomp\": {}, \"maskedPaths\": [\"/proc/version\", \"/proc/absent\"],"
	" \"readonlyPaths\": [\"/proc/sys\"]},"
	" \"mounts\": [{\"destination\": \"/proc\", \"type\": \"proc\"},"
	" {\"destination\": \"/data\", \"type\": \"bind\", \"options\": [\"rbind\", \"ro\"]}]}";

static void put(struct buf *out, const ProtobufCMessage *m)
{
	uint32_t size = (uint32_t)protobuf_c_message_get_packed_size(m);

	buf_add(out, &size, sizeof(size));
	protobuf_c_message_pack(m, buf_reserve(out, size));
	buf_commit(out, size);
}

static void save(const char *dir, const char *name, struct buf *out)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	struct err e = ERR_NULL;

	assert_int_equal(fs_replace_file(path, out->data, out->len, 0600, false, &e), 0);
	buf_done(out);
}

static void begin(struct buf *out, uint32_t magic)
{
	const uint32_t common = COMMON;

	*out = BUF_NULL;
	if (magic != CRIUIMG_INVENTORY)
		buf_add(out, &common, sizeof(common));
	buf_add(out, &magic, sizeof(magic));
}

/* What a test changes before the images are written. */
struct images {
	Crisp__Criu__Inventory inventory;
	Crisp__Criu__Core core;
	Crisp__Criu__Task tc;
	Crisp__Criu__Thread thread;
	Crisp__Criu__Creds creds;
	Crisp__Criu__Mount mounts[8];
	size_t n_mounts;
	uint32_t words[3]; /* for a set of capabilities */
	int32_t oom;
	bool zombie; /* beside init */
};

static void add_mount(struct images *im, uint32_t fstype, const char *at, uint32_t flags,
		      const char *key)
{
	Crisp__Criu__Mount *m = &im->mounts[im->n_mounts++];

	crisp__criu__mount__init(m);
	m->fstype = fstype;
	m->root = (char *)(uintptr_t) "/";
	m->mountpoint = (char *)(uintptr_t)at;
	m->source = (char *)(uintptr_t) "none";
	m->ext_key = (char *)(uintptr_t)key;
	m->flags = flags;
}

static void fill(struct images *im)
{
	*im = (struct images){ .words = { 1, 0, 0 } };
	crisp__criu__inventory__init(&im->inventory);
	crisp__criu__core__init(&im->core);
	crisp__criu__task__init(&im->tc);
	crisp__criu__thread__init(&im->thread);
	crisp__criu__creds__init(&im->creds);
	im->inventory.img_version = 2;
	im->core.mtype = MARCH;
	im->core.tc = &im->tc;
	im->core.thread_core = &im->thread;
	im->thread.creds = &im->creds;
	im->thread.seccomp_mode = 2;
	im->creds.uid = im->creds.euid = im->creds.suid = im->creds.fsuid = 1000;
	im->creds.gid = im->creds.egid = im->creds.sgid = im->creds.fsgid = 1000;
	im->creds.no_new_privs = 1;
	im->creds.lsm_profile = (char *)(uintptr_t) "crisp";
	im->creds.cap_bnd = im->words;
	im->creds.n_cap_bnd = 2;
	add_mount(im, 17, "/", 0, "");
	add_mount(im, 1, "/proc", 0, "");
	add_mount(im, 5, "/proc/version", 0, "/dev/null");
	add_mount(im, 1, "/proc/sys", MS_RDONLY, "");
	add_mount(im, 5, "/data", MS_RDONLY, "/data");
}

/* Write the images into a new directory and check them. */
static int check_with(const struct images *im, struct err *e)
{
	char dir[] = "/tmp/test_criuimg.XXXXXX";
	Crisp__Criu__Pstree init = CRISP__CRIU__PSTREE__INIT;
	json_t *config = json_loads(config_text, 0, NULL);
	Crisp__Criu__Core dead = CRISP__CRIU__CORE__INIT;
	Crisp__Criu__Task dead_task = CRISP__CRIU__TASK__INIT;
	struct err ignored = ERR_NULL;
	struct buf out;
	int r;

	dead.mtype = MARCH;
	dead.tc = &dead_task;
	dead_task.task_state = 2;
	assert_non_null(mkdtemp(dir));
	assert_non_null(config);
	begin(&out, CRIUIMG_INVENTORY);
	put(&out, &im->inventory.base);
	save(dir, "inventory.img", &out);
	init.pid = 1;
	begin(&out, CRIUIMG_PSTREE);
	put(&out, &init.base);
	if (im->zombie) {
		init.pid = 2;
		init.ppid = 1;
		put(&out, &init.base);
	}
	save(dir, "pstree.img", &out);
	begin(&out, CRIUIMG_CORE);
	put(&out, &dead.base);
	save(dir, "core-2.img", &out);
	begin(&out, CRIUIMG_CORE);
	put(&out, &im->core.base);
	save(dir, "core-1.img", &out);
	begin(&out, CRIUIMG_MOUNTS);
	for (size_t i = 0; i < im->n_mounts; i++)
		put(&out, &im->mounts[i].base);
	save(dir, "mountpoints-7.img", &out);
	*e = ERR_NULL;
	r = criucheck_images(dir, config, e);
	json_decref(config);
	fs_remove_tree(dir, &ignored);
	return r;
}

static void refused(const struct images *im, enum err_code code, const char *text)
{
	struct err e;

	assert_true(check_with(im, &e) < 0);
	if (e.code != code || !strstr(e.text, text))
		fail_msg("%d %s, expected %d %s", (int)e.code, e.text, (int)code, text);
}

static void permitted(void **state)
{
	struct images im;
	struct err e;

	(void)state;
	fill(&im);
	if (check_with(&im, &e) < 0)
		fail_msg("%s", e.text);
	im.creds.n_groups = 1;
	im.words[1] = 0;
	im.creds.groups = (uint32_t[]){ 7 };
	assert_int_equal(check_with(&im, &e), 0);
	im.zombie = true; /* runs nothing */
	assert_int_equal(check_with(&im, &e), 0);
}

static void processes(void **state)
{
	struct images im;

	(void)state;
#define REFUSED(change, code, text) \
	do { \
		fill(&im); \
		change; \
		refused(&im, code, text); \
	} while (0)
	REFUSED(im.words[0] = 3, ERR_DENIED, "bounding");
	REFUSED(im.words[1] = 1, ERR_DENIED, "bounding");
	REFUSED((im.words[2] = 1, im.creds.n_cap_bnd = 3), ERR_DENIED, "bounding");
	REFUSED((im.words[0] = 2, im.creds.n_cap_bnd = 0, im.creds.cap_prm = im.words,
		 im.creds.n_cap_prm = 1),
		ERR_DENIED, "permitted");
	REFUSED((im.words[0] = 2, im.creds.n_cap_bnd = 0, im.creds.cap_eff = im.words,
		 im.creds.n_cap_eff = 1),
		ERR_DENIED, "effective");
	REFUSED((im.words[0] = 2, im.creds.n_cap_bnd = 0, im.creds.cap_inh = im.words,
		 im.creds.n_cap_inh = 1),
		ERR_DENIED, "inheritable");
	REFUSED((im.words[0] = 2, im.creds.n_cap_bnd = 0, im.creds.cap_amb = im.words,
		 im.creds.n_cap_amb = 1),
		ERR_DENIED, "ambient");
	REFUSED(im.creds.no_new_privs = 0, ERR_DENIED, "no_new_privs");
	REFUSED(im.creds.suid = 0, ERR_DENIED, "uid 0");
	REFUSED(im.creds.fsuid = 1001, ERR_DENIED, "uid is not");
	REFUSED(im.creds.egid = 0, ERR_DENIED, "gid is not");
	REFUSED((im.creds.groups = im.words, im.creds.n_groups = 1), ERR_DENIED, "group");
	REFUSED(im.creds.lsm_profile = (char *)(uintptr_t) "unconfined", ERR_DENIED, "AppArmor");
	REFUSED(im.thread.seccomp_mode = 0, ERR_DENIED, "seccomp");
	REFUSED(im.thread.creds = NULL, ERR_INVALID, "credentials");
	REFUSED((im.core.thread_core = NULL, im.tc.task_state = 2), ERR_INVALID, "credentials");
	REFUSED((im.tc.old_seccomp_mode = im.words, im.tc.n_old_seccomp_mode = 1), ERR_PRECONDITION,
		"CRIU before");
	REFUSED((im.oom = -1000, im.tc.oom_score_adj = &im.oom, im.tc.n_oom_score_adj = 1),
		ERR_DENIED, "oom_score_adj");
	REFUSED(im.core.mtype = 4, ERR_PRECONDITION, "architecture");
	REFUSED(im.inventory.img_version = 1, ERR_PRECONDITION, "version 1");
}

static void mounts(void **state)
{
	struct images im;

	(void)state;
	REFUSED(add_mount(&im, 0, "/host", 0, ""), ERR_DENIED, "/host");
	REFUSED(add_mount(&im, 1, "/proc", 0, ""), ERR_DENIED, "two mounts at /proc");
	REFUSED(im.mounts[0].fstype = 16, ERR_DENIED, "mount at / ");
	REFUSED(im.mounts[1].root = (char *)(uintptr_t) "/sys", ERR_DENIED, "mount at /proc ");
	REFUSED(im.mounts[2].ext_key = (char *)(uintptr_t) "", ERR_DENIED, "/proc/version");
	REFUSED(im.mounts[3].flags = 0, ERR_DENIED, "/proc/sys");
	REFUSED(im.mounts[4].flags = 0, ERR_DENIED, "/data");
	REFUSED(im.mounts[4].ext_mount = true, ERR_DENIED, "/data");
	REFUSED(im.mounts[4].ext_key = (char *)(uintptr_t) "", ERR_DENIED, "/data");
	REFUSED(im.mounts[3].mountpoint = (char *)(uintptr_t) "/data", ERR_DENIED, "/data");
	REFUSED((im.mounts[2] = im.mounts[4], im.n_mounts = 4), ERR_DENIED, "/proc/version");
	REFUSED(im.n_mounts = 3, ERR_DENIED, "nothing is mounted at /proc/sys");
}

static int nothing(const ProtobufCMessage *message, void *arg, struct err *e)
{
	(void)message;
	(void)arg;
	(void)e;
	return 0;
}

static void frames(void **state)
{
	Crisp__Criu__Pstree init = CRISP__CRIU__PSTREE__INIT;
	struct buf out;
	struct err e = ERR_NULL;

	(void)state;
	init.pid = 1;
	begin(&out, CRIUIMG_PSTREE);
	put(&out, &init.base);
	assert_int_equal(criuimg_each(out.data, out.len, CRIUIMG_PSTREE, nothing, NULL, &e), 0);
	for (size_t n = 0; n < out.len; n++) {
		if (n == 8)
			continue; /* an image without messages */
		assert_true(criuimg_each(out.data, n, CRIUIMG_PSTREE, nothing, NULL, &e) < 0);
		assert_int_equal(e.code, ERR_INVALID);
	}
	assert_true(criuimg_each(out.data, out.len, CRIUIMG_CORE, nothing, NULL, &e) < 0);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permitted),
		cmocka_unit_test(processes),
		cmocka_unit_test(mounts),
		cmocka_unit_test(frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
