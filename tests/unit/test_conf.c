/*
 * test_conf.c - configuration files: each refusal with file and line, what is ignored, merging,
 * values from flags, checks of the whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "tests/unit/confkit.h"

static void test_defaults(void **state)
{
	struct conf c;
	struct err e = ERR_NULL;

	(void)state;
	conf_init(&c);
	add_runtime(&c, "runc");
	assert_int_equal(conf_finish(&c, &e), 0);
	assert_string_equal(c.root, "/var/lib/crisp");
	assert_string_equal(c.listen, "/run/crisp/crisp.sock");
	assert_string_equal(c.namespaces_dir, "/run/crisp/ns");
	assert_string_equal(c.plugin_dirs[0], "/opt/cni/bin");
	assert_string_equal(c.plugin_dirs[1], "/usr/lib/cni");
	assert_null(c.plugin_dirs[2]);
	assert_string_equal(c.default_capabilities[0], "CHOWN");
	assert_string_equal(c.pause_image, "");
	assert_true(c.drop_infra_ctr);
	assert_null(c.warnings);
	assert_null(c.later);
	assert_int_equal(c.cgroup_manager, fs_exists("/run/systemd/system")
						   ? CONF_CGROUP_MANAGER_SYSTEMD
						   : CONF_CGROUP_MANAGER_CGROUPFS);
	assert_string_equal(conf_runtime_find(&c, NULL)->name, "runc");
	assert_string_equal(conf_runtime_find(&c, "")->path, "/bin/sh");
	assert_string_equal(conf_runtime_find(&c, "runc")->root, "/run/crisp/runc");
	assert_int_equal(conf_runtime_find(&c, "runc")->container_create_timeout, 240);
	assert_null(conf_runtime_find(&c, "none"));
	conf_done(&c);
}

static void test_file(void **state)
{
	struct conf c;
	struct err e = ERR_NULL;
	const struct conf_runtime *rt;

	conf_init(&c);
	load_ok(&c, *state,
		"[crio]\nroot = \"/srv//crisp/\"\nrunroot = '/run/other'\n"
		"[crio.api]\nlisten = \"/run/x.sock\"\nstream_port = \"10010\"\n"
		"grpc_max_recv_msg_size = 1000\n"
		"[crio.runtime]\ndefault_runtime = \"mine\"\nlog_level = \"debug\"\n"
		"cgroup_manager = \"systemd\"\npids_limit = 100\nread_only = true\n"
		"drop_infra_ctr = false\nlog_to_journald = true\n"
		"default_capabilities = []\n"
		"default_sysctls = [\n  \"net.ipv4.ping_group_range=0 0\",\n]\n"
		"default_ulimits = [\"nofile=1024:2048\", \"core=-1:-1\"]\n"
		"additional_devices = [\"/dev/fuse\", \"/dev/null:/dev/n:rw\"]\n"
		"[crio.runtime.runtimes.mine]\nruntime_path = \"/bin/sh\"\n"
		"runtime_root = \"/run/mine\"\ncontainer_min_memory = \"2MiB\"\n"
		"container_create_timeout = 60\nprivileged_without_host_devices = true\n"
		"no_sync_log = true\n"
		"[crio.image]\npause_image = \"p:1\"\npinned_images = [\"a\", \"b\"]\n"
		"[crio.network]\nnetwork_dir = \"/etc/cni/net.d/\"\nplugin_dirs = [\"/x/\"]\n"
		"plugin_dir = \"/y\"\ncni_default_network = \"n\"\n");
	assert_int_equal(conf_finish(&c, &e), 0);
	assert_string_equal(c.root, "/srv/crisp");
	assert_string_equal(c.listen, "/run/x.sock");
	assert_string_equal(c.stream_port, "10010");
	assert_int_equal(c.grpc_max_recv_msg_size, 1000);
	assert_int_equal(c.cgroup_manager, CONF_CGROUP_MANAGER_SYSTEMD);
	assert_int_equal(c.pids_limit, 100);
	assert_true(c.read_only);
	assert_false(c.drop_infra_ctr);
	assert_null(c.default_capabilities);
	assert_string_equal(c.default_sysctls[0], "net.ipv4.ping_group_range=0 0");
	assert_string_equal(c.default_ulimits[1], "core=-1:-1");
	assert_string_equal(c.pinned_images[1], "b");
	assert_string_equal(c.network_dir, "/etc/cni/net.d");
	assert_string_equal(c.plugin_dirs[0], "/x");
	assert_string_equal(c.plugin_dirs[1], "/y");
	rt = conf_runtime_find(&c, NULL);
	assert_string_equal(rt->name, "mine");
	assert_string_equal(rt->root, "/run/mine");
	assert_int_equal(rt->container_min_memory, 2 << 20);
	assert_int_equal(rt->container_create_timeout, 60);
	assert_true(rt->privileged_without_host_devices);
	assert_true(rt->no_sync_log && c.log_to_journald);
	conf_done(&c);
}

static const struct {
	const char *text, *want; /* want: after the file's name */
} bad[] = {
	{ "crio = 1", ":1: crio: must be a table, not an integer" },
	{ "[crio]\nroot = 1", ":2: crio.root: must be a string, not an integer" },
	{ "[crio]\nroot = \"a\"", ":2: crio.root: \"a\" must be an absolute path" },
	{ "[crio]\nroot = \"/a/../b\"", ":2: crio.root: \"/a/../b\" must be an absolute path" },
	{ "[crio.api]\nstream_port = \"65536\"", ":2: crio.api.stream_port: \"65536\" is not" },
	{ "[crio.api]\ngrpc_max_send_msg_size = 4294967296",
	  ":2: crio.api.grpc_max_send_msg_size: 4294967296 must be from -2147483648 to" },
	{ "[crio.runtime]\nread_only = \"true\"", ":2: crio.runtime.read_only: must be a boolean" },
	{ "[crio.runtime]\nlog_level = \"loud\"", ":2: crio.runtime.log_level: \"loud\" is not" },
	{ "[crio.runtime]\ncgroup_manager = \"x\"",
	  ":2: crio.runtime.cgroup_manager: \"x\" is not" },
	{ "[crio.runtime]\npids_limit = -2", ":2: crio.runtime.pids_limit: -2 must be from -1" },
	{ "[crio.runtime]\ndefault_env = [\n\"A=1\",\n\"B\"]",
	  ":4: crio.runtime.default_env: \"B\" is not allowed" },
	{ "[crio.runtime]\ndefault_env = \"A=1\"",
	  ":2: crio.runtime.default_env: must be an array" },
	{ "[crio.runtime]\ndefault_env = [1]", ":2: crio.runtime.default_env: must be a string" },
	{ "[crio.runtime]\ndefault_ulimits = [\"nofile=2:1\"]",
	  ":2: crio.runtime.default_ulimits" },
	{ "[crio.runtime]\ndefault_ulimits = [\"nofile=-1:1\"]",
	  ":2: crio.runtime.default_ulimits" },
	{ "[crio.runtime]\ndefault_sysctls = [\"=1\"]", ":2: crio.runtime.default_sysctls" },
	{ "[crio.runtime]\nadditional_devices = [\"/dev/a:x\"]",
	  ":2: crio.runtime.additional_devic" },
	{ "[crio.runtime]\ntimezone = \"../../etc/passwd\"", ":2: crio.runtime.timezone" },
	{ "[crio.runtime.runtimes.\"a/b\"]\n", ":1: crio.runtime.runtimes.a/b: a handler's name" },
	{ "[crio.runtime.runtimes]\nx = 1", ":2: crio.runtime.runtimes.x: must be a table" },
	{ "[crio.runtime.runtimes.x]\nruntime_type = \"wm\"",
	  ":2: crio.runtime.runtimes.x.runtime_type: \"wm\" is not allowed; it must be oci, pod" },
	{ "[crio.runtime.runtimes.x]\ncontainer_min_memory = \"2XB\"",
	  ":2: crio.runtime.runtimes.x.container_min_memory: \"2XB\" is not a size" },
	{ "[crio.runtime.runtimes.x]\ncontainer_min_memory = \"9999999999TiB\"",
	  ":2: crio.runtime.runtimes.x.container_min_memory: \"9999999999TiB\" is not a size" },
	{ "[crio.runtime.runtimes.x.default_annotations]\na = [1]",
	  ":2: crio.runtime.runtimes.x.default_annotations: a must be a plain value" },
	{ "[crio.metrics]\nenable_metrics = 1",
	  ":2: crio.metrics.enable_metrics: must be a boolean" },
	{ "[crio]\nroot", ":2: = is missing" },
};

