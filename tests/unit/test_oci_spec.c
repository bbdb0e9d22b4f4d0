/*
 * test_oci_spec.c - CRI requests in, facts of the config.json out; tests/integration/pod/spec.sh
 * runs them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "oci/exec_process.h"
#include "oci/namespaces.h"
#include "oci/resources.h"
#include "oci/signals.h"
#include "os/caps.h"
#include "tests/unit/speccase.h"

static const struct spec_case process_cases[] = {
	{ "{}", .facts = { { P "args", "['/bin/true']" },
			   { P "cwd", "'/'" },
			   { P "terminal", "false" },
			   { P "oomScoreAdj", "0" },
			   { "spec ociVersion", "'1.0.2'" },
			   { "stop", "15" } } },
	{ "{'config':{'command':null,'args':null},'image':{'entrypoint':['/"
	  "e','x'],'cmd':['c']}}",
	  .facts = { { P "args", "['/e','x','c']" } } },
	{ "{'config':{'command':null,'args':['a']},'image':{'entrypoint':['/"
	  "e'],'cmd':['c']}}",
	  .facts = { { P "args", "['/e','a']" } } },
	{ "{'config':{'command':['/k'],'args':null},'image':{'entrypoint':['/"
	  "e'],'cmd':['c']}}",
	  .facts = { { P "args", "['/k']" } } },
	{ "{'config':{'command':['/k'],'args':['a']},'image':{'entrypoint':['/"
	  "e'],'cmd':['c']}}",
	  .facts = { { P "args", "['/k','a']" } } },
	{ "{'config':{'command':null},'image':{'cmd':['/c']}}",
	  .facts = { { P "args", "['/c']" } } },
	{ "{'config':{'command':null}}", FAILS(ERR_INVALID, "no command specified") },
	{ "{'config':{'command':null},'image':{}}", FAILS(ERR_INVALID, "no command specified") },
	{ "{'config':{'tty':true,'envs':[{'key':'B','value':'3'},{'key':'E','value':''}]},'"
	  "hostname':'h',"
	  "'image':{'env':['PATH=/"
	  "i','B=2','=odd','odd']},'conf':{'crio.runtime.default_env':['B=1','D=1']}}",
	  .facts = { { P "env", "['PATH=/i','TERM=xterm','HOSTNAME=h','B=3','D=1','E=']" } } },
	{ "{'config':{'envs':[{'key':'A=B','value':'1'}]}}", FAILS(ERR_INVALID, "envs[0].key") },
	{ "{'config':{'working_dir':'w/../x//y'}}", .facts = { { P "cwd", "'/x/y'" } } },
	{ "{'image':{'working_dir':'/img'}}", .facts = { { P "cwd", "'/img'" } } },
	{ "{'config':{'working_dir':'/etc/passwd/x'}}", FAILS(ERR_PRECONDITION, "working_dir") },
	{ "{'config':{'linux':{'security_context':{'run_as_user':{'value':33},'no_new_"
	  "privs'"
	  ":true}}}}",
	  .facts = { { P "user", "{'uid':33,'gid':34,'additionalGids':[34,101]}" },
		     { P "noNewPrivileges", "true" } } },
	{ "{'config':{'linux':{'security_context':{'run_as_group':{'value':33}}}}}",
	  FAILS(ERR_INVALID, "run_as_group is set without") },
	{ "{'image':{'stop_signal':'SIGRTMIN+3'}}", .facts = { { "stop", "37" } } },
	{ "{'image':{'stop_signal':'9'},'config':{'stop_signal':'SIGNAL_SIGUSR1'}}",
	  .facts = { { "stop", "10" } } },
	{ "{'image':{'stop_signal':'SIGWHAT'}}", .facts = { { "stop", "15" } } },
	{ "{'config':{'stop_signal':77}}", FAILS(ERR_INVALID, "stop_signal") },
	{ "{'config':{'linux':{'resources':{'oom_score_adj':1001}}}}",
	  FAILS(ERR_INVALID, "oom_score_adj") },
	{ "{'host':{'oom_score_adj_min':5},'config':{'linux':{'resources':{'oom_score_adj':"
	  "-"
	  "998}}}}",
	  .facts = { { P "oomScoreAdj", "5" },
		     { "warning", "'oom_score_adj -998 is raised to 5: lowering it further "
				  "needs CAP_SYS_RESOURCE'" } } },
	{ "{'conf':{'crio.runtime.default_ulimits':['nofile=1:2','core=-1:-1']}}",
	  .facts = { { P "rlimits type=RLIMIT_NOFILE",
		       "{'type':'RLIMIT_NOFILE','soft':1,'hard':2}" },
		     { P "rlimits type=RLIMIT_CORE hard", "9223372036854775807" } } },
};

static void builds_the_process(void **state)
{
	(void)state;
	check_cases(process_cases, ARRAY_LEN(process_cases));
}

#define CAPS(x) \
	"{'config':{'linux':{'security_context':{'capabilities':" x "}}}," \
	"'conf':{'crio.runtime.default_capabilities':'CHOWN,KILL'}}"
static const struct spec_case capabilities_cases[] = {
	{ CAPS("{}"), .facts = { { P "capabilities bounding", "['CAP_CHOWN','CAP_KILL']" },
				 { P "capabilities effective", "['CAP_CHOWN','CAP_KILL']" },
				 { P "capabilities permitted", "['CAP_CHOWN','CAP_KILL']" },
				 { P "capabilities inheritable", "" },
				 { P "capabilities ambient", "" },
				 { "may_trace", "false" } } },
	{ CAPS("{'add_capabilities':['cap_net_raw'],'drop_capabilities':['KILL']}"),
	  .facts = { { P "capabilities bounding", "['CAP_CHOWN','CAP_NET_RAW']" } } },
	{ CAPS("{'add_capabilities':['NET_RAW'],'drop_capabilities':['ALL']}"),
	  .facts = { { P "capabilities bounding", "['CAP_NET_RAW']" } } },
	{ CAPS("{'add_capabilities':['KILL'],'drop_capabilities':['KILL']}"),
	  .facts = { { P "capabilities bounding", "['CAP_CHOWN']" } } },
	{ CAPS("{'add_capabilities':['all'],'drop_capabilities':['CHOWN']}"),
	  .facts = { { P "capabilities bounding #", "40" },
		     { "may_trace", "true" },
		     { P "capabilities bounding 0", "'CAP_DAC_OVERRIDE'" } } },
	{ CAPS("{'add_ambient_capabilities':['NET_RAW'],'drop_capabilities':['ALL']}"),
	  .facts = { { P "capabilities ambient", "['CAP_NET_RAW']" },
		     { P "capabilities inheritable", "['CAP_NET_RAW']" },
		     { P "capabilities effective", "['CAP_NET_RAW']" } } },
	{ CAPS("{'add_ambient_capabilities':['NET_RAW'],'drop_capabilities':['NET_RAW']}"),
	  .facts = { { P "capabilities ambient", "" } } },
	{ CAPS("{'add_capabilities':['NOPE']}"), FAILS(ERR_INVALID, "add_capabilities: \"NOPE\"") },
	{ CAPS("{'drop_capabilities':['NOPE']}"),
	  FAILS(ERR_INVALID, "drop_capabilities: \"NOPE\"") },
	{ "{'host':{'bounding':1},'config':{'linux':{'security_context':{'capabilities':{'"
	  "add_capabilities':['SYS_RESOURCE']}}}}}",
	  .facts = { { P "capabilities bounding", "['CAP_CHOWN']" },
		     { "warning", "'capability CAP_SYS_RESOURCE is left out: the daemon "
				  "itself lacks it'" } } },
	{ "{'host':{'bounding':524289},'sandbox':{'linux':{'security_context':{'privileged':"
	  "true}}},'config':{'linux':{'security_context':{'privileged':true}}}}",
	  .facts = { { P "capabilities bounding", "['CAP_CHOWN','CAP_SYS_PTRACE']" },
		     { "may_trace", "false" } } },
	{ "{'conf':{'crio.runtime.add_inheritable_capabilities':'true'},'host':{'bounding':"
	  "1}}",
	  .facts = { { P "capabilities inheritable", "['CAP_CHOWN']" } } },
};

static void builds_capabilities(void **state)
{
	(void)state;
	check_cases(capabilities_cases, ARRAY_LEN(capabilities_cases));
}

#define NS(pod, ctr) \
	"{'sandbox':{'linux':{'security_context':{'namespace_options':" pod "}}}," \
	"'config':{'linux':{'security_context':{" ctr "}}}}"
#define USERNS_ONLY(uid, gid) \
	"'userns_options':{'mode':'POD','uids':[{'host_id':" uid ",'length':1000}]," \
	"'gids':[{'host_id':" gid ",'length':1000}]}"
#define USERNS(uid, gid) "{" USERNS_ONLY(uid, gid) "}"
#define ON_HOST(more) \
	"{'userns':'/u','sandbox':{'linux':{'security_context':{'namespace_options':{" \
	"'network':'NODE','pid':'CONTAINER'," USERNS_ONLY("9", "8") "}" more "}}}}"
#define MAPPED(more) \
	"{'userns':'/u','sandbox':{'linux':{'security_context':{'namespace_options':" USERNS( \
		"9", "8") "}}}," more "}"
static const struct spec_case namespaces_cases[] = {
	{ "{}", .facts = { { L "namespaces type=network path", "'/ns/net'" },
			   { L "namespaces type=ipc path", "'/ns/ipc'" },
			   { L "namespaces type=uts path", "'/ns/uts'" },
			   { L "namespaces type=pid", "{'type':'pid'}" },
			   { L "namespaces type=mount", "{'type':'mount'}" },
			   { L "namespaces type=cgroup", "" },
			   { "own_pid", "true" } } },
	{ "{'utsns':null,'sandbox':{'linux':{'security_context':{'namespace_options':{'"
	  "network':'NODE','ipc':'NODE','pid':'NODE'}}}},'config':{'linux':{'security_context':{'"
	  "capabilities':{'add_capabilities':['SYS_PTRACE']}}}}}",
	  .facts = { { L "namespaces", "[{'type':'mount'}]" },
		     { "own_pid", "false" },
		     { "may_trace", "false" } } },
	{ ON_HOST(""),
	  .facts = { { L "namespaces type=network", "" },
		     { L "namespaces type=user path", "'/u'" },
		     { "spec mounts destination=/sys",
		       "{'destination':'/sys','options':['rbind','rprivate','nosuid','noexec',"
		       "'nodev','rro'],'source':'/sys','type':'bind'}" } } },
	{ NS("{'pid':'POD'}", ""), FAILS(ERR_INTERNAL, "pid namespace is not there") },
	{ "{'pidns':'/"
	  "p','sandbox':{'linux':{'security_context':{'namespace_options':{'pid':'POD'}}}}"
	  "}",
	  .facts = { { L "namespaces type=pid path", "'/p'" }, { "own_pid", "false" } } },
	{ "{'target_pid':77,'config':{'linux':{'security_context':{'namespace_options':{'"
	  "pid':'TARGET','target_id':'x'}}}}}",
	  .facts = { { L "namespaces type=pid path", "'/proc/77/ns/pid'" } } },
	{ NS("{'pid':'CONTAINER'}", "'namespace_options':{'pid':'TARGET','target_id':'x'}"),
	  FAILS(ERR_PRECONDITION, "container x does not run") },
	{ NS("{'pid':'CONTAINER'}", "'namespace_options':{'pid':'TARGET'}"),
	  FAILS(ERR_INVALID, "target_id is required") },
	{ "{'netns':null}", FAILS(ERR_INTERNAL, "network namespace is not there") },
	{ "{'host':{'cgroup_v2':true}}",
	  .facts = { { L "namespaces type=cgroup", "{'type':'cgroup'}" } } },
	{ NS(USERNS("9", "8"), ""), FAILS(ERR_INTERNAL, "user namespace is not there") },
	{ MAPPED("'config':{}"),
	  .facts = { { L "namespaces type=user path", "'/u'" },
		     { L "uidMappings", "[{'containerID':0,'hostID':9,'size':1000}]" },
		     { L "gidMappings", "[{'containerID':0,'hostID':8,'size':1000}]" } } },
};

static void builds_namespaces(void **state)
{
	(void)state;
	check_cases(namespaces_cases, ARRAY_LEN(namespaces_cases));
}

static void checks_pod_namespaces(void **state)
{
	static const struct {
		const char *options, *error;
	} cases[] = {
		{ "{}", NULL },
		{ "{'network':'NODE','pid':'CONTAINER','ipc':'NODE'}", NULL },
		{ "{'network':'CONTAINER'}", "network must be" },
		{ "{'ipc':'TARGET'}", "ipc must be" },
		{ "{'pid':9}", "pid is not a known value" },
		{ "{'pid':'TARGET','target_id':'x'}", NULL },
		{ "{'userns_options':{'mode':'NODE'}}", NULL },
		{ "{'userns_options':{'mode':'CONTAINER'}}", "userns_options.mode" },
		{ "{'userns_options':{'mode':'TARGET'}}", "userns_options.mode" },
		{ "{'userns_options':{'mode':'POD'}}", "0 mappings" },
		{ "{'userns_options':{'mode':'POD','uids':[{'host_id':1,'length':9},{'host_id':1,'"
		  "length':9}]}}",
		  "2 mappings" },
		{ "{'userns_options':{'mode':'POD','uids':[{'container_id':1,'host_id':1,'length':"
		  "9}"
		  "]}}",
		  "uids[0].container_id: 1, but id 0" },
		{ "{'userns_options':{'mode':'POD','uids':[{'host_id':4294967295,'length':9}]}}",
		  "uids[0].length: 9 ids from 4294967295 on pass the last id" },
		{ "{'userns_options':{'mode':'POD','uids':[{'host_id':1}]}}",
		  "uids[0].length: the range is empty" },
		{ "{'userns_options':{'mode':'POD','uids':[{'length':9}]}}",
		  "uids[0].host_id: root of the pod" },
		{ "{'userns_options':{'mode':'NODE','gids':[{'host_id':1,'length':9}]}}",
		  "userns_options.gids: mappings are set" },
		{ USERNS("1", "1"), "uids and gids: a shared PID namespace" },
		{ "{'pid':'CONTAINER'," USERNS_ONLY("4294966295", "1") "}", NULL },
		{ "{'network':'NODE','pid':'CONTAINER'," USERNS_ONLY("1", "1") "}", NULL },
		{ "{'ipc':'NODE'," USERNS_ONLY("1", "1") "}",
		  "namespace_options.ipc: a pod with a user namespace cannot use" },
		{ "{'pid':'NODE'," USERNS_ONLY("1", "1") "}",
		  "namespace_options.pid: a pod with a user namespace cannot use" },
	};

	(void)state;
	assert_int_equal(oci_namespaces_check_pod(NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *json = parse(cases[i].options);
		ProtobufCMessage *m =
			specjson_message(&runtime__v1__namespace_option__descriptor, json);
		struct err e = ERR_NULL;
		int r = oci_namespaces_check_pod((void *)m, &e);

		if (cases[i].error ? r >= 0 || !strstr(e.text, cases[i].error) : r != 0)
			fail_msg("%s: \"%s\"", cases[i].options, e.text);
		protobuf_c_message_free_unpacked(m, NULL);
		json_decref(json);
	}
}

static ProtobufCMessage *namespace_option(const char *text)
{
	json_t *json = text ? parse(text) : NULL;
	ProtobufCMessage *m =
		json ? specjson_message(&runtime__v1__namespace_option__descriptor, json) : NULL;

	json_decref(json);
	return m;
}

static void checks_container_namespaces(void **state)
{
	static const struct {
		const char *pod, *options, *error; /* NULL: it can be had */
	} cases[] = {
		{ NULL, NULL, NULL },
		{ "{'network':'NODE'}", NULL, NULL },
		{ NULL, "{}", NULL },
		{ "{'network':'NODE','ipc':'NODE','pid':'NODE'}",
		  "{'network':'NODE','ipc':'NODE','pid':'NODE'}", NULL },
		{ NULL, "{'pid':'CONTAINER'}", NULL },
		{ "{'pid':'NODE'}", "{'pid':'CONTAINER'}", NULL },
		{ "{'pid':'CONTAINER'}", "{'pid':'TARGET','target_id':'x'}", NULL },
		{ NULL, "{'userns_options':{'mode':'NODE'}}", NULL },
		{ NULL, "{'pid':'NODE'}",
		  "namespace_options.pid is NODE, that of the pod sandbox is POD" },
		{ "{'pid':'CONTAINER'}", "{'pid':'POD'}", "pid is POD" },
		{ "{'pid':'NODE'}", "{'pid':'POD'}", "pid is POD" },
		{ NULL, "{'network':'NODE'}", "network is NODE" },
		{ "{'network':'NODE'}", "{}", "network is POD" },
		{ "{'ipc':'NODE'}", "{}", "ipc is POD" },
		{ NULL, "{'userns_options':{'mode':'POD'}}", "userns_options.mode is POD" },
		{ "{'userns_options':{'mode':'POD'}}", "{'userns_options':{'mode':'NODE'}}",
		  "userns_options.mode is NODE" },
		{ USERNS("9", "9"), NULL, "userns_options.mode is NODE" },
		{ USERNS("9", "9"), "{}", "userns_options.mode is NODE" },
		{ USERNS("9", "9"), USERNS("9", "9"), NULL },
		{ USERNS("9", "9"), USERNS("8", "9"), "userns_options.uids: the mappings are not" },
		{ USERNS("9", "9"), USERNS("9", "8"), "userns_options.gids: the mappings are not" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ProtobufCMessage *pod = namespace_option(cases[i].pod);
		ProtobufCMessage *m = namespace_option(cases[i].options);
		struct err e = ERR_NULL;
		int r = oci_namespaces_check_container((void *)m, (void *)pod, &e);

		if (cases[i].error ? r >= 0 || !strstr(e.text, cases[i].error) : r != 0)
			fail_msg("%zu: \"%s\"", i, e.text);
		if (pod)
			protobuf_c_message_free_unpacked(pod, NULL);
		if (m)
			protobuf_c_message_free_unpacked(m, NULL);
	}
}

