/*
 * test_rules.c - guards, steps, deadlines and invariants of the machines, the writing of records,
 * and the paths derived from ids.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/api.pb-c.h"
#include "gen/sm_container.h"
#include "gen/sm_exec.h"
#include "gen/sm_image.h"
#include "gen/sm_pull.h"
#include "gen/sm_sandbox.h"
#include "image/annotations.h"
#include "images/pinned.h"

#define NOW INT64_C(1700000000000000000)
#define IMAGE_ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct sm_event event_now(void)
{
	return (struct sm_event){ .at_ns = NOW };
}

static struct sm_event event_of_failure(enum err_code code, const char *text)
{
	struct sm_event ev = { .at_ns = NOW };

	if (code)
		err_set(&ev.err, code, "%s", text);
	return ev;
}

static Crisp__State__Container *container(void)
{
	Crisp__State__Container *row = xmalloc(sizeof(*row));

	crisp__state__container__init(row);
	return row;
}

static Crisp__State__Sandbox *sandbox(void)
{
	Crisp__State__Sandbox *row = xmalloc(sizeof(*row));

	crisp__state__sandbox__init(row);
	return row;
}

/* Freed the way the engine does it: what a step has written must be what protobuf-c frees. */
static void drop(void *row)
{
	protobuf_c_message_free_unpacked(row, NULL);
}

/* --- writing into records --- */

static void strings_of_records(void **state)
{
	Crisp__State__Sandbox *row = sandbox();
	char *const two[] = { (char[]){ "a" }, (char[]){ "b" }, NULL };

	(void)state;
	row_set_str(&row->netns, "one");
	row_set_str(&row->netns, "two");
	assert_string_equal(row->netns, "two");
	row_set_str(&row->netns, "");
	assert_ptr_equal(row->netns, protobuf_c_empty_string);
	row_set_str(&row->netns, "three");
	row_set_str(&row->netns, NULL);
	assert_string_equal(row->netns, "");
	row_set_strs(&row->ips, &row->n_ips, two);
	assert_int_equal(row->n_ips, 2);
	row_add_str(&row->ips, &row->n_ips, "b"); /* is in it */
	row_add_str(&row->ips, &row->n_ips, "c");
	assert_int_equal(row->n_ips, 3);
	assert_true(row_del_str(&row->ips, &row->n_ips, "a"));
	assert_false(row_del_str(&row->ips, &row->n_ips, "a"));
	assert_int_equal(row->n_ips, 2);
	assert_string_equal(row->ips[0], "b");
	assert_string_equal(row->ips[1], "c");
	row_set_strs(&row->ips, &row->n_ips, NULL);
	assert_int_equal(row->n_ips, 0);
	row_set_strs(&row->ips, &row->n_ips, two);
	drop(row);
}

static void failures_of_records(void **state)
{
	struct sm_event ev = event_of_failure(ERR_UNAVAILABLE, "no runtime");
	struct sm_event overdue = event_of_failure(ERR_OK, NULL);
	Crisp__State__Sandbox *row = sandbox();
	struct err e = ERR_NULL;

	(void)state;
	row_fail(&row->failure, &ev);
	assert_int_equal(row->failure->code, ERR_UNAVAILABLE);
	assert_string_equal(row->failure->text, "no runtime");
	assert_true(row->failure->at_ns == NOW);
	assert_int_equal(row_failure_err(row->failure, &e), -ERR_UNAVAILABLE);
	assert_string_equal(e.text, "no runtime");
	row_fail(&row->failure, &overdue);
	assert_int_equal(row->failure->code, ERR_DEADLINE);
	assert_true(*row->failure->text);
	row_clear_failure(&row->failure);
	assert_null(row->failure);
	row_clear_failure(&row->failure);
	drop(row);
}

static void payloads_go_with_their_event(void **state)
{
	struct payload_netns *a = xcalloc(1, sizeof(*a));
	struct payload_network *n = xcalloc(1, sizeof(*n));
	struct payload_bundle *b = xcalloc(1, sizeof(*b));

	(void)state;
	a->cni_conf = xstrdup("{}");
	n->result = xstrdup("{}");
	n->ips = xcalloc(2, sizeof(char *));
	n->ips[0] = xstrdup("10.0.0.1");
	b->groups = xcalloc(3, sizeof(*b->groups));
	sm_event_free(sbx_event_prepared(a));
	sm_event_free(sbx_event_network_up(n));
	sm_event_free(ctr_event_prepared(b));
	sm_event_free(img_event_untag(payload_tag_new("v1")));
	sm_event_free(pul_event_fetched(payload_image_id_new(IMAGE_ID)));
	payload_netns_free(NULL);
	payload_setup_free(NULL);
	payload_network_free(NULL);
	payload_bundle_free(NULL);
	payload_init_free(NULL);
	payload_resources_free(NULL);
	payload_image_free(NULL);
	payload_tag_free(NULL);
}