static void test_refused(void **state)
{
	const struct dir *d = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_free_ char *want = xasprintf("%s/crio.conf%s", d->path, bad[i].want);
		struct err e = ERR_NULL;
		struct conf c;

		conf_init(&c);
		if (load(&c, d, bad[i].text, &e) != -ERR_INVALID)
			fail_msg("accepted: %s", bad[i].text);
		if (strncmp(e.text, want, strlen(want)) != 0)
			fail_msg("wanted %s\n got   %s", want, e.text);
		conf_done(&c);
	}
}

/* Names that CRI-O would ignore: told once each, and the rest of the file counts. */
static const struct {
	const char *text, *want; /* want: after the file's name, before the end of the line */
} unknown[] = {
	{ "\n[crio]\nrot = \"/x\"", ":3: crio.rot: unknown key; did you mean crio.root?" },
	{ "[crio.runtim]\na = 1\n",
	  ":1: crio.runtim: unknown table; did you mean table [crio.runtime]?" },
	{ "[kryo]\n", ":1: kryo: unknown table; did you mean table [crio]?" },
	{ "[crio.runtime]\nselinuks = true",
	  ":2: crio.runtime.selinuks: unknown key; did you mean crio.runtime.selinux?" },
	{ "root = \"/x\"", ":1: root: unknown key; did you mean crio.root?" },
	{ "[crio.runtime]\nnetwork_dir = \"/x\"",
	  ":2: crio.runtime.network_dir: unknown key; did you mean crio.network.network_dir?" },
	{ "[crio.runtime.runtimes.x]\nruntime_pth = \"/x\"",
	  ":2: crio.runtime.runtimes.x.runtime_pth: unknown key; did you mean "
	  "crio.runtime.runtimes.*.runtime_path?" },
	{ "[crio.runtime]\nzzzzzzzz = 1", ":2: crio.runtime.zzzzzzzz: unknown key" },
	{ "[crio.runtime]\nmanage_ns_lifecycle = true",
	  ":2: crio.runtime.manage_ns_lifecycle: former key, it is always so" },
	{ "[crio.image]\nregistries = [1, {}]",
	  ":2: crio.image.registries: former key, now unqualified-search-registries of "
	  "registries.conf" },
	{ "[crio.runtime]\nruntime = \"/usr/bin/runc\"",
	  ":2: crio.runtime.runtime: former key, now runtime_path of a handler" },
	{ "[crio.runtime.runtimes.x]\ntimezone = \"\"",
	  ":2: crio.runtime.runtimes.x.timezone: unknown key; did you mean "
	  "crio.runtime.timezone?" },
};