#define M(x) "{'config':{'mounts':[" x "]}}"
#define MOUNT(d) "spec mounts destination=" d
#define MAPPED_MOUNT(more, uid, gid) \
	MAPPED(more ",'config':{'mounts':[{'container_path':'/m','host_path':'@'," \
		    "'uidMappings':[{'host_id':" uid ",'length':1000}]," \
		    "'gidMappings':[{'host_id':" gid ",'length':1000}]}]}")
static const struct spec_case mounts_cases[] = {
	{ "{}", .facts = { { MOUNT("/dev/shm") " source", "'@/shm'" },
			   { MOUNT("/sys") " options", "['nosuid','noexec','nodev','ro']" },
			   { "spec mounts 0 destination", "'/proc'" },
			   { MOUNT("/etc/hosts"), "" } } },
	{ M("{'container_path':'/dev','host_path':'/dev'}"),
	  .facts = { { MOUNT("/dev") " source", "'/dev'" },
		     { MOUNT("/dev/pts"), "" },
		     { MOUNT("/dev/shm"), "" } } },
	{ M("{'container_path':'/sys','host_path':'/sys'}"),
	  .facts = { { MOUNT("/sys") " type", "'bind'" }, { MOUNT("/sys/fs/cgroup"), "" } } },
	{ M("{'container_path':'rel/./p','host_path':'@','readonly':true}"),
	  .facts = { { MOUNT("/rel/p") " options", "['rbind','rprivate','ro']" } } },
	{ M("{'container_path':'/m','host_path':'@/link'}"),
	  .facts = { { MOUNT("/m") " source", "'@/rootfs'" } } },
	{ M("{'container_path':'/m','host_path':'@','readonly':true,'recursive_read_only':true}"),
	  .facts = { { MOUNT("/m") " options", "['rbind','rprivate','ro','rro']" } } },
	{ M("{'container_path':'/m','host_path':'@','mount_options':['nosuid','noexec']}"),
	  .facts = { { MOUNT("/m") " options", "['rbind','rprivate','rw','noexec','nosuid']" } } },
	{ M("{'container_path':'/m','host_path':'@','mount_options':['nodev','exec']}"),
	  FAILS(ERR_INVALID, "mount_options[1]: \"exec\" is not noexec, nodev or nosuid") },
	{ M("{'container_path':'/m','host_path':'@','recursive_read_only':true}"),
	  FAILS(ERR_INVALID, "needs readonly") },
	{ M("{'container_path':'/"
	    "m','host_path':'@','readonly':true,'recursive_read_only':true,'propagation':"
	    "1}"),
	  FAILS(ERR_INVALID, "needs private") },
	{ "{'host':{'rro':false},'config':{'mounts':[{'container_path':'/"
	  "m','host_path':'@','readonly':true,'recursive_read_only':true}]}}",
	  FAILS(ERR_PRECONDITION, "RROUnsupported") },
	{ M("{'container_path':'/m','host_path':'@','propagation':9}"),
	  FAILS(ERR_INVALID, "propagation is not") },
	{ M("{'container_path':'/m','host_path':'@','uidMappings':[{'length':1}]}"),
	  FAILS(ERR_INVALID,
		"uidMappings are not those of the pod's user namespace: it has none") },
	{ MAPPED_MOUNT("'x':1", "9", "8"), FAILS(ERR_PRECONDITION, "no idmapped mounts") },
	{ MAPPED_MOUNT("'features':{'idmap':true}", "9", "8"),
	  .facts = { { MOUNT("/m") " uidMappings", "[{'containerID':0,'hostID':9,'size':1000}]" },
		     { MOUNT("/m") " gidMappings",
		       "[{'containerID':0,'hostID':8,'size':1000}]" } } },
	{ MAPPED_MOUNT("'features':{'idmap':true}", "8", "8"),
	  FAILS(ERR_INVALID, "mounts[0] (/m): uidMappings are not those") },
	{ MAPPED_MOUNT("'features':{'idmap':true}", "9", "9"),
	  FAILS(ERR_INVALID, "mounts[0] (/m): gidMappings are not those") },
	{ M("{'container_path':'/m','host_path':'rel'}"),
	  FAILS(ERR_INVALID, "not an absolute path") },
	{ M("{'container_path':'','host_path':'@'}"),
	  FAILS(ERR_INVALID, "container_path is empty") },
	{ M("{'container_path':'//.','host_path':'@'}"), FAILS(ERR_INVALID, "over the root") },
	{ M("{'container_path':'/m','host_path':'@','image':{'image':'x'}}"),
	  FAILS(ERR_INVALID, "exclude each other") },
	{ M("{'container_path':'/m','image':{'image':'x'},'readonly':true}"),
	  FAILS(ERR_INVALID, "pull it first") },
	{ M("{'container_path':'/m','image':{'image':'x'}}"), FAILS(ERR_INVALID, "set readonly") },
	{ M("{'container_path':'/m','host_path':'@','image_sub_path':'x'}"),
	  .facts = { { MOUNT("/m") " source", "'@'" } } },
	{ "{'image_mount_sources':['@/rootfs'],'config':{'mounts':[{'container_path':'/"
	  "m','readonly':true,'image':{'image':'x'},'image_sub_path':'../../etc'}]}}",
	  .facts = { { MOUNT("/m") " source", "'@/rootfs/etc'" },
		     { MOUNT("/m") " options", "['rbind','rprivate','ro','nosuid','nodev']" } } },
	{ "{'image_mount_sources':['@/rootfs'],'config':{'mounts':[{'container_path':'/"
	  "m','readonly':true,'image':{'image':'x'},'image_sub_path':'gone'}]}}",
	  FAILS(ERR_PRECONDITION, "image_sub_path") },
	{ "{'hosts_file':'@/rootfs/etc/passwd'}",
	  .facts = { { MOUNT("/etc/hosts") " options 5", "'rw'" } } },
	{ "{'hosts_file':'@/rootfs/etc/"
	  "passwd','config':{'linux':{'security_context':{'readonly_rootfs':true}}}}",
	  .facts = { { MOUNT("/etc/hosts") " options 5", "'ro'" },
		     { "spec root readonly", "true" } } },
	{ "{'conf':{'crio.runtime.timezone':'No/Where'}}", FAILS(ERR_PRECONDITION, "timezone") },
};