/* --- container --- */

static void container_stop(void **state)
{
	struct payload_stop f = { .kill_at_ns = NOW + 5 };
	struct sm_event ev = event_now();
	Crisp__State__Container *row = container();

	(void)state;
	assert_false(ctr_guard_stop_now(row, &ev, &f));
	ctr_step_note_stop(row, &ev, &f);
	assert_true(ctr_deadline_grace(row) == NOW + 5);
	f.kill_at_ns = NOW + 5;
	assert_false(ctr_guard_stop_sooner(row, &ev, &f));
	f.kill_at_ns = NOW + 4;
	assert_true(ctr_guard_stop_sooner(row, &ev, &f));
	f.now = true;
	assert_true(ctr_guard_stop_now(row, &ev, &f));
	drop(row);
}

static void container_start(void **state)
{
	int64_t groups[] = { 5, 6 };
	struct payload_bundle b = {
		.uid = 1,
		.gid = 2,
		.stop_signal = 15,
		.may_trace = true,
		.groups = groups,
		.n_groups = 2,
	};
	struct payload_init f = { .pid = 77, .ticks = 88 };
	struct sm_event ev = event_now();
	Crisp__State__Container *row = container();

	(void)state;
	ctr_step_note_prepared(row, &ev, &b);
	assert_int_equal(row->uid, 1);
	assert_int_equal(row->gid, 2);
	assert_int_equal(row->stop_signal, 15);
	assert_true(row->may_trace);
	assert_int_equal(row->n_groups, 2);
	assert_int_equal(row->groups[1], 6);
	assert_ptr_not_equal(row->groups, groups);
	/* Prepared again. */
	b.groups = NULL;
	b.n_groups = 0;
	ctr_step_note_prepared(row, &ev, &b);
	assert_int_equal(row->n_groups, 0);
	assert_false(ctr_invariant_has_pid(row));
	ctr_step_note_created(row, &ev, &f);
	assert_true(ctr_invariant_has_pid(row));
	assert_int_equal(row->pid, 77);
	assert_int_equal(row->pid_ticks, 88);
	assert_int_equal(row->uid, 1);
	assert_string_equal(row->boot_id, clock_boot_id());
	ctr_step_note_started(row, &ev, &f);
	assert_true(row->started_ns == NOW);
	f.started_ns = NOW - 9;
	ctr_step_note_started(row, &ev, &f);
	assert_true(row->started_ns == NOW - 9);
	f.pid = 79;
	ctr_step_note_pid(row, &ev, &f);
	assert_int_equal(row->pid, 79);
	assert_true(row->started_ns == NOW - 9);
	drop(row);
}

static void container_exit(void **state)
{
	struct payload_exit f = { .code = 0, .started_ns = NOW - 20, .exited_ns = NOW - 10 };
	struct sm_event ev = event_now();
	Crisp__State__Container *row = container();

	(void)state;
	assert_false(ctr_invariant_has_exit(row));
	ctr_step_note_exit(row, &ev, &f);
	assert_true(ctr_invariant_has_exit(row));
	assert_true(row->exit_known);
	assert_int_equal(row->exit_code, 0);
	assert_string_equal(row->reason, "Completed");
	assert_true(row->started_ns == NOW - 20);
	assert_true(row->finished_ns == NOW - 10);
	f = (struct payload_exit){ .code = 3, .started_ns = 1 };
	ctr_step_note_exit(row, &ev, &f);
	assert_string_equal(row->reason, "Error");
	assert_true(row->started_ns == NOW - 20); /* known better already */
	assert_true(row->finished_ns == NOW);
	f = (struct payload_exit){ .code = 137, .oom = true };
	ctr_step_note_exit(row, &ev, &f);
	assert_string_equal(row->reason, "OOMKilled");
	assert_true(row->oom_killed);
	assert_int_equal(row->exit_code, 137);
	drop(row);
}

static void container_exit_unknown(void **state)
{
	static const struct {
		const char *boot, *reason, *says;
	} cases[] = {
		{ "", "ContainerStatusUnknown", "monitor died" },
		{ NULL, "ContainerStatusUnknown", "monitor died" },
		{ "00000000-0000-4000-8000-000000000000", "NodeReboot", "rebooted" },
	};
	struct sm_event ev = event_now();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Crisp__State__Container *row = container();

		row_set_str(&row->boot_id, cases[i].boot ? cases[i].boot : clock_boot_id());
		row->exit_known = true;
		ctr_step_note_exit_unknown(row, &ev);
		assert_false(row->exit_known);
		assert_int_equal(row->exit_code, 255);
		assert_true(ctr_invariant_has_exit(row));
		assert_string_equal(row->reason, cases[i].reason);
		assert_non_null(strstr(row->message, cases[i].says));
		drop(row);
	}
}

