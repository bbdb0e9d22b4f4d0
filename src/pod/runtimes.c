/*
 * runtimes.c - run the OCI runtimes to learn their features.  A runtime without features causes an
 * error only on use.
 */
#include "pod/runtimes.h"

#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/util.h"
#include "conf/conf.h"
#include "oci/features.h"
#include "oci/vulnerable.h"
#include "os/spawn.h"

#define FEATURES_MS 10000

/* Stays until the end: configurations of each age point at the features. */
struct probe {
	struct probe *next;
	char *path;
	struct oci_features features;
};

static struct probe *probes;

/* Run a runtime and collect its output; after a failure the output is empty. */
static void ask_runtime(const char *const *argv, struct spawn_result *ret)
{
	struct err ignored = ERR_NULL;

	if (spawn_run(argv, NULL, NULL, 0, 1024 * 1024, FEATURES_MS, ret, &ignored) == 0 &&
	    ret->status == 0)
		return;
	spawn_result_done(ret);
	*ret = SPAWN_RESULT_NULL;
}

static void ask(const char *path, struct oci_features *ret)
{
	const char *const version[] = { path, "--version", NULL };
	const char *const features[] = { path, "features", NULL };
	const char *const help[] = { path, "exec", "--help", NULL };
	struct spawn_result res = SPAWN_RESULT_NULL;
	struct err ignored = ERR_NULL;

	ask_runtime(features, &res);
	if (res.out.len)
		oci_features_parse(res.out.data, res.out.len, ret, &ignored);
	spawn_result_done(&res);
	ask_runtime(help, &res);
	ret->exec_cgroup = oci_features_exec_cgroup(res.out.data);
	spawn_result_done(&res);
	ask_runtime(version, &res);
	ret->vulnerable = oci_vulnerable_text(res.out.data);
	spawn_result_done(&res);
}

static const struct oci_features *probe(const struct conf_runtime *rt)
{
	struct probe *p = probes;

	while (p && strcmp(p->path, rt->path) != 0)
		p = p->next;
	if (p)
		return &p->features;
	p = xcalloc(1, sizeof(*p));
	*p = (struct probe){ .next = probes, .path = xstrdup(rt->path) };
	probes = p;
	ask(rt->path, &p->features);
	if (p->features.vulnerable)
		log_warn("vulnerable runtime", "handler=%s path=%s text=\"%s\"", rt->name, rt->path,
			 p->features.vulnerable);
	return &p->features;
}

void runtimes_probe(struct conf *c)
{
	for (size_t i = 0; i < c->n_runtimes; i++)
		c->runtimes[i].features = probe(&c->runtimes[i]);
}

const struct oci_features *runtimes_features(const struct conf_runtime *rt)
{
	static const struct oci_features none;

	return rt && rt->features ? rt->features : &none;
}

void runtimes_free(void)
{
	while (probes) {
		struct probe *p = probes;

		probes = p->next;
		free(p->path);
		free(p->features.vulnerable);
		free(p);
	}
}