static void builds_mounts(void **state)
{
	(void)state;
	check_cases(mounts_cases, ARRAY_LEN(mounts_cases));
}

/* "links" is a root file system of links, "volume" a volume of them. */
#define LINKED(x) "{'rootfs':'@/links','config':{" x "}}"
#define AT(d, s) "'mounts':[{'container_path':'" d "','host_path':'" s "'}]"
#define DEVICE(d) "'devices':[{'host_path':'/dev/null','container_path':'" d "'}]"
static const struct spec_case place_cases[] = {
	{ LINKED(AT("/var/run/secrets", "@")),
	  .facts = { { MOUNT("/var/run/secrets"), "" },
		     { MOUNT("/in/secrets") " source", "'@'" } } },
	{ LINKED(AT("/host/x", "@")), .facts = { { MOUNT("/tmp/victim/x") " source", "'@'" } } },
	{ LINKED(AT("/shm", "@")), .facts = { { "spec mounts 6 destination", "'/dev/shm'" },
					      { "spec mounts 6 source", "'@'" } } },
	{ LINKED(AT("/root", "@")), FAILS(ERR_PRECONDITION, "leads to / by symbolic links") },
	{ LINKED(AT("/kernel", "@")), FAILS(ERR_PRECONDITION, "leads to /proc/sys") },
	{ LINKED(AT("/devices", "@")), FAILS(ERR_PRECONDITION, "leads to /dev by") },
	{ LINKED(AT("/devices/null", "@")), FAILS(ERR_PRECONDITION, "leads to /dev/null") },
	{ LINKED(AT("/file", "@")), FAILS(ERR_PRECONDITION, "is not a directory in") },
	{ LINKED(AT("/in", "@/profile.json")), FAILS(ERR_PRECONDITION, "is a directory in") },
	{ LINKED(AT("/proc/self/attr", "@")), FAILS(ERR_PRECONDITION, "/proc is its own") },
	{ LINKED(AT("/proc", "@")), FAILS(ERR_PRECONDITION, "/proc is its own") },
	{ LINKED(AT("/proc", "/proc")), .facts = { { MOUNT("/proc") " source", "'/proc'" } } },
	{ LINKED(AT("/proc/meminfo", "@/profile.json")),
	  .facts = { { MOUNT("/proc/meminfo") " type", "'bind'" } } },
	{ LINKED(AT("/dev", "@")), FAILS(ERR_PRECONDITION, "is not the null device") },
	{ LINKED(AT("/dev/null", "@/profile.json")),
	  FAILS(ERR_PRECONDITION, "is not the null device") },
	{ LINKED(AT("/sys/fs", "@/volume")), FAILS(ERR_PRECONDITION, "host's /sys/fs") },
	{ LINKED("'mounts':[{'container_path':'/v','host_path':'@/volume'},"
		 "{'container_path':'/v/out/x','host_path':'@'}]"),
	  .facts = { { MOUNT("/tmp/victim/x") " source", "'@'" } } },
	{ LINKED("'mounts':[{'container_path':'/v','host_path':'@/volume','readonly':true},"
		 "{'container_path':'/v/none','host_path':'@'}]"),
	  FAILS(ERR_PRECONDITION, "read-only mount on /v") },
	{ LINKED(DEVICE("/host/null")), .facts = { { L "devices 0 path", "'/tmp/victim/null'" } } },
	{ LINKED(DEVICE("/kernel/x")), FAILS(ERR_PRECONDITION, "leads to /proc/sys/x") },
	{ LINKED(DEVICE("/proc/x")), FAILS(ERR_PRECONDITION, "in /proc") },
	{ LINKED("'working_dir':'/host/wd'"), .facts = { { P "cwd", "'/tmp/victim/wd'" } } },
	{ LINKED("'working_dir':'/fd'"),
	  FAILS(ERR_PRECONDITION, "working_dir: /fd leads to /proc") },
	{ LINKED("'working_dir':'/proc/self/cwd'"), FAILS(ERR_PRECONDITION, "working_dir") },
	{ LINKED("'working_dir':'/dev/fd/7'"), FAILS(ERR_PRECONDITION, "working_dir") },
	{ LINKED("'working_dir':'/file'"), FAILS(ERR_PRECONDITION, "not a directory") },
	{ LINKED("'working_dir':'/dev/shm'"), .facts = { { P "cwd", "'/dev/shm'" } } },
	{ "{'rootfs':'@/linkdev','image_name':'i:1'}",
	  FAILS(ERR_PRECONDITION, "image i:1: /dev is a symbolic link") },
	{ "{'rootfs':'@/fileproc'}", FAILS(ERR_PRECONDITION, "/proc is a file") },
};

