/*
 * test_cni.c - CNI network lists from a directory, and chains of plugins that are shell scripts:
 * results, environment and stdin, and each kind of failure.
 */
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "net/cni.h"
#include "net/dirwatch.h"

#define OK(call) \
	do { \
		if ((call) != 0) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

struct world {
	char top[64], bin[80], conf[80];
	const char *dirs[3];
};

static void put(const char *dir, const char *name, const char *text, mode_t mode)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	struct err e = ERR_NULL;

	OK(fs_replace_file(path, text, strlen(text), mode, false, &e));
}

/* A plugin: notes its call, then does script. */
static void plugin(const struct world *w, const char *name, const char *script)
{
	_cleanup_free_ char *text =
		xasprintf("#!/bin/sh\ncd %s\necho \"%s $CNI_COMMAND\" >>calls\n"
			  "cat >%s.$CNI_COMMAND.in\nenv | sort >%s.$CNI_COMMAND.env\n%s\n",
			  w->top, name, name, name, script);

	put(w->bin, name, text, 0755);
}

#define RESULT_1 \
	"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"veth1\",\"mac\":\"aa:aa:aa:aa:aa:" \
	"aa\"}," \
	"{\"name\":\"eth0\",\"mac\":\"bb:bb:bb:bb:bb:bb\",\"sandbox\":\"/ns\"}],\"ips\":[" \
	"{\"address\":\"10.1.2.3/24\",\"gateway\":\"10.1.2.1\",\"interface\":1}," \
	"{\"address\":\"10.1.2.1/24\",\"interface\":0},{\"address\":\"fd00::5/" \
	"64\",\"interface\":1}]}"

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct err e = ERR_NULL;

	snprintf(w->top, sizeof(w->top), "/tmp/crisp-cni-XXXXXX");
	assert_non_null(mkdtemp(w->top));
	snprintf(w->bin, sizeof(w->bin), "%s/bin", w->top);
	snprintf(w->conf, sizeof(w->conf), "%s/net.d", w->top);
	OK(fs_mkdir_all(w->bin, 0755, &e));
	OK(fs_mkdir_all(w->conf, 0755, &e));
	w->dirs[0] = "/nonexistent/cni";
	w->dirs[1] = w->bin;
	plugin(w, "main", "[ $CNI_COMMAND != ADD ] || echo '" RESULT_1 "'");
	/* A chained plugin passes on the result it got. */
	plugin(w, "chained",
	       "[ $CNI_COMMAND != ADD ] || "
	       "sed 's/.*\"prevResult\":\\(.*]}\\).*/\\1/' <chained.ADD.in");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	struct err e = ERR_NULL;

	OK(fs_remove_tree(w->top, &e));
	free(w);
	return 0;
}

static char *noted(const struct world *w, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", w->top, name);
	struct buf b = BUF_NULL;
	struct err e = ERR_NULL;

	OK(fs_read_file(path, 1 << 20, &b, &e));
	return buf_take(&b);
}

static void forget_calls(const struct world *w)
{
	_cleanup_free_ char *path = xasprintf("%s/calls", w->top);

	unlink(path);
}

static struct cni_request request(const struct world *w)
{
	return (struct cni_request){ .container_id = "c0ffee",
				     .netns = "/run/ns/x",
				     .ifname = "eth0",
				     .plugin_dirs = w->dirs,
				     .timeout_ms = 60000,
				     .pod_namespace = "space",
				     .pod_name = "pod",
				     .pod_uid = "uid" };
}

#define CONF(version, plugins) \
	"{\"cniVersion\":\"" version "\",\"name\":\"net\",\"plugins\":[" plugins "]}"
#define CHAIN CONF("1.0.0", "{\"type\":\"main\",\"x\":1},{\"type\":\"chained\"}")