static void container_failures(void **state)
{
	struct sm_event first = event_of_failure(ERR_INVALID, "no such user");
	struct sm_event second = event_of_failure(ERR_UNAVAILABLE, "busy");
	Crisp__State__Container *row = container();

	(void)state;
	/* Why it could not be made is what its client is told, however its removal goes. */
	ctr_step_note_error(row, &first);
	ctr_step_note_error(row, &second);
	assert_string_equal(row->failure->text, "no such user");
	/* One that has lived: the last failure. */
	row->pid = 7;
	ctr_step_note_error(row, &second);
	assert_string_equal(row->failure->text, "busy");
	drop(row);

	row = container();
	ctr_step_note_start_failed(row, &first);
	assert_int_equal(row->exit_code, 128);
	assert_true(row->exit_known);
	assert_true(ctr_invariant_has_exit(row));
	assert_string_equal(row->reason, "StartError");
	assert_string_equal(row->message, "no such user");
	assert_int_equal(row->failure->code, ERR_INVALID);
	drop(row);
}

/* --- sandbox --- */

static void sandbox_network(void **state)
{
	char *ips[] = { (char[]){ "10.0.0.1" }, (char[]){ "fd00::1" }, NULL };
	struct payload_network n = { .result = (char[]){ "{\"ips\":[]}" }, .ips = ips };
	struct payload_netns netns = { (char[]){ "/run/netns/x" }, (char[]){ "{}" }, true };
	struct payload_init shim = { .pid = 5 }, init = { .pid = 6, .ticks = 7 };
	struct payload_setup a = { .shim_pid = 9, .init_pid = 6 };
	struct sm_event up = event_now(), anchored = up, down = up;
	struct sm_event failed = event_of_failure(ERR_UNAVAILABLE, "DEL failed");
	Crisp__State__Sandbox *row = sandbox();

	(void)state;
	assert_true(sbx_guard_unwired(row, &down));
	assert_false(sbx_invariant_has_shim(row));
	assert_false(sbx_invariant_has_network(row));
	sbx_step_note_netns(row, &anchored, &netns);
	assert_string_equal(row->netns, "/run/netns/x");
	assert_true(sbx_guard_maps_ports(row, &down) && !sbx_invariant_has_shim(row));
	sbx_step_note_shim(row, &anchored, &shim);
	assert_true(sbx_invariant_has_shim(row));
	assert_string_equal(row->boot_id, clock_boot_id());
	sbx_step_note_init(row, &anchored, &init);
	assert_int_equal(row->init_pid, 6);
	assert_int_equal(row->init_ticks, 7);
	/* From before the first ADD on there is something to undo. */
	assert_false(sbx_guard_unwired(row, &down));
	assert_false(sbx_invariant_has_network(row));
	sbx_step_note_network(row, &up, &n);
	assert_true(sbx_invariant_has_network(row));
	assert_int_equal(row->n_ips, 2);
	assert_string_equal(row->ips[1], "fd00::1");
	/* A probe after a restart keeps the network. */
	sbx_step_note_setup(row, &anchored, &a);
	assert_int_equal(row->shim_pid, 9);
	assert_string_equal(row->cni_conf, "{}");
	row_fail(&row->failure, &failed);
	sbx_step_note_no_network(row, &down);
	assert_true(sbx_guard_unwired(row, &down));
	assert_string_equal(row->cni_result, "");
	assert_null(row->failure); /* it went well in the end */
	drop(row);
}

static void sandbox_host_network(void **state)
{
	struct sm_event ev = event_now();
	Crisp__State__Sandbox *row = sandbox();

	(void)state;
	assert_false(sbx_guard_host_network(row, &ev));
	row->host_network = true;
	assert_true(sbx_guard_host_network(row, &ev));
	assert_true(sbx_guard_unwired(row, &ev));
	assert_true(sbx_invariant_has_network(row));
	drop(row);
}

static void sandbox_undo(void **state)
{
	struct sm_event why = event_of_failure(ERR_INVALID, "bad sysctl");
	struct sm_event ev = event_now();
	Crisp__State__Sandbox *row = sandbox();

	(void)state;
	assert_false(sbx_guard_undoing(row, &ev));
	sbx_step_note_undo(row, &why);
	assert_true(sbx_guard_undoing(row, &ev));
	sbx_step_note_no_network(row, &ev);
	assert_string_equal(row->failure->text, "bad sysctl");
	drop(row);
}