static void places_what_a_container_gets(void **state)
{
	(void)state;
	check_cases(place_cases, ARRAY_LEN(place_cases));
}

#define SEC(x) "{'config':{'linux':{'security_context':{" x "}}}}"
#define PRIVILEGED \
	"'sandbox':{'linux':{'security_context':{'privileged':true}}}," \
	"'config':{'linux':{'security_context':{'privileged':true,"
static const struct spec_case confinement_cases[] = {
	{ MAPPED("'config':{'linux':{'security_context':{'run_as_user':{'value':1000}}}}"),
	  FAILS(ERR_INVALID, "run_as_user: user 1000 is not one of the 1000 users") },
	{ MAPPED("'config':{'linux':{'security_context':{'supplemental_groups':[1000]}}}"),
	  FAILS(ERR_INVALID, "group 1000 of the user is not one of the 1000 groups") },

	{ "{'config':{'linux':null}}", .facts = { { L "seccomp defaultAction", "'SCMP_ACT_ERRNO'" },
						  { L "maskedPaths 0", "'/proc/acpi'" },
						  { L "readonlyPaths #", "5" } } },
	{ SEC(""), .facts = { { L "seccomp defaultAction", "'SCMP_ACT_ERRNO'" },
			      { L "maskedPaths 0", "'/proc/acpi'" },
			      { L "readonlyPaths #", "5" } } },
	{ SEC("'masked_paths':['/proc/keys','/a']"), .facts = { { L "maskedPaths #", "13" },
								{ L "maskedPaths 12", "'/a'" },
								{ L "readonlyPaths #", "5" } } },
	{ "{'conf':{'crio.runtime.seccomp_use_default_when_empty':'false'}}",
	  .facts = { { L "seccomp", "" }, { L "maskedPaths 0", "'/proc/acpi'" } } },
	{ "{'conf':{'crio.runtime.seccomp_use_default_when_empty':'false'},"
	  "'config':{'linux':null}}",
	  .facts = { { L "seccomp defaultAction", "'SCMP_ACT_ERRNO'" } } },
	{ MAPPED("'config':{}"),
	  .facts = { { L "maskedPaths", "[]" }, { L "readonlyPaths", "[]" } } },
	{ SEC("'seccomp':{}"), .facts = { { L "seccomp architectures #", "1" } } },
	{ "{'image':{'architecture':'386'},'config':{'linux':{'security_context':{'seccomp'"
	  ":"
	  "{}}}}}",
	  .facts = { { L "seccomp architectures #", "2" } } },
	{ SEC("'seccomp':{'profile_type':'Unconfined'}"), .facts = { { L "seccomp", "" } } },
	{ SEC("'seccomp':{'profile_type':'Localhost'}"),
	  FAILS(ERR_INVALID, "localhost_ref is required") },
	{ SEC("'seccomp':{'localhost_ref':'/x'}"), FAILS(ERR_INVALID, "only valid with") },
	{ SEC("'seccomp':{'profile_type':9}"), FAILS(ERR_INVALID, "profile_type is not") },
	{ SEC("'seccomp':{'profile_type':'Localhost','localhost_ref':'rel'}"),
	  FAILS(ERR_INVALID, "not an absolute") },
	{ SEC("'seccomp':{'profile_type':'Localhost','localhost_ref':'@/none'}"),
	  FAILS(ERR_PRECONDITION, "does not exist") },
	{ SEC("'seccomp':{'profile_type':'Localhost','localhost_ref':'@/profile.json'}"),
	  .facts = { { L "seccomp defaultAction", "'SCMP_ACT_LOG'" } } },
	{ SEC("'seccomp_profile_path':'localhost/@/profile.json'"),
	  .facts = { { L "seccomp defaultAction", "'SCMP_ACT_LOG'" } } },
	{ SEC("'seccomp_profile_path':'runtime/default'"),
	  .facts = { { L "seccomp defaultAction", "'SCMP_ACT_ERRNO'" } } },
	{ SEC("'seccomp_profile_path':'unconfined'"), .facts = { { L "seccomp", "" } } },
	{ SEC("'seccomp_profile_path':'strange'"), FAILS(ERR_INVALID, "seccomp_profile_path") },
	{ SEC("'seccomp':{'profile_type':'Unconfined'},'seccomp_profile_path':'runtime/"
	      "default'"),
	  .facts = { { L "seccomp", "" } } },
	{ "{'conf':{'crio.runtime.seccomp_profile':'@/"
	  "profile.json'},'config':{'linux':{'security_context':{'seccomp':{}}}}}",
	  .facts = { { L "seccomp defaultAction", "'SCMP_ACT_LOG'" } } },
	{ "{'host':{'seccomp':false},'config':{'linux':{'security_context':{'seccomp':{}}}}"
	  "}",
	  .facts = { { L "seccomp", "" },
		     { "warning", "'no seccomp profile: this kernel has no seccomp filters'" } } },
	{ "{'host':{'seccomp':false},'config':{'linux':{'security_context':{'seccomp':{'"
	  "profile_type':'Localhost','localhost_ref':'@/profile.json'}}}}}",
	  FAILS(ERR_PRECONDITION, "no seccomp filters") },
	{ SEC("'apparmor':{'profile_type':'Localhost','localhost_ref':'x'}"),
	  FAILS(ERR_PRECONDITION, "AppArmor is not enabled") },
	{ SEC("'apparmor_profile':'localhost/x'"),
	  FAILS(ERR_PRECONDITION, "AppArmor is not enabled") },
	{ "{'host':{'apparmor':true},'apparmor_default':'crisp-default'}",
	  .facts = { { P "apparmorProfile", "'crisp-default'" } } },
	{ "{'host':{'apparmor':true},'apparmor_default':'d','config':{'linux':{'security_"
	  "context':{'apparmor':{'profile_type':'Unconfined'}}}}}",
	  .facts = { { P "apparmorProfile", "" } } },
	{ SEC("'masked_paths':['/a'],'readonly_paths':['/b']"),
	  .facts = { { L "maskedPaths 12", "'/a'" }, { L "readonlyPaths", "['/b']" } } },
	{ SEC("'masked_paths':['a']"), FAILS(ERR_INVALID, "masked_paths[0]") },
	{ SEC("'privileged':true"), FAILS(ERR_INVALID, "pod sandbox is not privileged") },
	{ "{" PRIVILEGED "'masked_paths':['/a'],'seccomp':{}}}}}",
	  .facts = { { L "maskedPaths", "" },
		     { L "seccomp", "" },
		     { MOUNT("/sys") " options 3", "'rw'" },
		     { MOUNT("/sys/fs/cgroup") " options 4", "'rw'" },
		     { L "devices path=/dev/full major", "1" },
		     { L "resources devices", "[{'allow':true,'access':'rwm'}]" } } },
};

