/*
 * test_cri_validate.c - the generated validators pass a plain request and refuse the smallest
 * breach of each kind of rule with the path of its field.
 *
 * Every request goes over the wire format first, as it does in the server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin.pb-c.h"
#include "api.pb-c.h"
#include "base/util.h"
#include "cri_validate.h"

/* A container request with one of everything that has rules; each test spoils one thing. */
struct request {
	Runtime__V1__CreateContainerRequest req;
	Runtime__V1__ContainerConfig config;
	Runtime__V1__ContainerMetadata metadata;
	Runtime__V1__ImageSpec image;
	Runtime__V1__Mount mounts[4], *mount_list[4];
	Runtime__V1__Device device, *device_list[1];
	Runtime__V1__KeyValue env, *env_list[1];
	Runtime__V1__ContainerConfig__LabelsEntry label, *label_list[1];
	Runtime__V1__LinuxContainerConfig linux;
	Runtime__V1__LinuxContainerSecurityContext security;
	Runtime__V1__NamespaceOption namespaces;
	Runtime__V1__LinuxContainerResources resources;
	Runtime__V1__Int64Value user;
	Runtime__V1__PodSandboxConfig pod;
	Runtime__V1__PodSandboxMetadata pod_metadata;
	char *args[2];
};

static void request_init_linux(struct request *r)
{
	runtime__v1__linux_container_config__init(&r->linux);
	runtime__v1__linux_container_security_context__init(&r->security);
	runtime__v1__namespace_option__init(&r->namespaces);
	runtime__v1__linux_container_resources__init(&r->resources);
	runtime__v1__int64_value__init(&r->user);
	r->config.linux = &r->linux;
	r->linux.security_context = &r->security;
	r->linux.resources = &r->resources;
	r->security.namespace_options = &r->namespaces;
	r->security.run_as_user = &r->user;
	r->resources.cpu_quota = -1;
	r->resources.oom_score_adj = -1000;
	r->user.value = 4294967294;
}

static void request_init_lists(struct request *r)
{
	size_t i;

	for (i = 0; i < 4; i++) {
		runtime__v1__mount__init(&r->mounts[i]);
		r->mounts[i].container_path = "/data";
		r->mounts[i].host_path = "/srv";
		r->mount_list[i] = &r->mounts[i];
	}
	r->config.mounts = r->mount_list;
	r->config.n_mounts = 4;
	runtime__v1__device__init(&r->device);
	r->device.host_path = "/dev/fuse";
	r->device.permissions = "rwm";
	r->device_list[0] = &r->device;
	r->config.devices = r->device_list;
	r->config.n_devices = 1;
	runtime__v1__key_value__init(&r->env);
	r->env.key = "PATH";
	r->env_list[0] = &r->env;
	r->config.envs = r->env_list;
	r->config.n_envs = 1;
	runtime__v1__container_config__labels_entry__init(&r->label);
	r->label.key = "app";
	r->label.value = "any text\nat all";
	r->label_list[0] = &r->label;
	r->config.labels = r->label_list;
	r->config.n_labels = 1;
	r->args[0] = "-c";
	r->args[1] = "true";
	r->config.args = r->args;
	r->config.n_args = 2;
}

static void request_init(struct request *r)
{
	runtime__v1__create_container_request__init(&r->req);
	runtime__v1__container_config__init(&r->config);
	runtime__v1__container_metadata__init(&r->metadata);
	runtime__v1__image_spec__init(&r->image);
	runtime__v1__pod_sandbox_config__init(&r->pod);
	runtime__v1__pod_sandbox_metadata__init(&r->pod_metadata);
	r->req.pod_sandbox_id = "0123abcd";
	r->req.config = &r->config;
	r->req.sandbox_config = &r->pod;
	r->config.metadata = &r->metadata;
	r->config.image = &r->image;
	r->config.log_path = "web/0.log";
	r->metadata.name = "web";
	r->image.image = "busybox:1";
	r->pod.metadata = &r->pod_metadata;
	r->pod_metadata.name = "pod";
	r->pod_metadata.namespace_ = "default";
	r->pod_metadata.uid = "u1";
	request_init_lists(r);
	request_init_linux(r);
}

/* Pack, unpack, validate: what the validator says, or "" for a pass. */
static const char *validate(const ProtobufCMessage *m,
			    bool (*check)(const ProtobufCMessage *, char *, size_t))
{
	static char msg[256];
	size_t size = protobuf_c_message_get_packed_size(m);
	_cleanup_free_ uint8_t *wire = malloc(size + 1);
	ProtobufCMessage *got;
	bool fine;

	assert_non_null(wire);
	protobuf_c_message_pack(m, wire);
	got = protobuf_c_message_unpack(m->descriptor, NULL, size, wire);
	assert_non_null(got);
	msg[0] = '\0';
	fine = check(got, msg, sizeof(msg));
	assert_int_equal(fine, msg[0] == '\0');
	protobuf_c_message_free_unpacked(got, NULL);
	return msg;
}