static void test_add_del(void **state)
{
	struct world *w = *state;
	struct cni_request req = request(w);
	struct cni_result res = CNI_RESULT_NULL;
	_cleanup_free_ char *json = NULL, *calls = NULL, *env = NULL, *in = NULL, *del = NULL;
	_cleanup_free_ char *path = xasprintf("CNI_PATH=/nonexistent/cni:%s\n", w->bin);
	struct err e = ERR_NULL;

	OK(cni_add(CHAIN, &req, &json, &res, &e));
	assert_int_equal(res.n_ips, 2);
	assert_string_equal(res.ips[0].address, "10.1.2.3");
	assert_int_equal(res.ips[0].prefix, 24);
	assert_string_equal(res.ips[0].gateway, "10.1.2.1");
	assert_string_equal(res.ips[1].address, "fd00::5");
	assert_string_equal(res.mac, "bb:bb:bb:bb:bb:bb");
	assert_int_equal(res.n_interfaces, 2);
	assert_null(res.interfaces[0].sandbox);
	cni_result_done(&res);
	env = noted(w, "main.ADD.env");
	assert_non_null(strstr(env, "CNI_COMMAND=ADD\n"));
	assert_non_null(strstr(env, "CNI_CONTAINERID=c0ffee\n"));
	assert_non_null(strstr(env, "CNI_NETNS=/run/ns/x\n"));
	assert_non_null(strstr(env, "CNI_IFNAME=eth0\n"));
	assert_non_null(strstr(env, path));
	assert_non_null(strstr(env, "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=space;"
				    "K8S_POD_NAME=pod;K8S_POD_INFRA_CONTAINER_ID=c0ffee;"
				    "K8S_POD_UID=uid\n"));
	in = noted(w, "main.ADD.in");
	assert_string_equal(
		in, "{\"type\":\"main\",\"x\":1,\"cniVersion\":\"1.0.0\",\"name\":\"net\"}");
	free(in);
	in = noted(w, "chained.ADD.in");
	assert_non_null(strstr(in, "\"prevResult\":{"));
	/* In reverse, with the result; without a namespace after a reboot. */
	req.netns = NULL;
	OK(cni_del(CHAIN, &req, json, &e));
	OK(cni_del(CHAIN, &req, NULL, &e));
	calls = noted(w, "calls");
	assert_string_equal(calls, "main ADD\nchained ADD\nchained DEL\nmain DEL\nchained DEL\n"
				   "main DEL\n");
	del = noted(w, "main.DEL.in");
	assert_null(strstr(del, "prevResult"));
	free(env);
	env = noted(w, "main.DEL.env");
	assert_non_null(strstr(env, "CNI_NETNS=\n"));
}

static void test_old_version(void **state)
{
	struct world *w = *state;
	struct cni_request req = request(w);
	_cleanup_free_ char *in = NULL;
	struct err e = ERR_NULL;

	OK(cni_del(CONF("0.3.1", "{\"type\":\"main\"}"), &req, RESULT_1, &e));
	in = noted(w, "main.DEL.in");
	assert_null(strstr(in, "prevResult"));
	free(in);
	OK(cni_del(CONF("0.4.0", "{\"type\":\"main\"}"), &req, RESULT_1, &e));
	in = noted(w, "main.DEL.in");
	assert_non_null(strstr(in, "\"prevResult\":{\"cniVersion\":\"1.0.0\""));
	forget_calls(w);
	/* No CHECK before 0.4.0, nor when it is disabled. */
	OK(cni_check(CONF("0.3.1", "{\"type\":\"main\"}"), &req, RESULT_1, &e));
	OK(cni_check("{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"disableCheck\":true,"
		     "\"plugins\":[{\"type\":\"main\"}]}",
		     &req, RESULT_1, &e));
	OK(cni_check(CHAIN, &req, RESULT_1, &e));
	free(in);
	in = noted(w, "calls");
	assert_string_equal(in, "main CHECK\nchained CHECK\n");
	assert_int_equal(cni_check(CHAIN, &req, NULL, &e), -ERR_PRECONDITION);
}

/* Without a version it is 0.1.0, whose result has ip4 and ip6; the next plugin gets it with the
 * configuration's version. */