static void builds_confinement(void **state)
{
	(void)state;
	check_cases(confinement_cases, ARRAY_LEN(confinement_cases));
}

#define RES(x) "{'config':{'linux':{'resources':{" x "}}}}"
#define R L "resources "
static const struct spec_case resources_cases[] = {
	{ "{}", .facts = { { R "devices", "[{'allow':false,'access':'rwm'}]" },
			   { L "cgroupsPath", "'/test/c'" } } },
	{ RES("'cpu_shares':2,'cpu_quota':-1,'cpu_period':3,'cpuset_cpus':'0-1,3','cpuset_"
	      "mems':'0'"),
	  .facts = { { R "cpu",
		       "{'shares':2,'quota':-1,'period':3,'cpus':'0-1,3','mems':'0'}" } } },
	{ RES("'cpu_quota':-2"), FAILS(ERR_INVALID, "cpu_quota") },
	{ RES("'cpuset_cpus':'0;1'"), FAILS(ERR_INVALID, "cpuset_cpus") },
	{ RES("'memory_limit_in_bytes':99999999"),
	  .facts = { { R "memory", "{'limit':99999999,'swap':99999999}" } } },
	{ RES("'memory_limit_in_bytes':99999999,'memory_swap_limit_in_bytes':199999999"),
	  .facts = { { R "memory swap", "199999999" } } },
	{ RES("'memory_limit_in_bytes':99999999,'memory_swap_limit_in_bytes':9"),
	  FAILS(ERR_INVALID, "below the memory limit") },
	{ "{'host':{'swap':false},'config':{'linux':{'resources':{'memory_limit_in_bytes':"
	  "99999999}}}}",
	  .facts = { { R "memory", "{'limit':99999999}" } } },
	{ RES("'memory_limit_in_bytes':5"), FAILS(ERR_INVALID, "container_min_memory") },
	{ RES("'hugepage_limits':[{'page_size':'2MB','limit':4}]"),
	  .facts = { { R "hugepageLimits", "[{'pageSize':'2MB','limit':4}]" } } },
	{ RES("'hugepage_limits':[{'page_size':'../x','limit':4}]"),
	  FAILS(ERR_INVALID, "hugepage_limits[0]") },
	{ RES("'unified':{'memory.high':'5'}"), .facts = { { R "unified", "" } } },
	{ "{'host':{'cgroup_v2':true},'config':{'linux':{'resources':{'unified':{'memory."
	  "high':'5'}}}}}",
	  .facts = { { R "unified", "{'memory.high':'5'}" } } },
	{ "{'host':{'cgroup_v2':true},'config':{'linux':{'resources':{'unified':{'../"
	  "x.y':'5'}}}}}",
	  FAILS(ERR_INVALID, "unified") },
	{ "{'conf':{'crio.runtime.pids_limit':'7'}}", .facts = { { R "pids limit", "7" } } },
	{ "{'config':{'devices':[{'host_path':'/dev/zero','container_path':'/dev/"
	  "z','permissions':'r'}]}}",
	  .facts = { { L "devices path=/dev/z minor", "5" },
		     { R "devices 1",
		       "{'allow':true,'type':'c','major':1,'minor':5,'access':'r'}" } } },
	{ "{'config':{'devices':[{'host_path':'/dev/zero','permissions':'x'}]}}",
	  FAILS(ERR_INVALID, "permissions") },
	{ "{'config':{'devices':[{'host_path':'@','permissions':'r'}]}}",
	  .facts = { { L "devices", "[]" } } },
	{ "{'config':{'devices':[{'host_path':'@/profile.json'}]}}",
	  FAILS(ERR_PRECONDITION, "neither a device") },
	{ "{'config':{'CDI_devices':[{'name':'v.com/gpu=0'}]},"
	  "'conf':{'crio.runtime.cdi_spec_dirs':['@/none']}}",
	  FAILS(ERR_PRECONDITION, "v.com/gpu=0") },
};

