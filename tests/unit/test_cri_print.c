/*
 * test_cri_print.c - the generated printer shows each plain field and no secret field of the CRI.
 *
 * The sweep fills every field of every request and response that the services know, so a secret
 * that is added to the schema is covered without a change here: each secret field holds a marker
 * that must not come out, each other string one that must.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin.pb-c.h"
#include "api.pb-c.h"
#include "base/util.h"
#include "cri_print.h"
#include "state.pb-c.h"

static void test_values(void **state)
{
	Runtime__V1__RunPodSandboxRequest req = RUNTIME__V1__RUN_POD_SANDBOX_REQUEST__INIT;
	Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__PodSandboxMetadata metadata = RUNTIME__V1__POD_SANDBOX_METADATA__INIT;
	Runtime__V1__PortMapping port = RUNTIME__V1__PORT_MAPPING__INIT, *ports[] = { &port };
	Runtime__V1__PodSandboxConfig__LabelsEntry
		label = RUNTIME__V1__POD_SANDBOX_CONFIG__LABELS_ENTRY__INIT,
		*labels[] = { &label };
	char buf[512];
	size_t n;

	(void)state;
	req.config = &config;
	config.metadata = &metadata;
	metadata.name = "web";
	metadata.attempt = 4000000000;
	config.hostname = "has space";
	config.port_mappings = ports;
	config.n_port_mappings = 1;
	port.protocol = RUNTIME__V1__PROTOCOL__UDP;
	port.host_port = -1;
	config.labels = labels;
	config.n_labels = 1;
	label.key = "a=b";
	n = cri_print(&req.base, buf, sizeof(buf));
	assert_string_equal(buf, "config.metadata.name=web config.metadata.attempt=4000000000 "
				 "config.hostname=\"has space\" "
				 "config.port_mappings[0].protocol=UDP "
				 "config.port_mappings[0].host_port=-1 "
				 "config.labels[0].key=\"a=b\"");
	assert_int_equal(n, strlen(buf));
	port.protocol = (Runtime__V1__Protocol)77;
	cri_print(&port.base, buf, sizeof(buf));
	assert_string_equal(buf, "protocol=77 host_port=-1");
}

static void test_strings_stay_on_one_line(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "plain-1.2/x:y", "image=plain-1.2/x:y" },
		{ "a\nb", "image=\"a\\x0ab\"" },
		{ "say \"hi\\\"", "image=\"say \\\"hi\\\\\\\"\"" },
		{ "\x1b[31m", "image=\"\\x1b[31m\"" },
		{ "caf\xc3\xa9", "image=\"caf\xc3\xa9\"" },
		{ "\xc2\x85", "image=\"\\xc2\\x85\"" }, /* C1: next line */
		{ "\xff"
		  "a",
		  "image=\"\\xffa\"" },
		{ "\xc0\xaf", "image=\"\\xc0\\xaf\"" }, /* overlong */
		{ "\xed\xa0\x80", "image=\"\\xed\\xa0\\x80\"" }, /* surrogate */
		{ "\xf0\x9f\x98\x80", "image=\"\xf0\x9f\x98\x80\"" },
		{ "x\xf0\x9f", "image=\"x\\xf0\\x9f\"" }, /* cut short */
		{ "\x7f", "image=\"\\x7f\"" },
	};
	Runtime__V1__ImageSpec m = RUNTIME__V1__IMAGE_SPEC__INIT;
	char buf[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		m.image = (char *)cases[i].text;
		cri_print(&m.base, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].shown);
	}
}

/* At every size: terminated, nothing written behind, only whole pairs, and the mark of the cut. */
static void test_bounds(void **state)
{
	Runtime__V1__AuthConfig m = RUNTIME__V1__AUTH_CONFIG__INIT;
	char whole[256], buf[sizeof(whole) + 1];
	size_t full, size, n;

	(void)state;
	m.username = "me";
	m.password = "hunter2";
	m.server_address = "a \xc3\xa9 b";
	full = cri_print(&m.base, whole, sizeof(whole));
	for (size = 0; size < sizeof(buf); size++) {
		memset(buf, '#', sizeof(buf));
		n = cri_print(&m.base, buf, size);
		assert_int_equal(buf[size], '#');
		if (size == 0) {
			assert_int_equal(n, 0);
			continue;
		}
		assert_true(n < size);
		assert_int_equal(strlen(buf), n);
		if (size > full + sizeof(" ...")) {
			assert_string_equal(buf, whole);
		} else if (n > 0 && strcmp(buf, whole) != 0) {
			assert_string_equal(buf + n - 3, "...");
			n -= n > 3 ? 4 : 3;
			assert_memory_equal(buf, whole, n);
			assert_true(n == 0 || whole[n] == ' ');
		}
	}
}

