/*
 * test_cdi_edits.c - CDI devices of a request, by field and annotation, and each kind of edit in
 * the config.json; a device that cannot be injected whole is refused with file and field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/speccase.h"

#define DIR_KEY "'crio.runtime.cdi_spec_dirs':['@/cdi']"
#define ASK(devices, more) "{'conf':{" DIR_KEY "},'config':{'CDI_devices':[" devices "]" more "}}"
#define DEV(name) "{'name':'v.com/d=" name "'}"
#define ONE(name) ASK(DEV(name), "")
#define HOST(object) "{'conf':{" DIR_KEY "}," object "}"
#define R L "resources "

static const char devices[] =
	"cdiVersion: 1.1.0\n"
	"kind: v.com/d\n"
	"containerEdits: {env: [ALL=1, A=spec]}\n"
	"devices:\n"
	"- name: env\n"
	"  containerEdits: {env: [A=device, B=1]}\n"
	"- name: path\n"
	"  containerEdits: {env: [PATH=/opt]}\n"
	"- name: full\n"
	"  containerEdits: {deviceNodes: [{path: /dev/full}]}\n"
	"- name: node\n"
	"  containerEdits:\n"
	"    deviceNodes:\n"
	"    - {path: /dev/x, hostPath: /dev/full, fileMode: 0100640, permissions: r, "
	"uid: 7, gid: 8}\n"
	"- name: numbers\n"
	"  containerEdits: {deviceNodes: [{path: /dev/n, type: b, major: 300, minor: 5}]}\n"
	"- name: old\n"
	"  containerEdits: {deviceNodes: [{path: /dev/u, type: u, major: 1, minor: 7, "
	"permissions: none}]}\n"
	"- name: fifo\n"
	"  containerEdits: {deviceNodes: [{path: /dev/p, type: p}]}\n"
	"- name: absent\n"
	"  containerEdits: {deviceNodes: [{path: /dev/nosuch}]}\n"
	"- name: mismatch\n"
	"  containerEdits: {deviceNodes: [{path: /dev/full, type: b}]}\n"
	"- name: file\n"
	"  containerEdits: {deviceNodes: [{path: /dev/f, hostPath: /etc/passwd}]}\n"
	"- name: proc\n"
	"  containerEdits: {deviceNodes: [{path: /proc/x, hostPath: /dev/full}]}\n"
	"- name: root\n"
	"  containerEdits: {deviceNodes: [{path: /, hostPath: /dev/full}]}\n"
	"- name: gids\n"
	"  containerEdits: {additionalGids: [0, 44, 45, 44]}\n"
	"- name: hook\n"
	"  containerEdits:\n"
	"    hooks:\n"
	"    - {hookName: createRuntime, path: /bin/true, args: [true, x], env: [H=1],"
	" timeout: 3}\n"
	"    - {hookName: startContainer, path: /in/the/container}\n"
	"- name: nohook\n"
	"  containerEdits: {hooks: [{hookName: poststop, path: /no/such/program}]}\n"
	"- name: badhook\n"
	"  containerEdits: {hooks: [{hookName: poststop, path: @/open/hook}]}\n"
	"- name: rdt\n"
	"  containerEdits: {intelRdt: {closID: gold}}\n"
	"- name: net\n"
	"  containerEdits: {netDevices: [{hostInterfaceName: eth7, name: net0}]}\n"
	"- name: mount\n"
	"  containerEdits: {mounts: [{hostPath: @/lib, containerPath: /opt/lib, options: ["
	"ro, nosuid]}]}\n"
	"- name: bind\n"
	"  containerEdits: {mounts: [{hostPath: @/lib, containerPath: /opt/lib, options: ["
	"ro, rbind]}]}\n"
	"- name: none\n"
	"  containerEdits: {mounts: [{hostPath: @/lib, containerPath: /a, type: none, "
	"options: [bind, private]}]}\n"
	"- name: tmpfs\n"
	"  containerEdits: {mounts: [{hostPath: mem, containerPath: /scratch, type: tmpfs, "
	"options: [size=1m]}]}\n"
	"- name: link\n"
	"  containerEdits: {mounts: [{hostPath: @/lib, containerPath: /way/out/x, options: ["
	"bind]}]}\n"
	"- name: tosys\n"
	"  containerEdits: {mounts: [{hostPath: @/lib, containerPath: /tosys/x, options: ["
	"bind]}]}\n"
	"- name: nosource\n"
	"  containerEdits: {mounts: [{hostPath: @/nothing, containerPath: /x, options: [bind]}]}\n"
	"- name: relative\n"
	"  containerEdits: {mounts: [{hostPath: lib, containerPath: /x, options: [bind]}]}\n"
	"- name: torelative\n"
	"  containerEdits: {mounts: [{hostPath: @/lib, containerPath: x, options: [bind]}]}\n"
	"- name: toroot\n"
	"  containerEdits: {mounts: [{hostPath: @/lib, containerPath: /x/.., options: [bind]}]}\n"
	"- name: toproc\n"
	"  containerEdits: {mounts: [{hostPath: @/lib, containerPath: /proc/sys, options: ["
	"bind]}]}\n";

static const struct spec_case asking_cases[] = {
	{ "{}", .facts = { { "spec hooks", "" } } },
	{ ONE("env"), .facts = { { P "env 1", "'ALL=1'" },
				 { P "env 2", "'A=device'" },
				 { P "env 3", "'B=1'" } } },
	{ ASK(DEV("env"), ",'envs':[{'key':'B','value':'2'}]"),
	  .facts = { { P "env 1", "'B=1'" } } },
	{ ONE("path"), .facts = { { P "env 0", "'PATH=/opt'" } } },
	/* Twice, and by both ways: once. */
	{ ASK(DEV("full") "," DEV("full"), ",'annotations':{'cdi.k8s.io/a':'v.com/d=full'}"),
	  .facts = { { L "devices #", "1" }, { R "devices #", "2" }, { P "env #", "3" } } },
	{ ASK("", ",'annotations':{'cdi.k8s.io/a':'v.com/d=full,v.com/d=env','other':'v.com/d=x'}"),
	  .facts = { { L "devices 0 path", "'/dev/full'" }, { P "env 3", "'B=1'" } } },
	{ ASK("", ",'annotations':{'cdi.k8s.io/a':'v.com/d=full, v.com/d=env'}"),
	  FAILS(ERR_INVALID, "annotation cdi.k8s.io/a: \" v.com/d=env\"") },
	{ ASK("", ",'annotations':{'cdi.k8s.io/a':''}"), FAILS(ERR_INVALID, "full name") },
	{ ASK("{'name':'/dev/full'}", ""), FAILS(ERR_INVALID, "CDI_devices[0]: \"/dev/full\"") },
	{ ONE("nosuch"), FAILS(ERR_PRECONDITION, "no CDI specification of its kind describes it") },
	{ ASK("{'name':'w.com/d=0'}", ""),
	  FAILS(ERR_PRECONDITION, "no CDI specification of kind w.com/d; ") },
	{ ASK("{'name':'b.com/d=0'}", ""),
	  FAILS(ERR_PRECONDITION, "bad.json: devices[0].containerEdits.env[0]: \"x\" must be") },
	{ "{'conf':{" DIR_KEY
	  ",'crio.runtime.enable_cdi':'false'},'config':{'CDI_devices':[" DEV("env") "]}}",
	  FAILS(ERR_PRECONDITION, "enable_cdi = false") },
	{ "{'conf':{" DIR_KEY ",'crio.runtime.enable_cdi':'false'},'config':{'annotations':{"
	  "'cdi.k8s.io/x':'v.com/d=env'}}}",
	  FAILS(ERR_PRECONDITION, "enable_cdi = false") },
};