static void test_ignored(void **state)
{
	const struct dir *d = *state;

	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		_cleanup_free_ char *want = xasprintf("%s/crio.conf%s; ignored, as CRI-O does",
						      d->path, unknown[i].want);
		_cleanup_free_ char *text =
			xasprintf("%s\n[crio.metrics]\nmetrics_port = 7\n", unknown[i].text);
		struct conf c;

		conf_init(&c);
		load_ok(&c, d, text);
		assert_non_null(c.ignored);
		assert_string_equal(c.ignored[0], want);
		assert_null(c.ignored[1]);
		assert_null(c.errors);
		assert_int_equal(c.metrics_port, 7);
		conf_done(&c);
	}
}

/* Every finding is listed, up to a limit; the first bad value is the error. */
static void test_findings(void **state)
{
	struct buf text = BUF_NULL;
	struct err e = ERR_NULL;
	struct conf c;
	size_t n = 0;

	conf_init(&c);
	assert_int_equal(load(&c, *state,
			      "[crio]\nlogdir = 1\nroot = 1\n[crio.runtime]\npids_limit = true\n"
			      "selinux = \"x\"\nuid_mappings = \"0:1:2\"\n",
			      &e),
			 -ERR_INVALID);
	assert_non_null(strstr(e.text, "crio.conf:3: crio.root: must be a string"));
	assert_int_equal(conf_finish(&c, &e), -ERR_INVALID);
	assert_non_null(strstr(c.ignored[0], "crio.conf:2: crio.logdir: unknown key"));
	assert_non_null(strstr(c.errors[0], "crio.conf:3: crio.root"));
	assert_non_null(strstr(c.errors[1], "crio.conf:5: crio.runtime.pids_limit"));
	assert_non_null(strstr(c.errors[2], "crio.conf:6: crio.runtime.selinux"));
	assert_non_null(strstr(c.errors[3], "crio.conf:7: crio.runtime.uid_mappings"));
	assert_null(c.errors[4]);
	conf_done(&c);

	for (int i = 0; i < 3000; i++)
		buf_printf(&text, "k%d = %d\n", i, i);
	conf_init(&c);
	load_ok(&c, *state, text.data);
	while (c.ignored[n])
		n++;
	assert_int_equal(n + c.n_unlisted, 3000);
	assert_true(n <= 1000);
	buf_done(&text);
	conf_done(&c);
}

