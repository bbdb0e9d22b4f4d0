/*
 * test_podrestore.c - what comes before a pod is made from a checkpoint: its files, its
 * connections, the comparison with the request.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "core/objects.h"
#include "net/tcphold.h"
#include "oci/json.h"
#include "pod/criuimg.h"
#include "pod/criusockets.h"
#include "pod/podfile.h"
#include "pod/podfill.h"
#include "pod/podread.h"
#include "pod/podsame.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static char root[] = "/tmp/test_podrestore.XXXXXX";

static char *at(const char *name)
{
	return xasprintf("%s/%s", root, name);
}

/* --- the request --- */

/* Two equal configurations; a test changes the second. */
struct pair {
	Runtime__V1__ContainerConfig c[2];
	Runtime__V1__ContainerMetadata metadata;
	Runtime__V1__KeyValue envs[2][2];
	Runtime__V1__KeyValue *env_list[2][2];
	Runtime__V1__Mount mounts[2][2];
	Runtime__V1__Mount *mount_list[2][2];
	Runtime__V1__LinuxContainerConfig linux[2];
	Runtime__V1__LinuxContainerSecurityContext security[2];
	Runtime__V1__Int64Value user[2];
	int64_t groups[2][2];
	char *words[2][2];
};

static void fill_pair(struct pair *p)
{
	*p = (struct pair){ .metadata = RUNTIME__V1__CONTAINER_METADATA__INIT };
	p->metadata.name = TEXT("c");
	for (int i = 0; i < 2; i++) {
		runtime__v1__container_config__init(&p->c[i]);
		runtime__v1__linux_container_config__init(&p->linux[i]);
		runtime__v1__linux_container_security_context__init(&p->security[i]);
		runtime__v1__int64_value__init(&p->user[i]);
		for (int k = 0; k < 2; k++) {
			runtime__v1__key_value__init(&p->envs[i][k]);
			runtime__v1__mount__init(&p->mounts[i][k]);
			p->env_list[i][k] = &p->envs[i][k];
			p->mount_list[i][k] = &p->mounts[i][k];
			p->envs[i][k].key = TEXT(k ? "B" : "A");
			p->mounts[i][k].container_path = TEXT(k ? "/b" : "/a");
			p->mounts[i][k].host_path = TEXT(i ? "/new" : "/old");
			p->words[i][k] = TEXT(k ? "two" : "one");
			p->groups[i][k] = k;
		}
		p->user[i].value = 7;
		p->security[i].run_as_user = &p->user[i];
		p->security[i].supplemental_groups = p->groups[i];
		p->security[i].n_supplemental_groups = 2;
		p->linux[i].security_context = &p->security[i];
		p->c[i].metadata = &p->metadata;
		p->c[i].linux = &p->linux[i];
		p->c[i].envs = p->env_list[i];
		p->c[i].mounts = p->mount_list[i];
		p->c[i].command = p->words[i];
		p->c[i].n_envs = p->c[i].n_mounts = p->c[i].n_command = 2;
	}
}

#define SAME(change) \
	do { \
		struct err e_ = ERR_NULL; \
		fill_pair(&p); \
		change; \
		assert_int_equal(podsame_container(&p.c[0], &p.c[1], &e_), 0); \
	} while (0)

#define DIFFERS(change, says) \
	do { \
		struct err e_ = ERR_NULL; \
		fill_pair(&p); \
		change; \
		assert_int_equal(podsame_container(&p.c[0], &p.c[1], &e_), -ERR_PRECONDITION); \
		assert_non_null(strstr(e_.text, says)); \
	} while (0)

static void swap(void *list)
{
	void **v = list, *first = v[0];

	v[0] = v[1];
	v[1] = first;
}