/* --- exec, image, pull --- */

static void exec_steps(void **state)
{
	struct payload_exit x = { .code = 9 };
	struct sm_event end = event_now(), none = event_now();
	struct sm_event why = event_of_failure(ERR_NOT_FOUND, "no such program");
	Crisp__State__Exec *row = xmalloc(sizeof(*row));

	(void)state;
	crisp__state__exec__init(row);
	assert_true(exe_deadline_exec_timeout(row) == 0);
	row->kill_at_ns = NOW;
	assert_true(exe_deadline_exec_timeout(row) == NOW);
	exe_step_note_timeout(row, &none);
	assert_true(row->timed_out);
	exe_step_note_exit(row, &end, &x);
	assert_int_equal(row->exit_code, 9);
	assert_true(row->exit_known);
	exe_step_note_exit_unknown(row, &none);
	assert_int_equal(row->exit_code, 255);
	assert_false(row->exit_known);
	exe_step_note_error(row, &why);
	assert_string_equal(row->failure->text, "no such program");
	drop(row);
}

static Crisp__State__Image *found_image(const char *tag)
{
	Crisp__State__Image *img = xmalloc(sizeof(*img));
	Crisp__State__Layer *l = xmalloc(sizeof(*l));

	crisp__state__image__init(img);
	crisp__state__layer__init(l);
	row_set_str(&l->diff_id, "sha256:d");
	row_set_str(&l->blob_digest, "sha256:b");
	row_set_str(&l->media_type, "tar");
	l->compressed_size = 1;
	l->unpacked_size = 2;
	l->inodes = 3;
	img->layers = xcalloc(1, sizeof(*img->layers));
	img->layers[0] = l;
	img->n_layers = 1;
	img->config.data = xmemdup("{}", 2);
	img->config.len = 2;
	img->size = 4;
	row_set_str(&img->user, "nobody");
	row_set_str(&img->manifest_digest, "sha256:m");
	row_add_str(&img->tags, &img->n_tags, tag);
	row_add_str(&img->digests, &img->n_digests, "x@sha256:m");
	return img;
}

static void annotate(Crisp__State__Image *img, const char *key, const char *value)
{
	struct annotations a = { img->annotations, img->n_annotations };

	annotations_put(&a, key, value);
	img->annotations = a.list;
	img->n_annotations = a.n;
}

/* The annotations are the last pull's; each handler that the image was pulled for stays. */
static void image_spec(void **state)
{
	Crisp__State__Image *first = found_image("a:1"), *second = found_image("a:1");
	struct payload_image one = { .found = first }, two = { .found = second };
	struct payload_tag handler = { .handler = (char[]){ "" } };
	struct sm_event ev = event_now();
	Crisp__State__Image *row = xmalloc(sizeof(*row));

	(void)state;
	crisp__state__image__init(row);
	annotate(first, "vendor", "x");
	annotate(first, "gone", "y");
	annotate(second, "vendor", "z");
	annotate(second, "empty", "");
	row_append_str(&first->runtime_handlers, &first->n_runtime_handlers, "");
	row_append_str(&second->runtime_handlers, &second->n_runtime_handlers, "kata");
	img_step_note_image(row, &ev, &one);
	assert_int_equal(row->n_annotations, 2);
	img_step_note_image(row, &ev, &two);
	img_step_note_image(row, &ev, &two);
	assert_int_equal(row->n_annotations, 2);
	assert_string_equal(row->annotations[0]->value, "z");
	assert_string_equal(row->annotations[1]->key, "empty");
	assert_int_equal(row->n_runtime_handlers, 2);
	assert_string_equal(row->runtime_handlers[0], "");
	assert_string_equal(row->runtime_handlers[1], "kata");
	img_step_note_untag(row, &ev, &handler);
	assert_int_equal(row->n_runtime_handlers, 1);
	assert_string_equal(row->runtime_handlers[0], "kata");
	assert_int_equal(row->n_tags, 1);
	drop(row);
	/* A row of an older build was pulled for the default handler. */
	row = found_image("a:1");
	img_step_note_image(row, &ev, &two);
	assert_int_equal(row->n_runtime_handlers, 2);
	assert_string_equal(row->runtime_handlers[0], "");
	drop(row);
	drop(first);
	drop(second);
}