static void test_oldest_versions(void **state)
{
	static const char *const confs[] = {
		"{\"name\":\"net\",\"plugins\":[{\"type\":\"old\"},{\"type\":\"old\"}]}",
		CONF("0.1.0", "{\"type\":\"old\"},{\"type\":\"old\"}"),
		CONF("0.2.0", "{\"type\":\"old\"},{\"type\":\"old\"}"),
		CONF("", "{\"type\":\"old\"},{\"type\":\"old\"}"),
	};
	struct world *w = *state;
	struct cni_request req = request(w);

	plugin(w, "old",
	       "echo '{\"ip4\":{\"ip\":\"10.1.2.3/24\",\"gateway\":\"10.1.2.1\"},"
	       "\"ip6\":{\"ip\":\"fd00::5/64\"},\"dns\":{}}'");
	for (size_t i = 0; i < ARRAY_LEN(confs); i++) {
		const char *version = i == 2 ? "0.2.0" : "0.1.0";
		_cleanup_free_ char *json = NULL, *in = NULL;
		_cleanup_free_ char *prev = xasprintf("\"cniVersion\":\"%s\"}", version);
		struct cni_result res = CNI_RESULT_NULL;
		struct err e = ERR_NULL;

		OK(cni_add(confs[i], &req, &json, &res, &e));
		assert_int_equal(res.n_ips, 2);
		assert_string_equal(res.ips[0].address, "10.1.2.3");
		assert_string_equal(res.ips[0].gateway, "10.1.2.1");
		assert_string_equal(res.ips[1].address, "fd00::5");
		cni_result_done(&res);
		in = noted(w, "old.ADD.in");
		assert_non_null(strstr(in, "\"prevResult\":{"));
		assert_non_null(strstr(in, prev));
		assert_non_null(strstr(json, prev));
	}
}

static void test_capabilities(void **state)
{
	static const char conf[] = CONF(
		"1.0.0",
		"{\"type\":\"main\",\"runtimeConfig\":{\"evil\":1},\"capabilities\":{"
		"\"portMappings\":true,\"bandwidth\":true,\"dns\":true,\"cgroupPath\":true,"
		"\"io.kubernetes.cri.pod-annotations\":true,\"mac\":true}},"
		"{\"type\":\"chained\",\"capabilities\":{\"portMappings\":false,\"dns\":true}}");
	struct cni_port_mapping ports[] = { { 8080, 80, "tcp", "" },
					    { 53, 54, "udp", "127.0.0.1" } };
	struct cni_bandwidth bw = { .ingress_rate = 1000, .ingress_burst = 2000 };
	struct cni_annotation notes[] = { { "a/b", "c\"d" } };
	struct world *w = *state;
	struct cni_request req = request(w);
	_cleanup_free_ char *in = NULL, *json = NULL;
	struct cni_result res = CNI_RESULT_NULL;
	struct err e = ERR_NULL;

	req.port_mappings = ports;
	req.n_port_mappings = 2;
	req.bandwidth = &bw;
	req.dns_servers = (const char *const[]){ "10.0.0.10", NULL };
	req.annotations = notes;
	req.n_annotations = 1;
	req.cgroup_path = "/pods/x";
	OK(cni_add(conf, &req, &json, &res, &e));
	cni_result_done(&res);
	in = noted(w, "main.ADD.in");
	assert_non_null(
		strstr(in, "\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":8080,"
			   "\"containerPort\":80,\"protocol\":\"tcp\"},{\"hostPort\":53,"
			   "\"containerPort\":54,\"protocol\":\"udp\",\"hostIP\":\"127.0.0.1\"}],"
			   "\"bandwidth\":{\"ingressRate\":1000,\"ingressBurst\":2000},"
			   "\"dns\":{\"servers\":[\"10.0.0.10\"],\"searches\":[],\"options\":[]},"
			   "\"cgroupPath\":\"/pods/x\","
			   "\"io.kubernetes.cri.pod-annotations\":{\"a/b\":\"c\\\"d\"}}"));
	assert_null(strstr(in, "capabilities"));
	assert_null(strstr(in, "evil"));
	free(in);
	in = noted(w, "chained.ADD.in");
	assert_non_null(strstr(in, "\"runtimeConfig\":{\"dns\":"));
	assert_null(strstr(in, "portMappings"));
	/* A value that would end its argument early. */
	req.pod_name = "a;K8S_POD_UID=b";
	free(json);
	json = NULL;
	assert_int_equal(cni_add(conf, &req, &json, &res, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "K8S_POD_NAME"));
}