static void builds_resources(void **state)
{
	(void)state;
	check_cases(resources_cases, ARRAY_LEN(resources_cases));
}

static const struct spec_case sandbox_cases[] = {
	{ "{'config':null,'init_args':['/"
	  "init'],'sandbox':{'linux':{'security_context':{'namespace_options':{'pid':'POD'}"
	  ","
	  "'run_as_user':{'value':33},'readonly_rootfs':true}}}}",
	  .facts = { { P "args", "['/init']" },
		     { P "user uid", "33" },
		     { "spec root readonly", "true" },
		     { P "noNewPrivileges", "true" },
		     { L "seccomp defaultAction", "'SCMP_ACT_ERRNO'" },
		     { P "oomScoreAdj", "-998" },
		     { L "namespaces type=pid", "{'type':'pid'}" },
		     { "spec annotations io.kubernetes.cri.container-type", "'sandbox'" } } },
	{ "{'config':null}", FAILS(ERR_INVALID, "no command specified") },
};

static void builds_a_sandbox(void **state)
{
	(void)state;
	check_cases(sandbox_cases, ARRAY_LEN(sandbox_cases));
}

static void makes_an_exec(void **state)
{
	static const char config[] =
		"{\"process\":{\"args\":[\"a\"],\"cwd\":\"/w\",\"env\":[\"A=1\"],"
		"\"terminal\":true,\"capabilities\":{\"bounding\":[\"CAP_KILL\"]}}}";
	const char *cmd[] = { "sh", "-c", NULL }, *none[] = { NULL }, *bad[] = { "\xff", NULL };
	struct err e = ERR_NULL;
	char *text = NULL;

	(void)state;
	assert_int_equal(oci_exec_process(config, cmd, false, &text, &e), 0);
	assert_string_equal(text,
			    "{\"args\":[\"sh\",\"-c\"],\"cwd\":\"/w\",\"env\":[\"A=1\"],"
			    "\"terminal\":false,\"capabilities\":{\"bounding\":[\"CAP_KILL\"]}}");
	free(text);
	assert_int_equal(oci_exec_process(config, cmd, true, &text, &e), 0);
	assert_non_null(strstr(text, "\"A=1\",\"TERM=xterm\""));
	free(text);
	assert_int_equal(oci_exec_process(config, none, false, &text, &e), -ERR_INVALID);
	assert_int_equal(oci_exec_process(config, bad, false, &text, &e), -ERR_INVALID);
	assert_int_equal(oci_exec_process("{}", cmd, false, &text, &e), -ERR_DATA_LOSS);
	assert_int_equal(oci_exec_process("nonsense", cmd, false, &text, &e), -ERR_DATA_LOSS);
}