static void image_steps(void **state)
{
	Crisp__State__Image *first = found_image("a:1"), *second = found_image("a:2");
	struct payload_image one = { .found = first }, two = { .found = second };
	struct payload_tag tag = { .tag = (char[]){ "a:1" } };
	struct sm_event ev = event_now();
	Crisp__State__Image *row = xmalloc(sizeof(*row));

	(void)state;
	crisp__state__image__init(row);
	img_step_note_image(row, &ev, &one);
	assert_int_equal(row->n_layers, 1);
	assert_string_equal(row->layers[0]->diff_id, "sha256:d");
	assert_string_equal(row->layers[0]->blob_digest, "sha256:b");
	assert_int_equal(row->layers[0]->inodes, 3);
	assert_int_equal(row->config.len, 2);
	assert_int_equal(row->size, 4);
	assert_string_equal(row->user, "nobody");
	assert_string_equal(row->boot_id, clock_boot_id());
	assert_true(row->pulled_ns == NOW);
	/* The same content under another name: the name is added, the content stays. */
	second->size = 99;
	ev.at_ns = NOW + 1;
	img_step_note_image(row, &ev, &two);
	img_step_note_image(row, &ev, &two);
	assert_int_equal(row->n_tags, 2);
	assert_int_equal(row->n_digests, 1);
	/* An index that leads to the same manifest. */
	row_set_strs(&second->digests, &second->n_digests, (char *[]){ (char[]){ "y@i" }, NULL });
	img_step_note_image(row, &ev, &two);
	assert_int_equal(row->n_digests, 3);
	assert_string_equal(row->digests[2], "y@sha256:m");
	assert_int_equal(row->n_layers, 1);
	assert_int_equal(row->size, 4);
	assert_true(row->pulled_ns == NOW + 1);
	img_step_note_untag(row, &ev, &tag);
	img_step_note_untag(row, &ev, &tag);
	assert_int_equal(row->n_tags, 1);
	assert_string_equal(row->tags[0], "a:2");
	drop(first);
	drop(second);
	drop(row);
}

/* A layer of an earlier boot counts as verified after the look at it; one that was fetched anew
 * does not. */
static void image_verification(void **state)
{
	Crisp__State__Image *found = found_image("a:1"), *row = found_image("a:1");
	struct payload_image image = { .found = found };
	struct sm_event ev = event_now(), whole = event_now();
	struct sm_event why = event_of_failure(ERR_DATA_LOSS, "layer sha256:d is damaged");

	(void)state;
	row_set_str(&row->layers[0]->boot_id, "another");
	row_set_str(&found->layers[0]->boot_id, "another");
	img_step_note_whole(row, &whole);
	assert_true(row->layers[0]->verified);
	img_step_note_image(row, &ev, &image);
	assert_true(row->layers[0]->verified);
	img_step_note_damage(row, &why);
	assert_int_equal(row->failure->code, ERR_DATA_LOSS);
	row_set_str(&found->layers[0]->boot_id, clock_boot_id());
	found->layers[0]->disk = 4096;
	img_step_note_image(row, &ev, &image);
	assert_null(row->failure);
	assert_false(row->layers[0]->verified);
	assert_string_equal(row->layers[0]->boot_id, clock_boot_id());
	assert_int_equal(row->layers[0]->disk, 4096);
	img_step_note_whole(row, &whole);
	assert_false(row->layers[0]->verified);
	drop(found);
	drop(row);
}

static void images_are_pinned(void **state)
{
	static const struct {
		const char *pattern;
		bool pinned;
	} cases[] = {
		{ "r.io/a/pause:1", true },
		{ "r.io/a/pause", false },
		{ "r.io/a/pause:2", false },
		{ "r.io/a/*", true },
		{ "r.io/b*", false },
		{ "io/a*", false },
		{ "*pause*", true },
		{ "*a/p*", true },
		{ "*paws*", false },
		{ "*pause:1", false }, /* a star at the beginning alone is none */
		{ "*", true },
		{ "**", true },
		{ "", false },
		{ "x@sha256:m", true },
		{ "r.io/a/pause:1?", false },
		{ "r.io.a/pause:1", false },
	};
	Crisp__State__Image *row = found_image("r.io/a/pause:1");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *pattern = (char *)(uintptr_t)cases[i].pattern;
		char *list[] = { (char[]){ "none" }, pattern, NULL };
		struct conf listed = { .pinned_images = list, .pause_image = (char[]){ "" } };
		struct conf pause = { .pause_image = pattern };

		if (pinned_image(&listed, row) != cases[i].pinned)
			fail_msg("pinned_images = %s", pattern);
		if (pinned_image(&pause, row) != cases[i].pinned)
			fail_msg("pause_image = %s", pattern);
	}
	drop(row);
}