static const struct {
	const char *script;
	int code;
	const char *want;
} failures[] = {
	{ "echo '{\"code\":7,\"msg\":\"no such\",\"details\":\"bridge\"}'; echo loud >&2; exit 1",
	  ERR_INTERNAL,
	  "CNI ADD, plugin bad of network net: code 7: no such; bridge; stderr: loud" },
	{ "echo '{\"code\":11,\"msg\":\"later\"}'; exit 1", ERR_UNAVAILABLE, "code 11: later" },
	{ "echo rubbish; exit 3", ERR_INTERNAL,
	  "exit status 3 and not the error object it should have printed: rubbish" },
	{ "echo '{\"code\":\"x\",\"msg\":\"y\"}'; exit 1", ERR_INTERNAL, "exit status 1 and not" },
	{ "echo '{\"code\":1,\"code\":2,\"msg\":\"y\"}'; exit 1", ERR_INTERNAL,
	  "exit status 1 and not" },
	{ "echo why >&2; exit 1", ERR_INTERNAL, "exit status 1 and no output; stderr: why" },
	{ "kill -SEGV $$", ERR_INTERNAL, "exit status 139 and no output" },
	{ "true", ERR_INVALID, "plugin bad of network net: bad result: line" },
	{ "echo rubbish", ERR_INVALID, "bad result: line 1: not JSON" },
	{ "printf '\\377\\376'", ERR_INVALID, "bad result: line 1: not JSON" },
	{ "echo '[]'", ERR_INVALID, "bad result: not a JSON object" },
	{ "echo '{\"cniVersion\":\"2.0.0\"}'", ERR_INVALID,
	  "bad result: cniVersion: 2.0.0 is not supported" },
	{ "echo '{\"cniVersion\":1}'", ERR_INVALID, "bad result: cniVersion: must be a string" },
	{ "echo '{\"ip4\":{\"ip\":\"x\"}}'", ERR_INVALID, "ips[0].address: ADDRESS/PRE" },
	{ "echo '{\"ip4\":7}'", ERR_INVALID, "ips[0].address: ADDRESS/PRE" },
	{ "echo '{\"cniVersion\":\"1.0.0\",\"cniVersion\":\"1.0.0\"}'", ERR_INVALID, "not JSON" },
	{ "echo '{\"cniVersion\":\"1.0.0\",\"ips\":{}}'", ERR_INVALID, "ips: must be a list" },
	{ "echo '{\"cniVersion\":\"1.0.0\",\"ips\":[1]}'", ERR_INVALID,
	  "ips[0]: must be an object" },
	{ "echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{}]}'", ERR_INVALID,
	  "ips[0].address: ADDRESS/PRE" },
	{ "echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"1.2.3.4\"}]}'", ERR_INVALID,
	  "ips[0].address" },
	{ "echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"1.2.3.4/33\"}]}'", ERR_INVALID,
	  "1.2.3.4/33 is not an address" },
	{ "echo "
	  "'{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"1.2.3.4/24\",\"gateway\":\"x\"}]}'",
	  ERR_INVALID, "ips[0].gateway: x is not an address" },
	{ "echo "
	  "'{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"1.2.3.4/24\",\"interface\":0}]}'",
	  ERR_INVALID, "ips[0].interface: there is no such interface" },
	{ "echo '{\"cniVersion\":\"1.0.0\",\"interfaces\":[{}]}'", ERR_INVALID,
	  "interfaces[0].name: required" },
	{ "echo '{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":1}]}'", ERR_INVALID,
	  "interfaces[0].name: must be a string" },
	{ "head -c 10485760 /dev/zero | tr '\\0' x", ERR_RANGE, "printed more than 1048576 bytes" },
};

static void test_add_fails(void **state)
{
	struct world *w = *state;
	struct cni_request req = request(w);

	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		struct cni_result res = CNI_RESULT_NULL;
		struct err e = ERR_NULL;
		char *json = NULL;

		plugin(w, "bad", failures[i].script);
		if (cni_add(CONF("1.0.0",
				 "{\"type\":\"main\"},{\"type\":\"bad\"},{\"type\":\"chained\"}"),
			    &req, &json, &res, &e) != -failures[i].code)
			fail_msg("%s: code %d, %s", failures[i].script, e.code, e.text);
		if (!strstr(e.text, failures[i].want))
			fail_msg("wanted %s, got %s", failures[i].want, e.text);
		assert_null(json);
		assert_null(res.ips);
	}
}