/* CRI-O's decoder does not mind the case of letters. */
static void test_case_of_names(void **state)
{
	struct conf c;

	conf_init(&c);
	load_ok(&c, *state,
		"[Crio.RUNTIME]\nPids_Limit = 5\n"
		"[crio.Runtime.Runtimes.Mine]\nRuntime_Path = \"/bin/sh\"\n");
	assert_null(c.ignored);
	assert_int_equal(c.pids_limit, 5);
	assert_string_equal(conf_runtime_find(&c, "Mine")->path, "/bin/sh");
	assert_null(conf_runtime_find(&c, "mine"));
	conf_done(&c);
}

/* Keys that protect: what crisp does anyway is fine, the rest stops the daemon and says where. */
static void test_guards(void **state)
{
	static const struct {
		const char *text, *error; /* NULL: it is fine */
	} cases[] = {
		{ "selinux = false", NULL },
		{ "apparmor_profile = \"\"", NULL },
		{ "apparmor_profile = \"crio-default\"", NULL },
		{ "apparmor_profile = \"crisp-default\"", NULL },
		{ "apparmor_profile = \"crio-default-1.16.1\"", NULL },
		{ "default_sysctls = [\"net.ipv4.ping_group_range = 0   2147483647\"]", NULL },
		{ "apparmor_profile = \"mine\"",
		  "crio.conf:2: crio.runtime.apparmor_profile: \"mine\"" },
		{ "apparmor_profile = \"unconfined\"",
		  "crio.conf:2: crio.runtime.apparmor_profile" },
		{ "apparmor_profile = 3",
		  "crio.conf:2: crio.runtime.apparmor_profile: must be a s" },
		{ "hooks_dir = [\"/nonexistent\"]", NULL },
		{ "bind_mount_prefix = \"\"", NULL },
		{ "bind_mount_prefix = \"/host\"", "crio.conf:2: crio.runtime.bind_mount_prefix" },
		{ "uid_mappings = \"0:100000:65536\"", "crio.conf:2: crio.runtime.uid_mappings" },
		{ "gid_mappings = \"0:100000:65536\"", "crio.conf:2: crio.runtime.gid_mappings" },
		{ "default_capabilities = [\"CHOWN\", \"cap_kill\", \"ALL\"]", NULL },
		{ "default_capabilities = [\"NOPE\"]",
		  "crio.conf:2: crio.runtime.default_capabilities: \"NOPE\"" },
		{ "default_sysctls = [\"net.core.somaxconn=1\", \"kernel.shmmax=1\"]", NULL },
		{ "default_sysctls = [\"kernel.core_pattern=|/x\"]",
		  "crio.conf:2: crio.runtime.default_sysctls: \"kernel.core_pattern=|/x\"" },
		{ "default_sysctls = [\"net/../kernel/core_pattern=x\"]", "default_sysctls" },
		{ "default_ulimits = [\"nofile=1024\", \"core=0:0\", \"NPROC=-1:-1\"]", NULL },
		{ "default_ulimits = [\"nosuch=1:2\"]",
		  "crio.conf:2: crio.runtime.default_ulimits: \"nosuch=1:2\"" },
		{ "default_ulimits = [\"nofile=3:2\"]",
		  "crio.conf:2: crio.runtime.default_ulimits" },
		{ "seccomp_profile = \"/nonexistent/p\"",
		  "crio.conf:2: crio.runtime.seccomp_profile" },
		{ "privileged_seccomp_profile = \"/nonexistent/p\"", NULL },
		{ "privileged_seccomp_profile = \"relative\"", NULL },
		{ "privileged_seccomp_profile = \"/etc/passwd\"",
		  "crio.conf:2: crio.runtime.privileged_seccomp_profile" },
		{ "[crio.runtime.runtimes.runc]\nseccomp_profile = \"/nonexistent/p\"",
		  "crio.conf:3: crio.runtime.runtimes.runc.seccomp_profile" },
		{ "[crio.nri.default_validator]\nnri_validator_required_plugins = [\"a\"]",
		  "crio.conf:3: crio.nri.default_validator.nri_validator_required_plugins" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *text = xasprintf("[crio.runtime]\n%s\n", cases[i].text);
		struct err e = ERR_NULL;
		struct conf c;
		int r;

		conf_init(&c);
		add_runtime(&c, "runc");
		r = load(&c, *state, text, &e);
		if (r == 0)
			r = conf_finish(&c, &e);
		if ((r == 0) != !cases[i].error || (r && !strstr(e.text, cases[i].error)))
			fail_msg("%s: %s", cases[i].text, r ? e.text : "accepted");
		conf_done(&c);
	}
}

/* A size may be empty, fractional or a number; the time to create a container has bounds. */
static void test_handler_numbers(void **state)
{
	static const struct {
		const char *key, *value;
		int64_t memory, timeout_s;
	} cases[] = {
		{ "container_min_memory", "\"\"", 12 << 20, 240 },
		{ "container_min_memory", "\"7.5MiB\"", 7864320, 240 },
		{ "container_min_memory", "\"17.5 mb\"", 18350080, 240 },
		{ "container_min_memory", "\"500k\"", 500 << 10, 240 },
		{ "container_min_memory", "\"4096b\"", 4096, 240 },
		{ "container_min_memory", "\"4096\"", 4096, 240 },
		{ "container_min_memory", "8192", 8192, 240 },
		{ "container_create_timeout", "0", 12 << 20, 240 },
		{ "container_create_timeout", "-5", 12 << 20, 30 },
		{ "container_create_timeout", "31", 12 << 20, 31 },
		{ "container_create_timeout", "3600", 12 << 20, 240 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *text = xasprintf("[crio.runtime.runtimes.x]\n%s = %s\n",
						      cases[i].key, cases[i].value);
		const struct conf_runtime *rt;
		struct err e = ERR_NULL;
		struct conf c;

		conf_init(&c);
		add_runtime(&c, "runc");
		add_runtime(&c, "x");
		load_ok(&c, *state, text);
		assert_int_equal(conf_finish(&c, &e), 0);
		rt = conf_runtime_find(&c, "x");
		if (rt->container_min_memory != cases[i].memory ||
		    rt->container_create_timeout != cases[i].timeout_s)
			fail_msg("%s: %lld, %lld", text, (long long)rt->container_min_memory,
				 (long long)rt->container_create_timeout);
		conf_done(&c);
	}
}

static void test_hooks_and_precedence(void **state)
{
	const struct dir *d = *state;
	_cleanup_free_ char *text =
		xasprintf("[crio.runtime]\nhooks_dir = [\"%s/none\", \"%s\"]\n", d->path, d->path);
	struct err e = ERR_NULL;
	struct conf c;

	conf_init(&c);
	add_runtime(&c, "runc");
	load_ok(&c, d, text);
	assert_int_equal(conf_finish(&c, &e), 0);
	conf_done(&c);
	put(d, "10-nvidia.json", "{}");
	conf_init(&c);
	add_runtime(&c, "runc");
	load_ok(&c, d, text);
	assert_true(conf_finish(&c, &e) < 0);
	assert_non_null(strstr(e.text, "crio.conf:2: crio.runtime.hooks_dir"));
	conf_done(&c);
	/* A later file takes it back. */
	conf_init(&c);
	add_runtime(&c, "runc");
	load_ok(&c, d, text);
	load_ok(&c, d, "[crio.runtime]\nhooks_dir = []\n");
	assert_int_equal(conf_finish(&c, &e), 0);
	conf_done(&c);
}

/* Files that somebody else can change are not read. */
static void test_trusted(void **state)
{
	static const struct {
		const char *file;
		mode_t mode, dir_mode;
		uid_t uid;
		const char *error;
	} cases[] = {
		{ "crio.conf", 0644, 0755, 0, NULL },
		{ "crio.conf", 0600, 0700, 0, NULL },
		{ "crio.conf", 0644, 01777, 0, NULL },
		{ "crio.conf", 0646, 0755, 0,
		  "has mode 0646, so that anybody may change it: "
		  "chmod go-w /" },
		{ "crio.conf", 0664, 0755, 0, "has mode 0664, so that its group may change it" },
		{ "crio.conf", 0644, 0777, 0, "has mode 0777, so that anybody may change /" },
		{ "crio.conf", 0644, 0755, 1234,
		  "belongs to user 1234, who may change it: "
		  "chown root /" },
	};
	const struct dir *d = *state;
	_cleanup_free_ char *path = xasprintf("%s/crio.conf", d->path);

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_NULL, of_dir = ERR_NULL;
		struct conf c;
		int r;

		put(d, "crio.conf", "[crio.runtime]\n");
		assert_int_equal(chmod(path, cases[i].mode), 0);
		assert_int_equal(chown(path, cases[i].uid, 0), 0);
		assert_int_equal(chmod(d->path, cases[i].dir_mode), 0);
		conf_init(&c);
		r = conf_load_file(&c, path, &e);
		assert_int_equal(conf_load_dir(&c, d->path, &of_dir) < 0, r < 0);
		if ((r == 0) != !cases[i].error || (r && !strstr(e.text, cases[i].error)))
			fail_msg("%zu: %s", i, r ? e.text : "accepted");
		conf_done(&c);
		assert_int_equal(chown(path, 0, 0), 0);
	}
}

/* Every file below the directory, in the order in which CRI-O walks it. */
static void test_drop_ins(void **state)
{
	const struct dir *d = *state;
	_cleanup_free_ char *sub = xasprintf("%s/12-more", d->path);
	_cleanup_free_ char *masked = xasprintf("%s/90-masked.conf", d->path);
	struct err e = ERR_NULL;
	struct conf c;

	conf_init(&c);
	assert_int_equal(conf_load_dir(&c, "/nonexistent/dir", &e), 0);
	assert_int_equal(conf_load_file(&c, "/nonexistent/file", &e), 1);
	put(d, "20-b",
	    "[crio.runtime]\nlog_level = \"warn\"\n"
	    "[crio.runtime.runtimes.x]\nruntime_root = \"/b\"\n");
	put(d, "10-a.conf",
	    "[crio.runtime]\nlog_level = \"debug\"\npids_limit = 7\n"
	    "default_env = [\"A=1\", \"B=2\"]\n"
	    "[crio.runtime.runtimes.x]\nruntime_path = \"/bin/sh\"\n");
	put(d, "10-a.conf~", "[crio.runtime]\npids_limit = 8\n");
	put(d, ".40-d.conf", "[crio.runtime]\npids_limit = 9\nctr_stop_timeout = 44\n");
	put(d, "15-c.toml", "[crio.runtime]\ndefault_env = [\"C=3\"]\n");
	assert_int_equal(mkdir(sub, 0755), 0);
	put(d, "12-more/zz", "[crio.runtime]\npids_limit = 12\ndefault_env = [\"D=4\"]\n");
	assert_int_equal(symlink("/dev/null", masked), 0);
	assert_int_equal(conf_load_dir(&c, d->path, &e), 0);
	assert_string_equal(c.log_level, "warn");
	assert_int_equal(c.ctr_stop_timeout, 44);
	assert_int_equal(c.pids_limit, 12);
	assert_string_equal(c.default_env[0], "C=3");
	assert_null(c.default_env[1]);
	assert_string_equal(conf_runtime_find(&c, "x")->path, "/bin/sh");
	assert_string_equal(conf_runtime_find(&c, "x")->root, "/b");
	put(d, "25-bad.conf", "[crio\n");
	put(d, "26-bad", "[crio]\nroot = 1\n");
	assert_int_equal(conf_load_dir(&c, d->path, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "25-bad.conf:1: "));
	assert_non_null(strstr(c.errors[1], "26-bad:2: crio.root"));
	assert_null(c.errors[2]);
	conf_done(&c);
}

/* What is no file cannot be a drop-in, and what cannot be read is an error. */
static void test_drop_ins_odd(void **state)
{
	static const char *const targets[] = { "/nonexistent/file", "/tmp", "fifo" };
	const struct dir *d = *state;
	_cleanup_free_ char *path = xasprintf("%s/10-odd", d->path);

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		struct err e = ERR_NULL;
		struct conf c;

		assert_int_equal(strcmp(targets[i], "fifo") == 0 ? mkfifo(path, 0644)
								 : symlink(targets[i], path),
				 0);
		conf_init(&c);
		assert_int_equal(conf_load_dir(&c, d->path, &e), -ERR_INVALID);
		assert_non_null(strstr(e.text, path));
		assert_string_equal(c.errors[0], e.text);
		conf_done(&c);
		assert_int_equal(unlink(path), 0);
	}
}