static void pull_steps(void **state)
{
	struct payload_image_id id = { "0123" };
	struct sm_event ev = event_now();
	struct sm_event why = event_of_failure(ERR_UNAVAILABLE, "registry is down");
	Crisp__State__Pull *row = xmalloc(sizeof(*row));

	(void)state;
	crisp__state__pull__init(row);
	pul_step_note_image(row, &ev, &id);
	assert_string_equal(row->image_id, "0123");
	pul_step_note_error(row, &why);
	assert_int_equal(row->failure->code, ERR_UNAVAILABLE);
	drop(row);
}

/* --- paths --- */

static void check_path(char *got, const char *want)
{
	assert_string_equal(got, want);
	free(got);
}

static void paths_derive_from_ids(void **state)
{
	struct conf c = {
		.root = (char[]){ "/var/lib/x" },
		.runroot = (char[]){ "/run/x" },
		.namespaces_dir = (char[]){ "" },
	};

	(void)state;
	check_path(path_pod_run(&c, "ID"), "/run/x/pods/ID");
	check_path(path_pod_ns(&c, "ID"), "/run/x/pods/ID/ns");
	check_path(path_container_run(&c, "ID"), "/run/x/containers/ID");
	check_path(path_container_rootfs(&c, "ID"), "/run/x/containers/ID/rootfs");
	check_path(path_pod_dir(&c, "ID"), "/var/lib/x/pods/ID");
	check_path(path_container_dir(&c, "ID"), "/var/lib/x/containers/ID");
	check_path(path_container_exit(&c, "ID"), "/var/lib/x/containers/ID/exit");
	check_path(path_images(&c), "/var/lib/x/images");
	c.namespaces_dir = (char[]){ "/var/run/netns" };
	check_path(path_pod_ns(&c, "ID"), "/var/run/netns/crisp-ID");
}

/* A container that an older crispd has made keeps its writable layer. */
static void an_old_layer_keeps_its_name(void **state)
{
	char root[] = "/tmp/crisp-rules-XXXXXX";
	struct conf c = { .root = root };
	_cleanup_free_ char *old = NULL, *wanted = NULL, *path = NULL;
	struct err e = ERR_NULL;

	(void)state;
	assert_non_null(mkdtemp(root));
	old = xasprintf("%s/containers/ID/upper", root);
	wanted = xasprintf("%s/containers/ID/diff", root);
	path = path_container_upper(&c, "ID");
	assert_string_equal(path, wanted);
	assert_int_equal(fs_mkdir_all(old, 0700, &e), 0);
	free(path);
	path = path_container_upper(&c, "ID");
	assert_string_equal(path, old);
	assert_int_equal(fs_remove_tree(root, &e), 0);
}

static void cgroups_derive_from_ids(void **state)
{
	char crisp[] = "crisp", crio[] = "crio";
	struct conf c = { .cgroup_manager = CONF_CGROUP_MANAGER_CGROUPFS, .cgroup_prefix = crisp };

	(void)state;
	check_path(cgroup_of_container(&c, "/pods/p", "ID"), "/pods/p/crisp-ID");
	assert_null(cgroup_of_sandbox(&c, "/pods/p", "ID"));
	check_path(cgroup_of_container(&c, "/", "ID"), "/crisp-ID");
	check_path(cgroup_of_shim("/pods/p", "ID"), "/pods/p/crisp-shim-ID");
	check_path(cgroup_dir("/pods/p/crisp-ID"), "/pods/p/crisp-ID");
	c.cgroup_manager = CONF_CGROUP_MANAGER_SYSTEMD;
	check_path(cgroup_of_container(&c, "kubepods-besteffort.slice", "ID"),
		   "kubepods-besteffort.slice:crisp:ID");
	check_path(cgroup_dir("kubepods-besteffort.slice:crisp:ID"),
		   "/kubepods.slice/kubepods-besteffort.slice/crisp-ID.scope");
	check_path(cgroup_dir("system.slice:crisp:ID"), "/system.slice/crisp-ID.scope");

	/* CRI-O's names. */
	c.cgroup_prefix = crio;
	check_path(cgroup_of_container(&c, "a-b.slice", "ID"), "a-b.slice:crio:ID");
	check_path(cgroup_dir("a-b.slice:crio:ID"), "/a.slice/a-b.slice/crio-ID.scope");
	check_path(cgroup_of_sandbox(&c, "a-b.slice", "ID"), "/a.slice/a-b.slice/crio-ID.scope");
	c.cgroup_manager = CONF_CGROUP_MANAGER_CGROUPFS;
	check_path(cgroup_of_container(&c, "/pods/p", "ID"), "/pods/p/crio-ID");
	check_path(cgroup_of_sandbox(&c, "/pods/p", "ID"), "/pods/p/crio-ID.scope");
	check_path(cgroup_of_shim("/pods/p", "ID"), "/pods/p/crisp-shim-ID");
}