static void test_hangs(void **state)
{
	struct world *w = *state;
	struct cni_request req = request(w);
	struct cni_result res = CNI_RESULT_NULL;
	_cleanup_free_ char *calls = NULL;
	struct err e = ERR_NULL;
	char *json = NULL;

	plugin(w, "bad", "echo waiting >&2; sleep 1000");
	req.timeout_ms = 500;
	assert_int_equal(cni_add(CONF("1.0.0", "{\"type\":\"bad\"}"), &req, &json, &res, &e),
			 -ERR_DEADLINE);
	assert_non_null(strstr(e.text, "CNI ADD, plugin bad of network net: "));
	assert_non_null(strstr(e.text, "did not end within 500 ms"));
	/* A DEL goes on to the others and tells the first failure. */
	forget_calls(w);
	req.timeout_ms = 60000;
	plugin(w, "bad", "echo '{\"code\":5,\"msg\":\"mine\"}'; exit 1");
	assert_int_equal(cni_del(CONF("1.0.0", "{\"type\":\"main\"},{\"type\":\"bad\"},"
					       "{\"type\":\"missing\"},{\"type\":\"chained\"}"),
				 &req, NULL, &e),
			 -ERR_INTERNAL);
	assert_non_null(strstr(e.text, "plugin missing of network net: the program is not in any"));
	calls = noted(w, "calls");
	assert_string_equal(calls, "chained DEL\nbad DEL\nmain DEL\n");
}

static void expect_no_conf(const struct world *w, const char *name, const char *want)
{
	struct cni_conf c = CNI_CONF_NULL;
	struct err e = ERR_NULL;

	assert_int_equal(cni_conf_find(w->conf, name, w->dirs, &c, &e), -ERR_UNAVAILABLE);
	if (!strstr(e.text, want))
		fail_msg("wanted %s, got %s", want, e.text);
}

static void test_find(void **state)
{
	struct world *w = *state;
	struct cni_conf c = CNI_CONF_NULL;
	struct err e = ERR_NULL;

	expect_no_conf(w, NULL, "no CNI network in ");
	put(w->conf, "00-broken.conflist", "{", 0644);
	put(w->conf, "01-noname.conf", "{\"cniVersion\":\"1.0.0\",\"type\":\"main\"}", 0644);
	put(w->conf, "02-old.conf", "{\"cniVersion\":\"0.0.9\",\"name\":\"n\",\"type\":\"main\"}",
	    0644);
	put(w->conf, "03-empty.conflist",
	    "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"plugins\":[]}", 0644);
	put(w->conf, "04-path.conf", "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"../x\"}",
	    0644);
	put(w->conf, "05-gone.conf", "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"gone\"}",
	    0644);
	put(w->conf, "06-noversion.conf", "{\"cniVersion\":1,\"name\":\"n\",\"type\":\"main\"}",
	    0644);
	put(w->conf, "07-array.json", "[]", 0644);
	put(w->conf, "08-ignored.txt", CHAIN, 0644);
	put(w->conf, ".09-hidden.conf", CHAIN, 0644);
	expect_no_conf(w, "", "00-broken.conflist: line 1: not JSON");
	expect_no_conf(w, NULL, "01-noname.conf: name: required");
	expect_no_conf(w, NULL, "02-old.conf: cniVersion: 0.0.9 is not supported, 0.1.0 to");
	expect_no_conf(w, NULL, "03-empty.conflist: plugins: a list");
	expect_no_conf(w, NULL, "04-path.conf: plugins[0].type: the name of a program");
	expect_no_conf(w, NULL, "05-gone.conf: plugin gone is not in /nonexistent/cni ");
	expect_no_conf(w, NULL, "06-noversion.conf: cniVersion: must be a string");
	expect_no_conf(w, NULL, "07-array.json: not a JSON object");
	put(w->conf, "20-second.conflist", CONF("0.4.0", "{\"type\":\"chained\"}"), 0644);
	put(w->conf, "10-first.conf",
	    "{\"cniVersion\":\"0.4.0\",\"cniVersions\":[\"0.3.1\",\"1.0.0\",\"9.0.0\"],"
	    "\"name\":\"first\",\"type\":\"main\"}",
	    0644);
	OK(cni_conf_find(w->conf, NULL, w->dirs, &c, &e));
	assert_string_equal(c.name, "first");
	/* What was stored can be used: as a list. */
	{
		struct cni_request req = request(w);
		_cleanup_free_ char *in = NULL;

		OK(cni_del(c.json, &req, NULL, &e));
		in = noted(w, "main.DEL.in");
		assert_non_null(strstr(in, "\"cniVersion\":\"1.0.0\",\"cniVersions\""));
	}
	cni_conf_done(&c);
	OK(cni_conf_find(w->conf, "net", w->dirs, &c, &e));
	assert_string_equal(c.name, "net");
	cni_conf_done(&c);
	expect_no_conf(w, "third", "no CNI network called third in ");
	assert_int_equal(cni_conf_find("/nonexistent/net.d", NULL, w->dirs, &c, &e),
			 -ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "/nonexistent/net.d"));
	OK(cni_ready(w->conf, NULL, w->dirs, 60000, &e));
}