static void test_bytes_and_foreign_messages(void **state)
{
	Crisp__State__Failure foreign = CRISP__STATE__FAILURE__INIT;
	Runtime__V1__KeyValue env = RUNTIME__V1__KEY_VALUE__INIT;
	char buf[128];

	(void)state;
	env.key = "TOKEN";
	env.value = (ProtobufCBinaryData){ .data = (uint8_t *)"s3cret", .len = 6 };
	cri_print(&env.base, buf, sizeof(buf));
	assert_string_equal(buf, "key=TOKEN value=[redacted]");
	foreign.text = "s3cret";
	cri_print(&foreign.base, buf, sizeof(buf));
	assert_string_equal(buf, "message=[unknown]");
}

/* The secrets of CRI v0.37.2 and ours, as message.field. */
static const char *const secrets[] = {
	"AuthConfig.password",
	"AuthConfig.auth",
	"AuthConfig.identity_token",
	"AuthConfig.registry_token",
	"KeyValue.value",
	"ExecSyncResponse.stdout",
	"ExecSyncResponse.stderr",
	"ExecResponse.url",
	"AttachResponse.url",
	"PortForwardResponse.url",
	"WindowsSandboxSecurityContext.credential_spec",
	"WindowsContainerSecurityContext.credential_spec",
};

static bool seen_secret[sizeof(secrets) / sizeof(secrets[0])];

static bool is_secret(const ProtobufCMessageDescriptor *m, const char *field)
{
	_cleanup_free_ char *name = xasprintf("%s.%s", m->short_name, field);
	size_t i;

	for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (!strcmp(secrets[i], name)) {
			seen_secret[i] = true;
			return true;
		}
	return false;
}

static ProtobufCMessage *fill(const ProtobufCMessageDescriptor *d);

/* A value for f at `at`; what it points to is left to the end of the process. */
static void fill_value(const ProtobufCMessageDescriptor *d, const ProtobufCFieldDescriptor *f,
		       void *at)
{
	const char *text = is_secret(d, f->name) ? "SECRET-VALUE" : "shown";

	if (f->type == PROTOBUF_C_TYPE_STRING)
		*(char **)at = (char *)text;
	else if (f->type == PROTOBUF_C_TYPE_BYTES)
		*(ProtobufCBinaryData *)at = (ProtobufCBinaryData){
			.data = (uint8_t *)text,
			.len = strlen(text),
		};
	else if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		*(ProtobufCMessage **)at = fill(f->descriptor);
	else if (f->type == PROTOBUF_C_TYPE_BOOL)
		*(protobuf_c_boolean *)at = 1;
}

/* Everything made by fill, to be freed after the sweep. */
static void *filled[65536];
static size_t n_filled;

static void *keep(size_t size)
{
	void *p = calloc(1, size);

	assert_non_null(p);
	assert_true(n_filled < sizeof(filled) / sizeof(filled[0]));
	filled[n_filled++] = p;
	return p;
}

static ProtobufCMessage *fill(const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = keep(d->sizeof_message);
	unsigned i;

	protobuf_c_message_init(d, m);
	for (i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		char *at = (char *)m + f->offset;

		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			fill_value(d, f, at);
			continue;
		}
		*(size_t *)((char *)m + f->quantifier_offset) = 1;
		*(void **)at = keep(sizeof(ProtobufCBinaryData));
		fill_value(d, f, *(void **)at);
	}
	return m;
}

static void test_no_secret_ever_appears(void **state)
{
	const ProtobufCServiceDescriptor *const services[] = {
		&runtime__v1__runtime_service__descriptor,
		&runtime__v1__image_service__descriptor,
		&crisp__v1__admin__descriptor,
	};
	_cleanup_free_ char *buf = malloc(1 << 20);
	unsigned i, j, side;
	size_t n = 0, shown = 0;

	(void)state;
	assert_non_null(buf);
	for (i = 0; i < 3; i++)
		for (j = 0; j < services[i]->n_methods; j++)
			for (side = 0; side < 2; side++) {
				ProtobufCMessage *m = fill(side ? services[i]->methods[j].output
								: services[i]->methods[j].input);

				cri_print(m, buf, 1 << 20);
				assert_null(strstr(buf, "SECRET"));
				assert_null(strstr(buf, "12 bytes"));
				assert_null(strchr(buf, '\n'));
				shown += strstr(buf, "=shown") != NULL;
				n++;
			}
	assert_true(n > 2 * 40);
	assert_true(shown > 40);
	for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (!seen_secret[i] && strncmp(secrets[i], "Windows", 7) != 0)
			fail_msg("%s is in no message of the services", secrets[i]);
	while (n_filled > 0)
		free(filled[--n_filled]);
}

static void test_redacts(void **state)
{
	(void)state;
	assert_true(cri_print_redacts(&runtime__v1__auth_config__descriptor, 2));
	assert_true(cri_print_redacts(&runtime__v1__key_value__descriptor, 2));
	assert_false(cri_print_redacts(&runtime__v1__auth_config__descriptor, 1));
	assert_false(cri_print_redacts(&runtime__v1__key_value__descriptor, 1));
	assert_false(cri_print_redacts(&runtime__v1__exec_request__descriptor, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_strings_stay_on_one_line),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_bytes_and_foreign_messages),
		cmocka_unit_test(test_no_secret_ever_appears),
		cmocka_unit_test(test_redacts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