static void a_dead_shim_is_replaced_so_often(void **state)
{
	struct payload_setup anchor = { .shim_pid = 78 };
	struct sm_event lost = { .at_ns = NOW, .event = SBX_EVENT_SHIM_LOST };
	struct sm_event failed = event_of_failure(ERR_INTERNAL, "no memory");
	struct sm_event revived = event_now();
	Crisp__State__Sandbox *row = sandbox();

	(void)state;
	failed.event = SBX_EVENT_SETUP_FAILED;
	assert_true(sbx_guard_rebooted(row, &lost));
	row_set_str(&row->boot_id, clock_boot_id());
	assert_false(sbx_guard_rebooted(row, &lost));
	/* One that lived for long counts anew. */
	row->revive_tries = 7;
	row->revived_ns = NOW - 2 * NSEC_PER_SEC;
	sbx_step_note_lost(row, &lost);
	assert_int_equal(row->revive_tries, 1);
	for (int i = 1; i < 8; i++) {
		assert_false(sbx_guard_shim_crash_loop(row, &failed));
		sbx_step_note_retry(row, &failed);
	}
	assert_string_equal(row->failure->text, "no memory");
	assert_true(sbx_guard_shim_crash_loop(row, &failed));
	sbx_step_note_new_shim(row, &revived, &anchor);
	assert_int_equal(row->shim_pid, 78);
	assert_int_equal(row->shims_replaced, 1);
	assert_null(row->failure);
	/* It dies at once: that was one too many. Later it would not have been. */
	assert_true(sbx_guard_shim_crash_loop(row, &lost));
	lost.at_ns += 2 * NSEC_PER_SEC;
	assert_false(sbx_guard_shim_crash_loop(row, &lost));
	drop(row);
}

/* --- UpdateContainerResources --- */

static struct payload_resources packed(const Runtime__V1__LinuxContainerResources *r)
{
	struct payload_resources p = {
		.size = runtime__v1__linux_container_resources__get_packed_size(r),
	};

	p.packed = xmalloc(p.size + 1);
	runtime__v1__linux_container_resources__pack(r, p.packed);
	return p;
}

/* The row's limits after an update that succeeds; the caller frees them. */
static Runtime__V1__LinuxContainerResources *update(Crisp__State__Container *row,
						    const Runtime__V1__LinuxContainerResources *r)
{
	struct payload_resources p = packed(r);
	struct sm_event ev = { .at_ns = NOW };

	ctr_step_merge_resources(row, &ev, &p);
	free(p.packed);
	assert_null(row->update_failure);
	ctr_step_note_updated(row, &ev);
	assert_true(ctr_invariant_nothing_wanted(row));
	return runtime__v1__linux_container_resources__unpack(NULL, row->resources.len,
							      row->resources.data);
}

static void free_resources(Runtime__V1__LinuxContainerResources *r)
{
	runtime__v1__linux_container_resources__free_unpacked(r, NULL);
}

static void update_merges_scalars(void **state)
{
	Runtime__V1__LinuxContainerResources made = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT,
					     change = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT,
					     *now;
	Runtime__V1__LinuxContainerConfig linux_part = RUNTIME__V1__LINUX_CONTAINER_CONFIG__INIT;
	Runtime__V1__ContainerConfig c = RUNTIME__V1__CONTAINER_CONFIG__INIT;
	Crisp__State__Container *row = container();

	(void)state;
	made.cpu_shares = 512;
	made.memory_limit_in_bytes = 1000;
	made.memory_swap_limit_in_bytes = 3000;
	made.cpuset_cpus = (char *)(uintptr_t) "0-1";
	linux_part.resources = &made;
	c.linux = &linux_part;
	row->config.len = runtime__v1__container_config__get_packed_size(&c);
	row->config.data = xmalloc(row->config.len);
	runtime__v1__container_config__pack(&c, row->config.data);

	change.cpuset_cpus = (char *)(uintptr_t) "1";
	change.oom_score_adj = 300;
	now = update(row, &change);
	assert_true(now->cpu_shares == 512 && now->memory_limit_in_bytes == 1000);
	assert_true(now->memory_swap_limit_in_bytes == 3000 && now->oom_score_adj == 300);
	assert_string_equal(now->cpuset_cpus, "1");
	free_resources(now);

	/* A memory limit alone takes the swap limit with it; a swap limit alone does not. */
	change = (Runtime__V1__LinuxContainerResources)RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	change.memory_limit_in_bytes = 5000;
	now = update(row, &change);
	assert_true(now->memory_limit_in_bytes == 5000 && now->memory_swap_limit_in_bytes == 0);
	assert_string_equal(now->cpuset_cpus, "1");
	free_resources(now);
	change.memory_limit_in_bytes = 0;
	change.memory_swap_limit_in_bytes = 6000;
	now = update(row, &change);
	assert_true(now->memory_limit_in_bytes == 5000 && now->memory_swap_limit_in_bytes == 6000);
	free_resources(now);
	drop(row);
}