static void requests(void **state)
{
	struct pair p;

	(void)state;
	SAME((void)0);
	SAME(swap(p.env_list[1]));
	SAME(swap(p.mount_list[1]));
	SAME((p.groups[1][0] = 1, p.groups[1][1] = 0));
	SAME(p.c[1].log_path = TEXT("other.log"));
	DIFFERS(swap(p.words[1]), "c: command differs");
	DIFFERS(p.c[1].n_command = 1, "c: command differs");
	DIFFERS(p.c[1].n_args = 1; p.c[1].args = p.words[1], "args differs");
	DIFFERS(p.envs[1][0].key = TEXT("C"), "envs differs");
	DIFFERS(p.c[1].n_envs = 1, "envs differs");
	DIFFERS(p.c[1].working_dir = TEXT("/x"), "working_dir differs");
	DIFFERS(p.c[1].tty = true, "tty differs");
	DIFFERS(p.user[1].value = 8, "linux.security_context.run_as_user.value differs");
	DIFFERS(p.security[1].run_as_user = NULL, "run_as_user.value differs");
	DIFFERS(p.groups[1][0] = 5, "supplemental_groups differs");
	DIFFERS(p.security[1].privileged = true, "privileged differs");
	DIFFERS(p.c[1].linux = NULL, "linux.security_context.run_as_user.value differs");
	DIFFERS(p.mounts[1][0].readonly = true, "readonly of /a");
	DIFFERS(p.mounts[1][0].container_path = TEXT("/c"), "mounts: /a is in the checkpoint");
	DIFFERS(p.c[1].n_mounts = 1, "mounts: /b is in the checkpoint");
	DIFFERS(p.c[0].n_mounts = 1, "mounts: /b is in the request");
}

static void pods(void **state)
{
	Runtime__V1__PodSandboxConfig a = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT, b = a;
	Runtime__V1__LinuxPodSandboxConfig linux = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxSandboxSecurityContext security =
		RUNTIME__V1__LINUX_SANDBOX_SECURITY_CONTEXT__INIT;
	Runtime__V1__NamespaceOption ns = RUNTIME__V1__NAMESPACE_OPTION__INIT;
	struct err e = ERR_NULL;

	(void)state;
	b.linux = &linux;
	linux.security_context = &security;
	security.namespace_options = &ns;
	b.hostname = TEXT("other");
	assert_int_equal(podsame_pod(&a, &b, &e), 0);
	ns.network = RUNTIME__V1__NAMESPACE_MODE__NODE;
	assert_int_equal(podsame_pod(&a, &b, &e), -ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "namespace_options: network differs"));
}

/* --- connections --- */

static void put(struct buf *out, const ProtobufCMessage *m)
{
	uint32_t size = (uint32_t)protobuf_c_message_get_packed_size(m);

	buf_add(out, &size, sizeof(size));
	protobuf_c_message_pack(m, buf_reserve(out, size));
	buf_commit(out, size);
}

static void put_socket(struct buf *out, uint32_t family, uint32_t state, const void *src,
		       const void *dst, uint32_t dst_port)
{
	Crisp__Criu__File file = CRISP__CRIU__FILE__INIT;
	Crisp__Criu__InetSocket s = CRISP__CRIU__INET_SOCKET__INIT;
	size_t n = family == AF_INET ? 1 : 4;

	s.family = family;
	s.type = SOCK_STREAM;
	s.proto = IPPROTO_TCP;
	s.state = state;
	s.src_port = 7000;
	s.dst_port = dst_port;
	s.src_addr = xmemdup(src, n * sizeof(uint32_t));
	s.dst_addr = xmemdup(dst, n * sizeof(uint32_t));
	s.n_src_addr = s.n_dst_addr = n;
	file.isk = &s;
	put(out, &file.base);
	free(s.src_addr);
	free(s.dst_addr);
}