static void reads_features(void **state)
{
	static const char old[] =
		"{\"mountOptions\":[\"bind\",\"rro\"],\"linux\":{\"seccomp\":{}}}";
	static const char new[] =
		"{\"linux\":{\"mountExtensions\":{\"idmap\":{\"enabled\":true}},"
		"\"netDevices\":{\"enabled\":true},\"intelRdt\":{\"enabled\":true,"
		"\"schemata\":true,\"monitoring\":false}}}";
	static const char without[] =
		"{\"annotations\":{\"org.opencontainers.runc.checkpoint.enabled\":\"false\"}}";
	struct oci_features f = { .exec_cgroup = OCI_EXEC_CGROUP_NONE };
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(oci_features_parse(old, strlen(old), &f, &e), 0);
	assert_true(f.rro && !f.idmap && !f.net_devices && !f.rdt_schemata && !f.rdt_monitoring);
	assert_int_equal(oci_features_parse(new, strlen(new), &f, &e), 0);
	assert_true(!f.rro && f.idmap && f.net_devices && f.rdt_schemata && !f.rdt_monitoring);
	assert_false(f.no_checkpoint);
	assert_int_equal(oci_features_parse(without, strlen(without), &f, &e), 0);
	assert_true(f.no_checkpoint);
	assert_true(oci_features_parse("[]", 2, &f, &e) < 0);
	assert_true(oci_features_parse("", 0, &f, &e) < 0);
}

