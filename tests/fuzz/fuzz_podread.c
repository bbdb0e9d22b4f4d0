/*
 * fuzz_podread.c - any text as pod.json of a checkpoint: an error with a text, or what a restore
 * reads of it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "core/objects.h"
#include "pod/podfile.h"
#include "pod/podfill.h"
#include "pod/podread.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/fuzz_podread.XXXXXX";

static void end(void)
{
	struct err e = ERR_NULL;

	fs_remove_tree(dir, &e);
}

static void begin(void)
{
	static struct conf conf;
	_cleanup_free_ char *pod = NULL;
	struct err e = ERR_NULL;
	int r;

	if (world.conf)
		return;
	conf.root = conf.runroot = (char *)(uintptr_t) "/nowhere";
	world.conf = &conf;
	r = mkdtemp(dir) ? 0 : -1;
	assert(r == 0);
	atexit(end);
	pod = xasprintf("%s/" PODFILE_DIR, dir);
	r = fs_mkdir_all(pod, 0700, &e);
	assert(r == 0);
}

static void save(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *path = xasprintf("%s/" PODFILE_DIR "/" PODFILE_NAME, dir);
	_cleanup_free_ char *sums = xasprintf("%s/" PODFILE_DIR "/" PODFILE_SUM_NAME, dir);
	char sum[PODFILE_SUM_TEXT];
	struct err e = ERR_NULL;
	int64_t n;
	int r = fs_replace_file(path, data, size, 0600, false, &e);

	if (r == 0)
		r = podfile_sum(path, sum, &n, &e);
	if (r == 0)
		r = fs_replace_file(sums, sum, strlen(sum), 0600, false, &e);
	assert(r == 0);
}

static void check(int r, const struct err *e)
{
	assert(r == 0 || ((e->code == ERR_INVALID || e->code == ERR_PRECONDITION) && e->text[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Crisp__State__Sandbox row = CRISP__STATE__SANDBOX__INIT;
	Runtime__V1__PodSandboxConfig *pod;
	Runtime__V1__ContainerConfig *config;
	struct podread p = PODREAD_NULL;
	const json_t *c;
	struct err e = ERR_NULL;

	begin();
	save(data, size);
	if (podread_open(dir, &p, &e) < 0) {
		check(-1, &e);
		return 0;
	}
	check(podread_check_files(&p, &e), &e);
	check(podfill_check(&p, &row, &e), &e);
	pod = podread_pod_config(&p, &e);
	check(pod ? 0 : -1, &e);
	c = podread_container(&p, "c");
	config = c ? podread_config(c, &e) : NULL;
	check(!c || config ? 0 : -1, &e);
	runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
	runtime__v1__container_config__free_unpacked(config, NULL);
	podread_done(&p);
	return 0;
}