static void connections(void **state)
{
	static const uint32_t head[] = { 0x54564319U, CRIUIMG_FILES };
	const uint32_t v4 = htonl(0x0a580005), local = htonl(0x7f000001);
	struct in6_addr v6, mapped;
	_cleanup_buf_ struct buf out = BUF_NULL, text = BUF_NULL;
	_cleanup_free_ char *path = at("files.img");
	struct tcp_flow *flows = NULL;
	struct err e = ERR_NULL;
	size_t n = 9;

	(void)state;
	assert_int_equal(criusockets_connected(root, &flows, &n, &e), 0);
	assert_int_equal(n, 0); /* no file: no sockets */
	inet_pton(AF_INET6, "fd00::5", &v6);
	inet_pton(AF_INET6, "::ffff:10.88.0.9", &mapped);
	buf_add(&out, head, sizeof(head));
	put_socket(&out, AF_INET, TCP_ESTABLISHED, &v4, &local, 40000);
	put_socket(&out, AF_INET, TCP_ESTABLISHED, &v4, &local, 40000);
	put_socket(&out, AF_INET, TCP_LISTEN, &v4, &local, 0);
	put_socket(&out, AF_INET, TCP_CLOSE, &v4, &local, 40001);
	put_socket(&out, AF_INET6, TCP_CLOSE_WAIT, &v6, &v6, 40002);
	put_socket(&out, AF_INET6, TCP_ESTABLISHED, &mapped, &mapped, 40003);
	assert_int_equal(fs_replace_file(path, out.data, out.len, 0600, false, &e), 0);
	assert_int_equal(criusockets_connected(root, &flows, &n, &e), 0);
	assert_int_equal(n, 3);
	tcphold_text("t", flows, n, &text);
	assert_non_null(strstr(text.data, "table inet t\ndelete table inet t\ntable inet t {\n"));
	assert_non_null(strstr(text.data, "127.0.0.1 . 40000 . 10.88.0.5 . 7000"));
	assert_non_null(strstr(text.data, "10.88.0.9 . 40003 . 10.88.0.9 . 7000"));
	assert_non_null(strstr(text.data, "elements = { fd00::5 . 40002 . fd00::5 . 7000 }"));
	assert_null(strstr(text.data, "40001"));
	free(flows);
	put_socket(&out, AF_UNIX, TCP_ESTABLISHED, &v6, &v6, 1);
	assert_int_equal(fs_replace_file(path, out.data, out.len, 0600, false, &e), 0);
	assert_int_equal(criusockets_connected(root, &flows, &n, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "no addresses"));
	buf_done(&text);
	text = BUF_NULL;
	tcphold_text("t", NULL, 0, &text);
	assert_string_equal(text.data, "table inet t\ndelete table inet t\n");
}

/* --- files --- */

static json_t *new_doc(void)
{
	return json_pack("{s:i, s:s, s:{s:s}, s:[], s:[]}", "version", PODFILE_VERSION,
			 "architecture",
#ifdef __x86_64__
			 "x86_64",
#else
			 "aarch64",
#endif
			 "pod", "runtimeHandler", "", "containers", "volumes");
}

static void save(json_t *doc)
{
	_cleanup_free_ char *dir = at(PODFILE_DIR), *file = at(PODFILE_DIR "/x");
	struct err e = ERR_NULL;

	assert_int_equal(fs_mkdir_all(dir, 0700, &e), 0);
	assert_int_equal(fs_replace_file(file, "1", 1, 0600, false, &e), 0);
	assert_int_equal(podfile_write(dir, doc, &e), 0);
}

#define REFUSED(change, code_, says) \
	do { \
		json_t *doc = new_doc(); \
		struct podread pod = PODREAD_NULL; \
		struct err e_ = ERR_NULL; \
		save(doc); \
		change; \
		save(doc); \
		assert_int_equal(podread_open(root, &pod, &e_), -(int)(code_)); \
		assert_non_null(strstr(e_.text, says)); \
		json_decref(doc); \
	} while (0)

