/*
 * test_rows.c - rows written by the daemon of an earlier commit (fixtures/rows-COMMIT.txt, made by
 * fixtures/rows.sh) load as the same state with the same fields and are written again without a
 * loss.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "base/fs.h"
#include "base/util.h"
#include "gen/state.pb-c.h"
#include "no_effects.h"
#include "scratch.h"
#include "sm/engine.h"
#include "store/store.h"

#define FIXTURE "tests/unit/fixtures/rows-e8f5190.txt"
#define ROWS_MAX 64

static const struct sm_machine *const machines[] = {
	&sbx_machine,
	&ctr_machine,
	&img_machine,
	&pul_machine,
};

struct row {
	enum store_env env;
	char *key;
	unsigned char *payload;
	size_t size;
	const struct sm_machine *machine; /* NULL: of none */
	struct sm_object *obj;
};

static struct scratch dir;
static struct sm_engine *engine;
static struct row rows[ROWS_MAX];
static size_t n_rows;

/* --- the fixture --- */

static const struct sm_machine *machine_of(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
		size_t n = strlen(machines[i]->name);

		if (strncmp(key, machines[i]->name, n) == 0 && key[n] == '/')
			return machines[i];
	}
	return NULL;
}

static unsigned hex_digit(char c)
{
	assert_true(isxdigit((unsigned char)c));
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static void read_line(char *line)
{
	char *key = strchr(line, ' '), *hex = key ? strchr(key + 1, ' ') : NULL;
	struct row *r = &rows[n_rows++];

	assert_true(n_rows <= ROWS_MAX);
	assert_non_null(hex);
	*key++ = *hex++ = '\0';
	r->env = strcmp(line, "boot") == 0 ? STORE_ENV_BOOT : STORE_ENV_DURABLE;
	r->key = xstrdup(key);
	r->machine = machine_of(key);
	r->size = strlen(hex) / 2;
	r->payload = xcalloc(r->size + 1, 1);
	for (size_t i = 0; i < r->size; i++)
		r->payload[i] =
			(unsigned char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
}

static void read_fixture(void)
{
	FILE *f = fopen(FIXTURE, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	assert_non_null(f);
	while ((n = getline(&line, &size, f)) > 0) {
		line[n - 1] = '\0';
		read_line(line);
	}
	free(line);
	fclose(f);
}

/* --- the store --- */

static void store_all(void)
{
	_cleanup_free_ char *durable = scratch_file(&dir, "durable");
	_cleanup_free_ char *boot = scratch_file(&dir, "boot");
	const struct store_options o = { .durable_dir = durable,
					 .boot_dir = boot,
					 .map_size = 4 << 20,
					 .reserve = 64 * 1024,
					 .boot_reserve = 64 * 1024,
					 .no_sync = true };
	struct err e = ERR_NULL;
	struct store_txn t;
	struct store_read read;
	struct store *s;

	assert_int_equal(store_open(&o, &s, &e), 0);
	store_begin(s, &t);
	for (size_t i = 0; i < n_rows; i++)
		store_put(&t, rows[i].env, rows[i].key, rows[i].payload, rows[i].size);
	assert_int_equal(store_commit(&t, &e), 0);
	store_read_begin(s, &read);
	for (size_t i = 0; i < n_rows; i++) {
		struct row *r = &rows[i];
		struct store_row got;

		assert_int_equal(store_get(&read, r->env, r->key, &got, &e), 0);
		assert_false(got.damaged);
		assert_int_equal(got.size, r->size);
		if (r->machine && sm_object_load(engine, r->machine, strchr(r->key, '/') + 1,
						 got.payload, got.size, &r->obj, &e) < 0)
			fail_msg("%s: %s", r->key, e.text);
	}
	store_read_end(&read);
	store_close(s);
}

static int setup(void **state)
{
	(void)state;
	scratch_make(&dir);
	engine = sm_engine_new(&no_ops, NULL);
	read_fixture();
	store_all();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_rows; i++) {
		sm_object_free(rows[i].obj);
		free(rows[i].key);
		free(rows[i].payload);
	}
	sm_engine_free(engine);
	scratch_drop(&dir);
	return 0;
}

/* The i-th row of the machine in that state, in either environment. */
static const void *in_state(const struct sm_machine *m, uint16_t state, size_t i)
{
	for (size_t k = 0; k < n_rows; k++)
		if (rows[k].machine == m && rows[k].obj->state == state && i-- == 0)
			return rows[k].obj->row;
	fail_msg("the fixture has no %s in %s", m->name, m->states[state].name);
	return NULL;
}

/* --- tests --- */

static void same_envelope(const struct row *r)
{
	_cleanup_free_ void *packed = NULL;
	Crisp__State__Envelope *before, *after;
	size_t size;

	packed = sm_object_pack(r->obj, &size);
	before = crisp__state__envelope__unpack(NULL, r->size, r->payload);
	after = crisp__state__envelope__unpack(NULL, size, packed);
	assert_true(before && after);
	assert_int_equal(after->state, before->state);
	assert_int_equal(after->seq, before->seq);
	assert_int_equal(after->since_ns, before->since_ns);
	assert_int_equal(after->row.len, before->row.len);
	assert_memory_equal(after->row.data, before->row.data, before->row.len);
	/* Moves by events that have another name now are left out. */
	assert_true(after->n_history <= before->n_history);
	crisp__state__envelope__free_unpacked(before, NULL);
	crisp__state__envelope__free_unpacked(after, NULL);
}

static void nothing_is_lost_when_written_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_rows; i++)
		if (rows[i].machine)
			same_envelope(&rows[i]);
		else
			assert_memory_equal(rows[i].key, "exec/", 5);
}

