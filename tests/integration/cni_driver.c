/*
 * cni_driver.c - a pod's namespaces and network from the command line, through the same calls
 * that the daemon makes: for pod/cni.sh.
 *
 *   cni_driver up ID DIR CONF_DIR PLUGIN_DIR [HOST_PORT:CONTAINER_PORT]
 *   cni_driver check|down|down-lost ID DIR CONF_DIR PLUGIN_DIR
 *   cni_driver ready CONF_DIR PLUGIN_DIR
 *
 * up pins namespaces in DIR/ns, stores configuration and result in DIR and prints the pod's IPs;
 * down-lost does what a daemon does after a reboot: no namespace any more, no result.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "net/cni.h"
#include "os/ns.h"

struct pod {
	const char *id, *dir, *conf_dir;
	const char *plugin_dirs[2];
	char *ns, *netns;
	struct cni_port_mapping port;
	struct cni_request req;
};

static int save(const struct pod *p, const char *name, const char *text, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", p->dir, name);

	return fs_replace_file(path, text, strlen(text), 0600, false, e);
}

/* NULL when it is not there. */
static char *load(const struct pod *p, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", p->dir, name);
	struct buf b = BUF_NULL;
	struct err e = ERR_NULL;

	return fs_read_file(path, 1 << 20, &b, &e) == 0 ? buf_take(&b) : NULL;
}

static void pod_init(struct pod *p, char **argv, const char *ports)
{
	*p = (struct pod){
		.id = argv[0], .dir = argv[1], .conf_dir = argv[2], .plugin_dirs = { argv[3], NULL }
	};
	p->ns = xasprintf("%s/ns", p->dir);
	p->netns = xasprintf("%s/net", p->ns);
	p->req = (struct cni_request){
		.container_id = p->id,
		.netns = p->netns,
		.ifname = "eth0",
		.plugin_dirs = p->plugin_dirs,
		.pod_namespace = "test",
		.pod_name = p->id,
		.pod_uid = "uid",
		.timeout_ms = 60000,
	};
	if (ports && strchr(ports, ':')) {
		_cleanup_free_ char *host = xstrndup(ports, strcspn(ports, ":"));
		uint64_t from = 0, to = 0;

		str_to_u64(host, 65535, &from);
		str_to_u64(strchr(ports, ':') + 1, 65535, &to);
		p->port = (struct cni_port_mapping){ (uint16_t)from, (uint16_t)to, "tcp", NULL };
		p->req.port_mappings = &p->port;
		p->req.n_port_mappings = 1;
	}
}

static int up(struct pod *p, struct err *e)
{
	_cleanup_(cni_conf_done) struct cni_conf conf = CNI_CONF_NULL;
	_cleanup_(cni_result_done) struct cni_result result = CNI_RESULT_NULL;
	_cleanup_free_ char *json = NULL;
	int r = ns_pin(p->ns, NS_KIND_NET | NS_KIND_UTS | NS_KIND_IPC, p->id, NULL, e);

	if (!r)
		r = cni_conf_find(p->conf_dir, NULL, p->plugin_dirs, &conf, e);
	if (!r)
		r = save(p, "conf.json", conf.json, e);
	if (!r)
		r = cni_add(conf.json, &p->req, &json, &result, e);
	if (!r)
		r = save(p, "result.json", json, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < result.n_ips; i++)
		printf("%s\n", result.ips[i].address);
	return 0;
}

static int down(struct pod *p, bool lost, struct err *e)
{
	_cleanup_free_ char *conf = load(p, "conf.json"), *result = load(p, "result.json");
	int r;

	if (!conf)
		return err_set(e, ERR_NOT_FOUND, "%s has no conf.json", p->dir);
	if (lost) {
		r = ns_unpin(p->ns, e);
		if (r < 0)
			return r;
		p->req.netns = NULL;
	}
	r = cni_del(conf, &p->req, lost ? NULL : result, e);
	return r < 0 ? r : ns_unpin(p->ns, e);
}

static int check(struct pod *p, struct err *e)
{
	_cleanup_free_ char *conf = load(p, "conf.json"), *result = load(p, "result.json");

	if (!conf || !result)
		return err_set(e, ERR_NOT_FOUND, "%s has no network", p->dir);
	return cni_check(conf, &p->req, result, e);
}

static int run(int argc, char **argv, struct err *e)
{
	struct pod p;
	int r;

	if (argc == 4 && strcmp(argv[1], "ready") == 0)
		return cni_ready(argv[2], NULL, (const char *const[]){ argv[3], NULL }, 60000, e);
	if (argc < 6)
		return err_set(e, ERR_INVALID, "see the head of cni_driver.c");
	pod_init(&p, argv + 2, argc > 6 ? argv[6] : NULL);
	if (strcmp(argv[1], "up") == 0)
		r = up(&p, e);
	else if (strcmp(argv[1], "check") == 0)
		r = check(&p, e);
	else
		r = down(&p, strcmp(argv[1], "down-lost") == 0, e);
	free(p.ns);
	free(p.netns);
	return r;
}

int main(int argc, char **argv)
{
	struct err e = ERR_NULL;

	if (run(argc, argv, &e) < 0) {
		fprintf(stderr, "%s: %s\n", err_code_name(e.code), e.text);
		return 1;
	}
	return 0;
}