#define RULE(type, major, minor, access) \
	"{'allow':true,'type':'" type "','major':" major ",'minor':" minor ",'access':'" access "'}"

static const struct spec_case node_cases[] = {
	{ ONE("full"), .facts = { { L "devices 0 fileMode", "438" },
				  { L "devices 0 uid", "" },
				  { R "devices 1", RULE("c", "1", "7", "rwm") } } },
	{ ASK(DEV("full"), ",'linux':{'security_context':{'run_as_user':{'value':1000},"
			   "'run_as_group':{'value':1001}}}"),
	  .facts = { { L "devices 0 uid", "1000" }, { L "devices 0 gid", "1001" } } },
	{ ONE("node"),
	  .facts = { { L "devices 0", "{'path':'/dev/x','type':'c','major':1,'minor':7,"
				      "'fileMode':416,'uid':7,'gid':8}" },
		     { R "devices 1", RULE("c", "1", "7", "r") } } },
	{ ONE("numbers"), .facts = { { L "devices 0", "{'path':'/dev/n','type':'b','major':300,"
						      "'minor':5}" },
				     { R "devices 1", RULE("b", "300", "5", "rwm") } } },
	{ ONE("old"), .facts = { { L "devices 0 type", "'c'" }, { R "devices #", "1" } } },
	{ ONE("fifo"),
	  .facts = { { L "devices 0", "{'path':'/dev/p','type':'p'}" }, { R "devices #", "1" } } },
	{ ASK(DEV("node"), ",'devices':[{'host_path':'/dev/zero','container_path':'/dev/x'}]"),
	  .facts = { { L "devices #", "1" }, { L "devices 0 minor", "7" } } },
	{ ONE("absent"), FAILS(ERR_PRECONDITION, "deviceNodes[0]: device /dev/nosuch: No such") },
	{ ONE("mismatch"), FAILS(ERR_PRECONDITION, "CDI device v.com/d=mismatch (") },
	{ ONE("mismatch"),
	  FAILS(ERR_PRECONDITION, "a.yaml): deviceNodes[0]: /dev/full has type c") },
	{ ONE("file"), FAILS(ERR_PRECONDITION, "/etc/passwd is not a device") },
	{ ONE("proc"), FAILS(ERR_PRECONDITION, "no device node can be made in /proc") },
	{ ONE("root"), FAILS(ERR_PRECONDITION, "\"/\" is not a path of a device") },
};