static void update_merges_lists(void **state)
{
	Runtime__V1__HugepageLimit small = RUNTIME__V1__HUGEPAGE_LIMIT__INIT,
				   big = RUNTIME__V1__HUGEPAGE_LIMIT__INIT,
				   *pages[] = { &small, &big };
	Runtime__V1__LinuxContainerResources__UnifiedEntry
		high = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__UNIFIED_ENTRY__INIT,
		*unified[] = { &high };
	Runtime__V1__LinuxContainerResources r = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT, *now;
	Crisp__State__Container *row = container();

	(void)state;
	small.page_size = (char *)(uintptr_t) "2MB";
	small.limit = 4;
	big.page_size = (char *)(uintptr_t) "1GB";
	big.limit = 8;
	high.key = (char *)(uintptr_t) "memory.high";
	high.value = (char *)(uintptr_t) "1";
	r.hugepage_limits = pages;
	r.n_hugepage_limits = 2;
	r.unified = unified;
	r.n_unified = 1;
	free_resources(update(row, &r));

	small.limit = 0;
	r.n_hugepage_limits = 1;
	high.key = (char *)(uintptr_t) "memory.low";
	now = update(row, &r);
	assert_int_equal(now->n_hugepage_limits, 2);
	assert_string_equal(now->hugepage_limits[0]->page_size, "2MB");
	assert_true(now->hugepage_limits[0]->limit == 0 && now->hugepage_limits[1]->limit == 8);
	assert_int_equal(now->n_unified, 2);
	assert_string_equal(now->unified[0]->key, "memory.high");
	assert_string_equal(now->unified[1]->key, "memory.low");
	free_resources(now);
	drop(row);
}

/* What is in force stays, and the row says why. */
static void update_fails(void **state)
{
	Runtime__V1__LinuxContainerResources r = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT, *now;
	struct sm_event ev = event_of_failure(ERR_INVALID, "no such CPU");
	Crisp__State__Container *row = container();
	struct payload_resources p;

	(void)state;
	r.cpu_shares = 100;
	free_resources(update(row, &r));
	r.cpu_shares = 200;
	p = packed(&r);
	ctr_step_merge_resources(row, &ev, &p);
	assert_false(ctr_invariant_nothing_wanted(row));
	ctr_step_note_not_updated(row, &ev);
	assert_true(ctr_invariant_nothing_wanted(row));
	assert_int_equal(row->update_failure->code, ERR_INVALID);
	now = runtime__v1__linux_container_resources__unpack(NULL, row->resources.len,
							     row->resources.data);
	assert_true(now->cpu_shares == 100);
	free_resources(now);
	ctr_step_merge_resources(row, &ev, &p);
	ctr_step_drop_update(row, &ev);
	assert_int_equal(row->update_failure->code, ERR_PRECONDITION);
	free(p.packed);
	drop(row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(update_merges_scalars),
		cmocka_unit_test(update_merges_lists),
		cmocka_unit_test(update_fails),
		cmocka_unit_test(strings_of_records),
		cmocka_unit_test(failures_of_records),
		cmocka_unit_test(payloads_go_with_their_event),
		cmocka_unit_test(container_stop),
		cmocka_unit_test(container_start),
		cmocka_unit_test(container_exit),
		cmocka_unit_test(container_exit_unknown),
		cmocka_unit_test(container_failures),
		cmocka_unit_test(sandbox_network),
		cmocka_unit_test(sandbox_host_network),
		cmocka_unit_test(sandbox_undo),
		cmocka_unit_test(exec_steps),
		cmocka_unit_test(image_steps),
		cmocka_unit_test(image_spec),
		cmocka_unit_test(image_verification),
		cmocka_unit_test(images_are_pinned),
		cmocka_unit_test(pull_steps),
		cmocka_unit_test(paths_derive_from_ids),
		cmocka_unit_test(an_old_layer_keeps_its_name),
		cmocka_unit_test(cgroups_derive_from_ids),
		cmocka_unit_test(a_dead_shim_is_replaced_so_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
