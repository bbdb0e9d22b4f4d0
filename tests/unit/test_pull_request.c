/*
 * test_pull_request.c - a pull's request in the daemon's memory: fields filled from the
 * configuration, and no secret byte left after the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "conf/conf.h"
#include "core/records.h"
#include "gen/pull_conf.h"
#include "image/wipe.h"

static Crisp__Pull__Request *request_new(void)
{
	Crisp__Pull__Request *q = xmalloc(sizeof(*q));

	crisp__pull__request__init(q);
	return q;
}

static void set(struct conf *c, const char *key, const char *value)
{
	struct err e = ERR_NULL;

	if (conf_set(c, key, value, &e) < 0)
		fail_msg("%s", e.text);
}

static void test_from_conf(void **state)
{
	Crisp__Pull__Request *q = request_new();
	struct conf c;

	(void)state;
	conf_init(&c);
	set(&c, "crio.image.registries_conf", "/r.conf");
	set(&c, "crio.image.global_auth_file", "/auth.json");
	set(&c, "crio.image.insecure_registries", "a:1");
	set(&c, "crio.image.insecure_registries", "b:2");
	set(&c, "crio.image.max_parallel_layers", "65536");
	set(&c, "crio.image.pull_progress_timeout", "1m30s");
	set(&c, "crio.image.short_name_mode", "permissive");
	set(&c, "crio.image.certs_dirs", "/certs.d");
	/* Twice: the second time replaces. */
	crisp__pull__request__from_conf(q, &c);
	crisp__pull__request__from_conf(q, &c);
	assert_string_equal(q->registries_conf, "/r.conf");
	assert_string_equal(q->auth_file, "/auth.json");
	assert_int_equal(q->n_insecure_registries, 2);
	assert_string_equal(q->insecure_registries[1], "b:2");
	assert_int_equal(q->max_layers, 65536);
	assert_int_equal(q->pull_progress_timeout_ms, 90000);
	assert_string_equal(q->short_name_mode, "permissive");
	assert_int_equal(q->n_certs_dirs, 1);
	assert_string_equal(q->certs_dirs[0], "/certs.d");
	assert_string_equal(q->namespaced_auth_dir, c.namespaced_auth_dir);
	assert_ptr_equal(q->pull_id, protobuf_c_empty_string);
	set(&c, "crio.image.pull_progress_timeout", "");
	crisp__pull__request__from_conf(q, &c);
	assert_int_equal(q->pull_progress_timeout_ms, 0);
	crisp__pull__request__free_unpacked(q, NULL);
	conf_done(&c);
}

static void assert_wiped(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(text[i], 0);
}

static void test_wipe(void **state)
{
	Crisp__Pull__Request *q = request_new();
	Crisp__Pull__Credentials *c = xmalloc(sizeof(*c));
	char *lists[] = { (char *)"one", (char *)"two", NULL };
	ProtobufCMessageUnknownField *unknown = xcalloc(1, sizeof(*unknown));

	(void)state;
	crisp__pull__credentials__init(c);
	q->credentials = c;
	row_set_str(&q->reference, "reference");
	row_set_strs(&q->certs_dirs, &q->n_certs_dirs, lists);
	row_set_str(&c->username, "username");
	row_set_str(&c->password, "password");
	row_set_str(&c->auth, "auth");
	row_set_str(&c->identity_token, "identity");
	row_set_str(&c->registry_token, "registry");
	/* From a newer daemon. */
	unknown->tag = 99;
	unknown->len = 6;
	unknown->data = (uint8_t *)xstrdup("secret");
	c->base.unknown_fields = unknown;
	c->base.n_unknown_fields = 1;
	message_wipe((ProtobufCMessage *)q);
	assert_wiped(q->reference, strlen("reference"));
	assert_wiped(q->certs_dirs[0], 3);
	assert_wiped(q->certs_dirs[1], 3);
	assert_wiped(c->username, strlen("username"));
	assert_wiped(c->password, strlen("password"));
	assert_wiped(c->auth, strlen("auth"));
	assert_wiped(c->identity_token, strlen("identity"));
	assert_wiped(c->registry_token, strlen("registry"));
	assert_wiped((char *)unknown->data, unknown->len);
	/* Never set: a constant. */
	assert_ptr_equal(c->server_address, protobuf_c_empty_string);
	crisp__pull__request__free_unpacked(q, NULL);
	message_wipe(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_conf),
		cmocka_unit_test(test_wipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