static unsigned calls_of(struct world *w)
{
	_cleanup_free_ char *calls = noted(w, "calls");
	unsigned n = 0;

	for (const char *p = calls; p && (p = strchr(p, '\n')); p++)
		n++;
	return n;
}

static int ready_cached(struct world *w, struct cni_readiness *cache, struct err *e)
{
	*e = ERR_NULL;
	return cni_ready_cached(w->conf, NULL, w->dirs, 60000, 0, cache, e);
}

static int ready_within(struct world *w, int64_t grace_ns, struct cni_readiness *cache,
			struct err *e)
{
	*e = ERR_NULL;
	cache->until_ns = 0;
	return cni_ready_cached(w->conf, NULL, w->dirs, 60000, grace_ns, cache, e);
}

/* A network that was ready stays so for the grace period, one that never was does not. */
static void test_grace(void **state)
{
	const int64_t hour = 3600 * INT64_C(1000000000);
	struct cni_readiness cache = { .until_ns = 0 };
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/10-net.conflist", w->conf);
	struct err e;

	assert_int_equal(ready_within(w, hour, &cache, &e), -ERR_UNAVAILABLE);
	assert_int_equal(cache.excused.code, ERR_OK);
	put(w->conf, "10-net.conflist", CHAIN, 0644);
	OK(ready_within(w, hour, &cache, &e));
	assert_int_equal(cache.excused.code, ERR_OK);
	assert_int_equal(unlink(path), 0);
	OK(ready_within(w, hour, &cache, &e));
	assert_int_equal(cache.excused.code, ERR_UNAVAILABLE);
	OK(ready_within(w, hour, &cache, &e));
	assert_int_equal(ready_within(w, 1, &cache, &e), -ERR_UNAVAILABLE);
	assert_int_equal(cache.excused.code, ERR_OK);
	/* Over: it does not begin again. */
	assert_int_equal(ready_within(w, hour, &cache, &e), -ERR_UNAVAILABLE);
	put(w->conf, "10-net.conflist", CHAIN, 0644);
	OK(ready_within(w, hour, &cache, &e));
}

static void test_ready_cached(void **state)
{
	static const char conf[] = CONF("1.1.0", "{\"type\":\"main\"},{\"type\":\"stat\"}");
	struct cni_readiness cache = { .until_ns = 0 };
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/10-net.conflist", w->conf);
	struct err e;

	assert_int_equal(ready_cached(w, &cache, &e), -ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "no CNI network"));
	assert_int_equal(ready_cached(w, &cache, &e), -ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "no CNI network"));
	put(w->conf, "10-net.conflist", CHAIN, 0644);
	OK(ready_cached(w, &cache, &e));
	OK(ready_cached(w, &cache, &e));
	/* Changed in place, to nothing that is one; then gone. */
	put(w->conf, "10-net.conflist", "{}", 0644);
	assert_int_equal(ready_cached(w, &cache, &e), -ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "name: required"));
	put(w->conf, "10-net.conflist", CHAIN, 0644);
	OK(ready_cached(w, &cache, &e));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ready_cached(w, &cache, &e), -ERR_UNAVAILABLE);
	/* STATUS runs again when its second is over. */
	plugin(w, "stat", "exit 0");
	put(w->conf, "10-net.conflist", conf, 0644);
	forget_calls(w);
	OK(ready_cached(w, &cache, &e));
	assert_int_equal(calls_of(w), 2);
	cache.until_ns = INT64_MAX;
	OK(ready_cached(w, &cache, &e));
	assert_int_equal(calls_of(w), 2);
	cache.until_ns = 1;
	plugin(w, "stat", "echo '{\"code\":50,\"msg\":\"no daemon yet\"}'; exit 1");
	assert_int_equal(ready_cached(w, &cache, &e), -ERR_UNAVAILABLE);
	cache.until_ns = INT64_MAX;
	assert_int_equal(ready_cached(w, &cache, &e), -ERR_UNAVAILABLE);
	assert_non_null(strstr(e.text, "no daemon yet"));
}