static void expect(const struct request *r, const char *message)
{
	assert_string_equal(validate(&r->req.base, cri_validate_create_container), message);
}

static void test_plain_request_passes(void **state)
{
	struct request r;

	(void)state;
	request_init(&r);
	expect(&r, "");
}

static void test_required(void **state)
{
	struct request r;

	(void)state;
	request_init(&r);
	r.metadata.name = "";
	expect(&r, "config.metadata.name: required");
	request_init(&r);
	r.config.metadata = NULL;
	expect(&r, "config.metadata: required");
	request_init(&r);
	r.req.config = NULL;
	expect(&r, "config: required");
	request_init(&r);
	r.req.pod_sandbox_id = NULL;
	expect(&r, "pod_sandbox_id: required");
	request_init(&r);
	r.label.key = "";
	expect(&r, "config.labels[0].key: required");
	request_init(&r);
	r.pod_metadata.uid = "";
	expect(&r, "sandbox_config.metadata.uid: required");
}

/* A rule for a sub-message's field in one place only. */
static void test_rule_through_message(void **state)
{
	Runtime__V1__ListImagesRequest list = RUNTIME__V1__LIST_IMAGES_REQUEST__INIT;
	Runtime__V1__ImageFilter filter = RUNTIME__V1__IMAGE_FILTER__INIT;
	Runtime__V1__ImageSpec empty = RUNTIME__V1__IMAGE_SPEC__INIT;
	struct request r;

	(void)state;
	request_init(&r);
	r.image.image = "";
	expect(&r, "config.image.image: required");
	request_init(&r);
	r.user.value = 4294967295;
	expect(&r, "config.linux.security_context.run_as_user.value: "
		   "must be between 0 and 4294967294");
	list.filter = &filter;
	filter.image = &empty;
	assert_string_equal(validate(&list.base, cri_validate_list_images), "");
}

static void test_paths(void **state)
{
	struct request r;

	(void)state;
	request_init(&r);
	r.mounts[3].container_path = "data";
	expect(&r, "config.mounts[3].container_path: must be an absolute path");
	request_init(&r);
	r.config.log_path = "/var/log/x";
	expect(&r, "config.log_path: must be a relative path without \"..\"");
	r.config.log_path = "a/../../b";
	expect(&r, "config.log_path: must be a relative path without \"..\"");
	r.config.log_path = "..";
	expect(&r, "config.log_path: must be a relative path without \"..\"");
	r.config.log_path = "..a/b../...";
	expect(&r, "");
	r.config.log_path = "a\nb";
	expect(&r, "config.log_path: must not contain control characters");
}

static void test_names(void **state)
{
	static const char *const bad[] = { "a/b", ".", "..", "a b", "a\tb", "a\x7f", "/" };
	struct request r;
	size_t i;

	(void)state;
	request_init(&r);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r.metadata.name = (char *)bad[i];
		expect(&r, "config.metadata.name: must not be \".\" or \"..\" nor contain '/', "
			   "spaces or control characters");
	}
	r.metadata.name = "a.b..c";
	expect(&r, "");
	r.metadata.name = "caf\xc3\xa9";
	expect(&r, "");
}

static void test_lengths_and_counts(void **state)
{
	_cleanup_free_ char *text = malloc(131073);
	_cleanup_free_ char **many = calloc(65537, sizeof(*many));
	struct request r;
	size_t i;

	(void)state;
	assert_true(text && many);
	memset(text, 'x', 131072);
	text[131072] = '\0';
	request_init(&r);
	r.args[1] = text;
	expect(&r, "config.args[1]: must not be longer than 131071 bytes");
	r.args[1] = text + 1;
	expect(&r, "");
	for (i = 0; i < 65537; i++)
		many[i] = "a";
	r.config.args = many;
	r.config.n_args = 65537;
	expect(&r, "config.args: must not have more than 65536 entries");
	r.config.n_args = 65536;
	expect(&r, "");
	request_init(&r);
	r.env.value = (ProtobufCBinaryData){ .data = (uint8_t *)text, .len = 131072 };
	expect(&r, "config.envs[0].value: must not be longer than 131071 bytes");
}

static void test_default_count(void **state)
{
	Runtime__V1__Mount mount = RUNTIME__V1__MOUNT__INIT, *mounts[4097];
	struct request r;
	size_t i;

	(void)state;
	request_init(&r);
	mount.container_path = "/a";
	for (i = 0; i < 4097; i++)
		mounts[i] = &mount;
	r.config.mounts = mounts;
	r.config.n_mounts = 4097;
	expect(&r, "config.mounts: must not have more than 4096 entries");
	r.config.n_mounts = 4096;
	expect(&r, "");
}