#define M "spec mounts destination="

static const struct spec_case mount_cases[] = {
	{ ONE("bind"), .facts = { { M "/opt/lib type", "'bind'" },
				  { M "/opt/lib source", "'@/lib'" },
				  { M "/opt/lib options", "['rprivate','ro','rbind']" } } },
	{ ONE("none"), .facts = { { M "/a options", "['bind','private']" } } },
	{ ONE("tmpfs"),
	  .facts = { { M "/scratch", "{'destination':'/scratch','type':'tmpfs','source':'mem',"
				     "'options':['size=1m']}" } } },
	/* A link of the image is resolved inside the root. */
	{ ONE("link"), .facts = { { M "/out/x source", "'@/lib'" }, { M "/way/out/x", "" } } },
	{ ASK(DEV("bind"), ",'mounts':[{'host_path':'@/shm','container_path':'/opt/lib'}]"),
	  .facts = { { M "/opt/lib source", "'@/lib'" } } },
	{ ONE("mount"), FAILS(ERR_PRECONDITION, "mounts[0]: options have neither bind nor rbind") },
	{ ONE("tosys"), FAILS(ERR_PRECONDITION, "leads to /sys/x") },
	{ ONE("nosource"), FAILS(ERR_PRECONDITION, "a.yaml): mounts[0]: hostPath /") },
	{ ONE("relative"), FAILS(ERR_PRECONDITION, "hostPath lib: Invalid") },
	{ ONE("torelative"), FAILS(ERR_PRECONDITION, "containerPath \"x\"") },
	{ ONE("toroot"), FAILS(ERR_PRECONDITION, "no absolute path below the root") },
	{ ONE("toproc"), FAILS(ERR_PRECONDITION, "the container's /proc is its own") },
};