static void sandboxes(void **state)
{
	const Crisp__State__Sandbox *own = NULL, *host = NULL, *stopped;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const Crisp__State__Sandbox *s = in_state(&sbx_machine, SBX_STATE_READY, i);

		*(s->host_network ? &host : &own) = s;
	}
	assert_true(own && host);
	assert_string_equal(own->name_key, "pod/crisp-test/own/uid-own/0");
	assert_non_null(strstr(own->cgroup_parent, "/crisp-test-"));
	assert_non_null(strstr(own->netns, "/ns/"));
	assert_int_equal(own->n_ips, 1);
	assert_non_null(strstr(own->cni_conf, "host-local"));
	assert_non_null(strstr(own->cni_result, own->ips[0]));
	assert_true(own->shim_pid > 0 && own->created_ns > 0 && own->config.len > 0);
	assert_string_equal(own->runtime_handler, "");
	assert_int_equal(strlen(own->boot_id), 36);
	assert_string_equal(host->netns, "");
	assert_int_equal(host->n_ips, 0);
	stopped = in_state(&sbx_machine, SBX_STATE_NOTREADY, 0);
	assert_string_equal(stopped->name_key, "pod/crisp-test/stopped/uid-stopped/0");
	assert_false(stopped->undo);
}

static void containers(void **state)
{
	const Crisp__State__Container *c = in_state(&ctr_machine, CTR_STATE_RUNNING, 0);

	(void)state;
	assert_true(c->pid > 0 && c->pid_ticks > 0 && c->started_ns >= c->created_ns);
	assert_int_equal(c->finished_ns, 0);
	assert_int_equal(strlen(c->sandbox_id), 64);
	assert_non_null(strstr(c->name_key, c->sandbox_id));
	assert_memory_equal(c->image_id, "sha256:", 7);
	assert_int_equal(c->stop_signal, 15);
	assert_non_null(strstr(c->runtime_path, "runc"));
	assert_non_null(strstr(c->log_path, ".runs.log"));
	assert_true(c->n_diff_ids > 0 && c->image_config.len > 0);
	c = in_state(&ctr_machine, CTR_STATE_CREATED, 0);
	assert_int_equal(c->started_ns, 0);
	for (size_t i = 0; i < 2; i++) {
		c = in_state(&ctr_machine, CTR_STATE_EXITED, i);
		if (strstr(c->log_path, "own.ended.log"))
			break;
	}
	assert_int_equal(c->exit_code, 7);
	assert_true(c->exit_known && !c->oom_killed && c->finished_ns >= c->started_ns);
}

static void images_and_pulls(void **state)
{
	const Crisp__State__Image *img = in_state(&img_machine, IMG_STATE_PRESENT, 0);
	const Crisp__State__Pull *pull = in_state(&pul_machine, PUL_STATE_KEPT, 0);

	(void)state;
	assert_int_equal(img->n_tags, 1);
	assert_non_null(strstr(img->tags[0], "busybox"));
	assert_true(img->n_layers > 0 && img->size > 0 && img->config.len > 0);
	assert_memory_equal(img->layers[0]->diff_id, "sha256:", 7);
	img = in_state(&img_machine, IMG_STATE_DAMAGED, 0);
	assert_non_null(strstr(img->tags[0], "plain/two:two"));
	assert_true(img->failure && *img->failure->text);
	assert_non_null(strstr(pull->reference, "slow/one:one"));
	assert_false(pull->is_layout);
	assert_int_equal(pull->kept_layers, 1);
	assert_true(pull->kept_until_ns > pull->started_ns);
}

/* No machine stores them any more; pod/exec.c reads what kills the session. */
static void execs(void **state)
{
	Crisp__State__Envelope *env;
	Crisp__State__Exec *exec;
	size_t i = 0;

	(void)state;
	while (i < n_rows && strncmp(rows[i].key, "exec/", 5) != 0)
		i++;
	assert_true(i < n_rows);
	assert_int_equal(rows[i].env, STORE_ENV_BOOT);
	env = crisp__state__envelope__unpack(NULL, rows[i].size, rows[i].payload);
	exec = crisp__state__exec__unpack(NULL, env->row.len, env->row.data);
	assert_int_equal(exec->n_cmd, 2);
	assert_string_equal(exec->cmd[0], "sleep");
	assert_string_equal(exec->cmd[1], "600");
	assert_int_equal(strlen(exec->container_id), 64);
	assert_true(exec->started_ns > 0 && !exec->exit_known && !exec->timed_out);
	assert_false(exec->stored);
	crisp__state__exec__free_unpacked(exec, NULL);
	crisp__state__envelope__free_unpacked(env, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_when_written_again),
		cmocka_unit_test(sandboxes),
		cmocka_unit_test(containers),
		cmocka_unit_test(images_and_pulls),
		cmocka_unit_test(execs),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