static void test_drop_ins_bounded(void **state)
{
	const struct dir *d = *state;
	_cleanup_free_ char *deep = xstrdup("");
	struct err e = ERR_NULL;
	struct conf c;

	for (int i = 0; i < 9; i++) {
		_cleanup_free_ char *below = xasprintf("%s/d", deep), *path = NULL;

		path = xasprintf("%s%s", d->path, below);
		assert_int_equal(mkdir(path, 0755), 0);
		free(deep);
		deep = take_ptr(below);
	}
	conf_init(&c);
	assert_int_equal(conf_load_dir(&c, d->path, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "directories deep"));
	conf_done(&c);
}

static void set_fails(struct conf *c, const char *key, const char *value, const char *want)
{
	struct err e = ERR_NULL;

	assert_int_equal(conf_set(c, key, value, &e), -ERR_INVALID);
	if (!strstr(e.text, want))
		fail_msg("wanted %s\n got   %s", want, e.text);
}

static void test_flags(void **state)
{
	struct err e = ERR_NULL;
	struct conf c;

	conf_init(&c);
	load_ok(&c, *state,
		"[crio.network]\nplugin_dirs = [\"/file\"]\n"
		"[crio.runtime]\nlog_level = \"warn\"\n");
	assert_int_equal(conf_set(&c, "crio.runtime.log_level", "debug", &e), 0);
	assert_int_equal(conf_set(&c, "crio.runtime.pids_limit", "5", &e), 0);
	assert_int_equal(conf_set(&c, "crio.runtime.drop_infra_ctr", "false", &e), 0);
	assert_int_equal(conf_set(&c, "crio.network.plugin_dirs", "/a/,/b", &e), 0);
	assert_int_equal(conf_set(&c, "crio.network.plugin_dirs", "/c", &e), 0);
	assert_int_equal(conf_set(&c, "crio.runtime.runtimes", "new:/bin/sh:/run/new:oci", &e), 0);
	assert_int_equal(
		conf_set(&c, "crio.runtime.runtimes.new.container_create_timeout", "9", &e), 0);
	assert_int_equal(conf_set(&c, "crio.runtime.allowed_devices", "a,b", &e), 0);
	assert_string_equal(c.log_level, "debug");
	assert_int_equal(c.pids_limit, 5);
	assert_false(c.drop_infra_ctr);
	assert_string_equal(c.plugin_dirs[0], "/a");
	assert_string_equal(c.plugin_dirs[2], "/c");
	assert_null(c.plugin_dirs[3]);
	assert_string_equal(conf_runtime_find(&c, "new")->root, "/run/new");
	assert_int_equal(conf_runtime_find(&c, "new")->container_create_timeout, 9);
	assert_string_equal(c.allowed_devices[1], "b");
	assert_int_equal(
		conf_set(&c, "crio.runtime.runtimes", "seven:/bin/sh:/r:oci:true::5MiB", &e), 0);
	assert_true(conf_runtime_find(&c, "seven")->privileged_without_host_devices);
	assert_int_equal(conf_runtime_find(&c, "seven")->container_min_memory, 5 << 20);
	set_fails(&c, "crio.runtime.nothing", "1", "crio.runtime.nothing: there is no such");
	set_fails(&c, "crio.runtime.pids_limit", "x",
		  "crio.runtime.pids_limit: \"x\" must be a numb");
	set_fails(&c, "crio.runtime.read_only", "yes", "must be true or false");
	set_fails(&c, "crio.root", "relative", "must be an absolute path");
	set_fails(&c, "crio.network.plugin_dirs", "/a,b", "\"b\" must be an absolute path");
	set_fails(&c, "crio.runtime.runtimes", "x", "must be NAME:PATH");
	set_fails(&c, "crio.runtime.runtimes", "../x:/bin/sh", "must be NAME:PATH");
	set_fails(&c, "crio.runtime.runtimes", "x:/bin/sh:/r:oci:y",
		  "privileged_without_host_devices: \"y\" must be true or false");
	set_fails(&c, "crio.runtime.runtimes", "x:/bin/sh:/r:oci:true::1:z", "than seven fields");
	set_fails(&c, "crio.runtime.runtimes.", "x", "there is no such");
	set_fails(&c, "crio.runtime.runtimes.a", "x", "there is no such");
	conf_done(&c);
}