static const struct spec_case other_cases[] = {
	{ ONE("gids"), .facts = { { P "user additionalGids", "[0,44,45]" } } },
	{ ASK(DEV("gids"), ",'linux':{'security_context':{'supplemental_groups':[45]}}"),
	  .facts = { { P "user additionalGids", "[0,45,44]" } } },
	{ ONE("hook"),
	  .facts = { { "spec hooks createRuntime",
		       "[{'path':'/bin/true','args':['true','x'],'env':['H=1'],"
		       "'timeout':3}]" },
		     { "spec hooks startContainer", "[{'path':'/in/the/container'}]" } } },
	{ ONE("nohook"), FAILS(ERR_PRECONDITION, "hooks[0]: /no/such/program does not exist") },
	{ ONE("badhook"), FAILS(ERR_DENIED, "chmod go-w") },
	{ ONE("rdt"), FAILS(ERR_PRECONDITION, "resctrl is not mounted") },
	{ ONE("net"), FAILS(ERR_PRECONDITION, "features do not include netDevices") },
	{ "{'features':{'net_devices':true},'conf':{" DIR_KEY
	  "},'config':{'CDI_devices':[" DEV("net") "]}}",
	  .facts = { { L "netDevices", "{'eth7':{'name':'net0'}}" } } },
	{ "{'features':{'net_devices':true},'conf':{" DIR_KEY "},'sandbox':{'linux':{"
	  "'security_context':{'namespace_options':{'network':'NODE'}}}},"
	  "'config':{'CDI_devices':[" DEV("net") "]}}",
	  FAILS(ERR_PRECONDITION, "node's network namespace") },
};

static void asks_by_field_and_annotation(void **state)
{
	(void)state;
	check_cases(asking_cases, ARRAY_LEN(asking_cases));
}

static void adds_device_nodes(void **state)
{
	(void)state;
	check_cases(node_cases, ARRAY_LEN(node_cases));
}

static void adds_mounts(void **state)
{
	(void)state;
	check_cases(mount_cases, ARRAY_LEN(mount_cases));
}

static void adds_all_else(void **state)
{
	(void)state;
	/* Needs a processor with resctrl to be different. */
	check_cases(other_cases, ARRAY_LEN(other_cases));
}

static void make_dir(const char *name, mode_t mode)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", scratch, name);
	struct err e = ERR_NULL;

	assert_int_equal(fs_mkdir_all(path, 0755, &e), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void make_link(const char *name, const char *target)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", scratch, name);

	assert_int_equal(symlink(target, path), 0);
}

static int setup(void **state)
{
	_cleanup_buf_ struct buf text = BUF_NULL;

	(void)state;
	assert_non_null(mkdtemp(scratch));
	make_dir("cdi", 0755);
	make_dir("lib", 0755);
	make_dir("shm", 0755);
	make_dir("open", 0777);
	make_dir("rootfs/etc", 0755);
	make_dir("rootfs/way", 0755);
	make_link("rootfs/way/out", "/../../out");
	make_link("rootfs/tosys", "/sys");
	put_file("open/hook", "");
	for (const char *c = devices; *c; c++)
		buf_printf(&text, *c == '@' ? scratch : "%c", *c);
	put_file("cdi/a.yaml", text.data);
	put_file("cdi/bad.json", "{\"cdiVersion\":\"0.3.0\",\"kind\":\"b.com/d\",\"devices\":[{"
				 "\"name\":\"a\",\"containerEdits\":{\"env\":[\"x\"]}}]}");
	put_file("cdi/worse.json", "{");
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	return fs_remove_tree(scratch, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_by_field_and_annotation),
		cmocka_unit_test(adds_device_nodes),
		cmocka_unit_test(adds_mounts),
		cmocka_unit_test(adds_all_else),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