static void add_conf(struct world *w)
{
	put(w->conf, "20-a.conf", "{}", 0644);
}

static void chmod_conf(struct world *w)
{
	_cleanup_free_ char *path = xasprintf("%s/20-a.conf", w->conf);

	assert_int_equal(chmod(path, 0600), 0);
}

static void remove_conf(struct world *w)
{
	_cleanup_free_ char *path = xasprintf("%s/20-a.conf", w->conf);

	assert_int_equal(unlink(path), 0);
}

static void add_plugin(struct world *w)
{
	plugin(w, "new", "");
}

static void make_missing(struct world *w)
{
	_cleanup_free_ char *path = xasprintf("%s/no/such", w->conf);
	struct err e = ERR_NULL;

	OK(fs_mkdir_all(path, 0755, &e));
}

/* A watch that was begun anew is quiet until the change. */
static void watch_sees(struct world *w, const char *const *dirs, void (*change)(struct world *))
{
	_cleanup_close_ int fd = dirwatch_open(w->conf, dirs);

	assert_true(dirwatch_is_quiet(fd));
	change(w);
	assert_false(dirwatch_is_quiet(fd));
}

static void test_watch(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *missing = xasprintf("%s/no/such/dir", w->conf);
	_cleanup_free_ char *link = xasprintf("%s/link", w->conf);
	const char *const none[] = { missing, NULL };

	watch_sees(w, w->dirs, add_conf);
	watch_sees(w, w->dirs, add_conf); /* replaced */
	watch_sees(w, w->dirs, chmod_conf);
	watch_sees(w, w->dirs, remove_conf);
	watch_sees(w, w->dirs, add_plugin);
	watch_sees(w, none, make_missing);
	assert_int_equal(symlink("no", link), 0);
	assert_int_equal(dirwatch_open(w->conf, w->dirs),
			 -1); /* a configuration may be behind it */
	assert_false(dirwatch_is_quiet(-1));
}

static void test_status_and_gc(void **state)
{
	static const char conf[] = CONF("1.1.0", "{\"type\":\"main\"},{\"type\":\"stat\"}");
	struct cni_attachment alive[] = { { "c1", "eth0" }, { "c2", "eth0" } };
	struct world *w = *state;
	_cleanup_free_ char *in = NULL, *env = NULL, *calls = NULL;
	struct err e = ERR_NULL;

	plugin(w, "stat", "exit 0");
	put(w->conf, "10-net.conflist", conf, 0644);
	OK(cni_ready(w->conf, NULL, w->dirs, 60000, &e));
	plugin(w, "stat", "echo '{\"code\":50,\"msg\":\"no daemon yet\"}'; exit 1");
	assert_int_equal(cni_ready(w->conf, NULL, w->dirs, 60000, &e), -ERR_UNAVAILABLE);
	assert_non_null(
		strstr(e.text, "CNI STATUS, plugin stat of network net: code 50: no daemon"));
	env = noted(w, "stat.STATUS.env");
	assert_null(strstr(env, "CNI_CONTAINERID"));
	assert_null(strstr(env, "CNI_NETNS"));
	plugin(w, "stat", "exit 0");
	OK(cni_gc(conf, alive, 2, w->dirs, 60000, &e));
	in = noted(w, "stat.GC.in");
	assert_non_null(
		strstr(in, "\"cni.dev/valid-attachments\":[{\"containerID\":\"c1\","
			   "\"ifname\":\"eth0\"},{\"containerID\":\"c2\",\"ifname\":\"eth0\"}]"));
	/* Versions below have neither. */
	forget_calls(w);
	OK(cni_gc(CHAIN, alive, 2, w->dirs, 60000, &e));
	put(w->conf, "10-net.conflist", CHAIN, 0644);
	OK(cni_ready(w->conf, NULL, w->dirs, 60000, &e));
	OK(cni_check(CHAIN,
		     &(struct cni_request){ .container_id = "x",
					    .ifname = "e",
					    .timeout_ms = 1000,
					    .plugin_dirs = w->dirs },
		     RESULT_1, &e));
	calls = noted(w, "calls");
	assert_string_equal(calls, "main CHECK\nchained CHECK\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_add_del, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_oldest_versions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_capabilities, setup, teardown),
		cmocka_unit_test_setup_teardown(test_add_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hangs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ready_cached, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status_and_gc, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