static void reads_help(void **state)
{
	(void)state;
	assert_int_equal(oci_features_exec_cgroup(NULL), OCI_EXEC_CGROUP_NONE);
	assert_int_equal(oci_features_exec_cgroup("   --cwd value  working directory\n"),
			 OCI_EXEC_CGROUP_NONE);
	assert_int_equal(oci_features_exec_cgroup("   --cgroup=PATH  sub-cgroup\n"),
			 OCI_EXEC_CGROUP_PATH);
	assert_int_equal(oci_features_exec_cgroup("   --cgroup value  run the process in an "
						  "(existing) sub-cgroup(s). Format is "
						  "[<controller>:]<cgroup>.\n"),
			 OCI_EXEC_CGROUP_CONTROLLER);
}

static void knows_signals(void **state)
{
	(void)state;
	assert_int_equal(oci_signal_parse("SIGTERM"), SIGTERM);
	assert_int_equal(oci_signal_parse("quit"), SIGQUIT);
	assert_int_equal(oci_signal_parse("64"), 64);
	assert_int_equal(oci_signal_parse("65"), 0);
	assert_int_equal(oci_signal_parse(""), 0);
	assert_int_equal(oci_signal_parse("SIGRTMAX-14"), 50);
	assert_int_equal(oci_signal_from_cri(RUNTIME__V1__SIGNAL__SIGNAL_SIGRTMINPLUS15), 49);
	assert_int_equal(oci_signal_from_cri(RUNTIME__V1__SIGNAL__SIGNAL_RUNTIME_DEFAULT), 0);
	for (int i = 1; i < 65; i++)
		if (i < 32 || i > 33)
			assert_int_equal(oci_signal_from_cri(oci_signal_to_cri(i)), i);
}

static void put_links(void)
{
	static const char *const links[][2] = {
		{ "links/var/run", "/in" },	   { "links/host", "/tmp/victim" },
		{ "links/shm", "/dev/shm" },	   { "links/root", "../.." },
		{ "links/kernel", "/proc/sys" },   { "links/devices", "dev" },
		{ "links/fd", "/proc/self/fd/7" }, { "volume/out", "/tmp/victim" },
		{ "linkdev/dev", "/tmp/victim" },
	};
	static const char *const dirs[] = { "links/var", "links/in", "volume", "linkdev",
					    "fileproc" };
	struct err e = ERR_NULL;

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", scratch, dirs[i]);

		assert_int_equal(fs_mkdir_all(path, 0755, &e), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", scratch, links[i][0]);

		assert_int_equal(symlink(links[i][1], path), 0);
	}
	put_file("links/file", "");
	put_file("fileproc/proc", "");
}

static int setup(void **state)
{
	struct err e = ERR_NULL;
	_cleanup_free_ char *etc = NULL, *link = NULL, *rootfs = NULL;
	_cleanup_free_ char *shm = NULL;

	(void)state;
	assert_non_null(mkdtemp(scratch));
	rootfs = xasprintf("%s/rootfs", scratch);
	etc = xasprintf("%s/etc", rootfs);
	link = xasprintf("%s/link", scratch);
	shm = xasprintf("%s/shm", scratch);
	assert_int_equal(fs_mkdir_all(etc, 0755, &e), 0);
	assert_int_equal(symlink(rootfs, link), 0);
	assert_int_equal(fs_mkdir_all(shm, 0755, &e), 0);
	put_file("rootfs/etc/passwd", "root:x:0:0::/:\nweb:x:33:34::/:\n");
	put_file("rootfs/etc/group", "extra:x:101:web\n");
	put_links();
	put_file("profile.json", "{\"defaultAction\":\"SCMP_ACT_LOG\"}");
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
		cmocka_unit_test(builds_the_process),
		cmocka_unit_test(builds_capabilities),
		cmocka_unit_test(builds_namespaces),
		cmocka_unit_test(checks_pod_namespaces),
		cmocka_unit_test(checks_container_namespaces),
		cmocka_unit_test(builds_mounts),
		cmocka_unit_test(builds_confinement),
		cmocka_unit_test(builds_resources),
		cmocka_unit_test(builds_a_sandbox),
		cmocka_unit_test(makes_an_exec),
		cmocka_unit_test(reads_features),
		cmocka_unit_test(reads_help),
		cmocka_unit_test(knows_signals),
		cmocka_unit_test(places_what_a_container_gets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