static void documents(void **state)
{
	Crisp__State__Sandbox row = CRISP__STATE__SANDBOX__INIT;
	_cleanup_free_ char *more = at(PODFILE_DIR "/more"), *file = at(PODFILE_DIR "/x");
	_cleanup_free_ char *sum = at(PODFILE_DIR "/" PODFILE_SUM_NAME);
	struct podread pod = PODREAD_NULL;
	struct err e = ERR_NULL;
	json_t *doc = new_doc();

	(void)state;
	save(doc);
	assert_int_equal(podread_open(root, &pod, &e), 0);
	assert_int_equal(podread_check_files(&pod, &e), 0);
	assert_int_equal(podread_check_sum(&pod, "x", file, &e), 0);
	assert_int_equal(podfill_check(&pod, &row, &e), 0);
	assert_null(podread_container(&pod, "c"));
	assert_null(podread_pod_config(&pod, &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(fs_replace_file(more, "1", 1, 0600, false, &e), 0);
	assert_int_equal(podread_check_files(&pod, &e), -ERR_INVALID);
	assert_int_equal(unlink(more), 0);
	assert_int_equal(mkfifo(more, 0600), 0);
	assert_int_equal(podread_check_files(&pod, &e), -ERR_INVALID);
	assert_int_equal(unlink(more), 0);
	assert_int_equal(fs_replace_file(file, "2", 1, 0600, false, &e), 0);
	assert_int_equal(podread_check_files(&pod, &e), 0); /* of the same size */
	assert_int_equal(podread_check_sum(&pod, "x", file, &e), -ERR_INVALID);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(podread_check_files(&pod, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "/x is missing"));
	podread_done(&pod);
	assert_int_equal(unlink(sum), 0);
	assert_int_equal(podread_open(root, &pod, &e), -ERR_INVALID);
	json_decref(doc);
}

static void other_documents(void **state)
{
	(void)state;
	REFUSED(oci_json_put_number(doc, "version", 2), ERR_PRECONDITION, "version 2");
	REFUSED(oci_json_put_text(doc, "architecture", "vax"), ERR_PRECONDITION, "vax");
	REFUSED(json_object_del(doc, "containers"), ERR_INVALID, "missing");
	REFUSED(oci_json_put_text(doc, "volumes", "none"), ERR_INVALID, "missing");
}

static void volumes(void **state)
{
	static const char *const bad[] = {
		"[{\"file\": \"volumes/1.tar\", \"mounts\": []}]",
		"[{\"file\": \"../0.tar\", \"mounts\": []}]",
		"[{\"mounts\": []}]",
		"[1]",
		"[{\"file\": \"volumes/0.tar\", \"mounts\": []},"
		" {\"file\": \"volumes/1.tar\", \"mounts\": []}]",
		"[{\"file\": \"volumes/0.tar\", \"mounts\": [{\"container\": 1}]}]",
	};
	Crisp__State__Sandbox row = CRISP__STATE__SANDBOX__INIT;
	struct podread pod = { .dir = root };
	struct err e = ERR_NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		pod.doc = new_doc();
		oci_json_put(pod.doc, "volumes", json_loads(bad[i], 0, NULL));
		assert_int_equal(podfill_check(&pod, &row, &e), -ERR_INVALID);
		json_decref(pod.doc);
	}
	pod.doc = new_doc();
	oci_json_put(pod.doc, "volumes",
		     json_loads("[{\"file\": \"volumes/0.tar\", \"mounts\": "
				"[{\"container\": \"c\", \"path\": \"/m\"}]}]",
				0, NULL));
	assert_int_equal(podfill_check(&pod, &row, &e), -ERR_PRECONDITION);
	assert_non_null(strstr(e.text, "not mounted"));
	json_decref(pod.doc);
}

static int begin(void **state)
{
	static struct conf conf;

	(void)state;
	conf.root = conf.runroot = TEXT("/nowhere");
	world.conf = &conf;
	return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	return fs_remove_tree(root, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),	   cmocka_unit_test(pods),
		cmocka_unit_test(connections),	   cmocka_unit_test(documents),
		cmocka_unit_test(other_documents), cmocka_unit_test(volumes),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