static void finish_fails(const struct dir *d, const char *text, const char *want)
{
	struct err e = ERR_NULL;
	struct conf c;

	conf_init(&c);
	add_runtime(&c, "runc");
	load_ok(&c, d, text);
	assert_int_equal(conf_finish(&c, &e), -ERR_INVALID);
	if (!strstr(e.text, want))
		fail_msg("wanted %s\n got   %s", want, e.text);
	conf_done(&c);
}

static void test_finish(void **state)
{
	struct err e = ERR_NULL;
	struct conf c;

	finish_fails(*state, "[crio.runtime]\ndefault_runtime = \"none\"",
		     "crio.runtime.default_runtime: none is not configured");
	finish_fails(*state, "[crio.runtime.runtimes.runc]\nruntime_path = \"/etc/passwd\"",
		     "crio.runtime.runtimes.runc.runtime_path: /etc/passwd is no executable file");
	finish_fails(*state, "[crio]\nroot = \"\"", "crio.root: must not be empty");
	finish_fails(*state, "[crio]\nroot = \"/x\"\nrunroot = \"/x/\"", "are both /x");
	finish_fails(*state, "[crio.runtime]\nlog_size_max = 100", "below 8192");
	finish_fails(*state, "[crio.runtime]\npids_limit = 0", "would start nothing");
	finish_fails(*state, "[crio.stats]\nincluded_pod_metrics = [\"cpu\", \"all\"]",
		     "\"all\" stands alone");
	finish_fails(*state, "[crio.runtime]\ndefault_cgroup_parent = \"/\"",
		     "crio.runtime.default_cgroup_parent: \"/\" is not a path below");
	finish_fails(*state, "[crio.runtime]\ndefault_cgroup_parent = \"pods.slice\"",
		     "\"pods.slice\" is not a path below");
	finish_fails(*state,
		     "[crio.runtime]\ncgroup_manager = \"systemd\"\n"
		     "default_cgroup_parent = \"/crisp\"",
		     "crio.runtime.default_cgroup_parent: \"/crisp\" is not the name of a slice");
	finish_fails(*state, "[crio.runtime]\nconmon_cgroup = \"shims\"",
		     "crio.runtime.conmon_cgroup: \"shims\" is neither \"pod\" nor");
	finish_fails(*state, "[crio.runtime.runtimes.runc]\nmonitor_cgroup = \"shims.slice\"",
		     "runc.monitor_cgroup: \"shims.slice\" is neither \"pod\" nor");

	conf_init(&c);
	add_runtime(&c, "runc");
	load_ok(&c, *state,
		"[crio.runtime.runtimes.no-such-runtime]\n"
		"[crio.runtime.runtimes.last]\nruntime_path = \"/bin/sh\"\n");
	assert_int_equal(conf_finish(&c, &e), 0);
	assert_null(conf_runtime_find(&c, "no-such-runtime"));
	assert_non_null(conf_runtime_find(&c, "last"));
	assert_non_null(strstr(c.warnings[0], "no-such-runtime in PATH"));
	conf_done(&c);
}