static void test_numbers(void **state)
{
	Runtime__V1__PortForwardRequest forward = RUNTIME__V1__PORT_FORWARD_REQUEST__INIT;
	Runtime__V1__StopContainerRequest stop = RUNTIME__V1__STOP_CONTAINER_REQUEST__INIT;
	int32_t ports[] = { 80, 0 };
	struct request r;

	(void)state;
	request_init(&r);
	r.resources.oom_score_adj = -1001;
	expect(&r, "config.linux.resources.oom_score_adj: must be between -1000 and 1000");
	r.resources.oom_score_adj = 1001;
	expect(&r, "config.linux.resources.oom_score_adj: must be between -1000 and 1000");
	stop.container_id = "a";
	stop.timeout = -1;
	assert_string_equal(validate(&stop.base, cri_validate_stop_container),
			    "timeout: must be at least 0");
	stop.timeout = INT64_MAX;
	assert_string_equal(validate(&stop.base, cri_validate_stop_container), "");
	forward.pod_sandbox_id = "a";
	forward.port = ports;
	forward.n_port = 2;
	assert_string_equal(validate(&forward.base, cri_validate_port_forward),
			    "port[1]: must be between 1 and 65535");
}

static void test_enums(void **state)
{
	struct request r;

	(void)state;
	request_init(&r);
	r.config.stop_signal = (Runtime__V1__Signal)66;
	expect(&r, "config.stop_signal: is no known Signal");
	r.config.stop_signal = (Runtime__V1__Signal)-1;
	expect(&r, "config.stop_signal: is no known Signal");
	r.config.stop_signal = RUNTIME__V1__SIGNAL__SIGNAL_SIGRTMAX;
	expect(&r, "");
	r.namespaces.network = RUNTIME__V1__NAMESPACE_MODE__TARGET;
	expect(&r, "config.linux.security_context.namespace_options.network: "
		   "must be one of POD, CONTAINER, NODE");
	r.namespaces.network = RUNTIME__V1__NAMESPACE_MODE__NODE;
	r.namespaces.pid = RUNTIME__V1__NAMESPACE_MODE__TARGET;
	expect(&r, "");
	r.mounts[2].propagation = (Runtime__V1__MountPropagation)3;
	expect(&r, "config.mounts[2].propagation: is no known MountPropagation");
}

static void test_characters(void **state)
{
	struct request r;

	(void)state;
	request_init(&r);
	r.device.permissions = "rx";
	expect(&r, "config.devices[0].permissions: may only contain the characters rwm");
	r.device.permissions = "";
	expect(&r, "");
	r.env.key = "A=B";
	expect(&r, "config.envs[0].key: must not contain any of =");
	request_init(&r);
	r.image.image = "busy box";
	expect(&r, "config.image.image: must not contain spaces or control characters");
}

/* Fields marked deprecated are checked like the others. */
static void test_deprecated_field(void **state)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	struct request r;

	(void)state;
	request_init(&r);
	r.security.apparmor_profile = "localhost/a\nb";
	expect(&r, "config.linux.security_context.apparmor_profile: "
		   "must not contain control characters");
#pragma GCC diagnostic pop
}

/* A buffer of any size gets a cut text and not a byte more. */
static void test_message_is_bounded(void **state)
{
	static const char whole[] = "config.mounts[3].container_path: must be an absolute path";
	char msg[sizeof(whole) + 8];
	struct request r;
	size_t size;

	(void)state;
	request_init(&r);
	r.mounts[3].container_path = "data";
	for (size = 0; size < sizeof(msg); size++) {
		memset(msg, '#', sizeof(msg));
		assert_false(cri_validate_create_container(&r.req.base, msg, size));
		assert_int_equal(msg[size], '#');
		if (size > 0) {
			assert_memory_equal(msg, whole, strnlen(msg, size));
			assert_true(strnlen(msg, size) < size);
		}
	}
}

/* No request of zero bytes crashes a validator, and those that need something say so. */
static void test_empty_requests(void **state)
{
	char msg[256];
	size_t i, refused = 0;

	(void)state;
	for (i = 0; i < CRI_VALIDATORS; i++) {
		ProtobufCMessage *m = protobuf_c_message_unpack(cri_validators[i].request, NULL, 0,
								(const uint8_t *)"");

		assert_non_null(m);
		refused += !cri_validators[i].validate(m, msg, sizeof(msg));
		protobuf_c_message_free_unpacked(m, NULL);
	}
	assert_in_range(refused, 20, CRI_VALIDATORS - 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_request_passes),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_rule_through_message),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_lengths_and_counts),
		cmocka_unit_test(test_default_count),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_enums),
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_deprecated_field),
		cmocka_unit_test(test_message_is_bounded),
		cmocka_unit_test(test_empty_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