/* A handler with the program, type and root of the default one, behind one that is left out. */
static void test_inherit(void **state)
{
	struct err e = ERR_NULL;
	const struct conf_runtime *rt;
	struct conf c;

	conf_init(&c);
	add_runtime(&c, "mine");
	load_ok(&c, *state,
		"[crio.runtime]\ndefault_runtime = \"mine\"\n"
		"[crio.runtime.runtimes.no-such-runtime]\n"
		"[crio.runtime.runtimes.machine]\nruntime_type = \"vm\"\n"
		"[crio.runtime.runtimes.like]\nruntime_path = \"/nonexistent\"\n"
		"runtime_type = \"vm\"\ninherit_default_runtime = true\n");
	assert_int_equal(conf_finish(&c, &e), 0);
	rt = conf_runtime_find(&c, "like");
	assert_non_null(rt);
	assert_string_equal(rt->path, "/bin/sh");
	assert_string_equal(rt->type, "oci");
	assert_string_equal(rt->root, "/run/crisp/mine");
	assert_null(conf_runtime_find(&c, "machine"));
	assert_non_null(strstr(c.warnings[1], "machine.runtime_type: virtual machines are not"));
	conf_done(&c);
}

static const char *prefix_at(struct conf *c, const struct dir *d, const char *text)
{
	struct err e = ERR_NULL;

	conf_init(c);
	add_runtime(c, "runc");
	load_ok(c, d, text);
	if (conf_finish(c, &e) < 0)
		fail_msg("%s", e.text);
	return c->cgroup_prefix;
}

static void test_cgroup_prefix(void **state)
{
	static const struct {
		const char *text, *prefix;
	} cases[] = {
		{ "", "crisp" },
		{ "[crio.api]\nlisten = \"/var/run/crio/crio.sock\"\n", "crio" },
		{ "[crio.api]\nlisten = \"/run/crio/crio.sock\"\n", "crio" },
		{ "[crio.api]\nlisten = \"/run/crio/crio.sock\"\n"
		  "[crio.runtime]\ncgroup_prefix = \"crisp\"\n",
		  "crisp" },
		{ "[crio.runtime]\ncgroup_prefix = \"crio\"\n", "crio" },
	};
	struct conf c;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_string_equal(prefix_at(&c, *state, cases[i].text), cases[i].prefix);
		assert_int_equal(conf_has_crio_cgroups(&c),
				 cases[i].prefix[2] == 'i' && cases[i].prefix[3] == 'o');
		conf_done(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cgroup_prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_findings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_case_of_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handler_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hooks_and_precedence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trusted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drop_ins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drop_ins_odd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drop_ins_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_finish, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inherit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
