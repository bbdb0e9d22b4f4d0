/*
 * inspect.c - answers with the fields, codes and texts of CRI-O.
 * cAdvisor asks as soon as it sees a cgroup, so objects that are being made are shown, too.
 * A pod is shown as CRI-O's infra container, by which cAdvisor finds the pod's network.
 */
#include "api/inspect.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/httpd.h"
#include "base/util.h"
#include "conf/print.h"
#include "core/listing.h"
#include "core/paths.h"
#include "pod/container.h"
#include "pod/sandbox.h"

#define INFRA_NAME "POD" /* CRI-O's name of the container that holds the pod */
#define LABEL_NAME "io.kubernetes.container.name"
#define ANNOTATION "io.kubernetes.cri-o."

static const char ok[] = "200 OK", not_found[] = "404 Not Found",
		  internal[] = "500 Internal Server Error",
		  unavailable[] = "503 Service Unavailable";

static void put_json(struct httpd_answer *ret, json_t *body)
{
	_cleanup_free_ char *text = json_dumps(body, JSON_COMPACT);

	json_decref(body);
	if (!text) {
		httpd_say(ret, internal, "a value is not UTF-8");
		return;
	}
	ret->status = ok;
	ret->type = "application/json";
	buf_puts(&ret->body, text);
}

/* --- /info, /config --- */

static json_t *all_ids(void)
{
	return json_pack("[{s:i, s:i, s:I}]", "container_id", 0, "host_id", 0, "size",
			 (json_int_t)UINT32_MAX);
}

static void answer_info(struct http_word id, struct httpd_answer *ret)
{
	bool systemd = world.conf->cgroup_manager == CONF_CGROUP_MANAGER_SYSTEMD;
	_cleanup_free_ char *images = path_images(world.conf);

	(void)id;
	put_json(ret, json_pack("{s:s, s:s, s:s, s:s, s:{s:o, s:o}}", "storage_driver", "overlay",
				"storage_image", images, "storage_root", world.conf->root,
				"cgroup_driver", systemd ? "systemd" : "cgroupfs",
				"default_id_mappings", "uids", all_ids(), "gids", all_ids()));
}

static void answer_config(struct http_word id, struct httpd_answer *ret)
{
	(void)id;
	ret->status = ok;
	ret->type = "application/toml";
	conf_print(world.conf, false, &ret->body);
}

/* --- /containers/ID --- */

json_t *inspect_map_json(inspect_map_entry *const *entries, size_t n)
{
	json_t *map = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(map, entries[i]->key, json_string(entries[i]->value));
	return map;
}

static json_t *annotations_json(const char *type, const char *id, const char *pod_id,
				const char *name)
{
	return json_pack("{s:s, s:s, s:s, s:s}", ANNOTATION "ContainerType", type,
			 ANNOTATION "ContainerID", id, ANNOTATION "SandboxID", pod_id,
			 ANNOTATION "ContainerName", name);
}

static json_t *ips_json(const Crisp__State__Sandbox *row)
{
	json_t *ips = json_array();

	for (size_t i = 0; i < row->n_ips; i++)
		json_array_append_new(ips, json_string(row->ips[i]));
	return ips;
}

static bool has_process(const struct listing_row *r)
{
	int shows = listing_shows(KIND_CONTAINER, r->state);

	return shows == RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING ||
	       shows == RUNTIME__V1__CONTAINER_STATE__CONTAINER_CREATED;
}

/* A process of a container. */
struct process_search {
	const char *pod_id;
	int32_t pid;
};

static int search_process(void *arg, const struct listing *v)
{
	struct process_search *s = arg;
	struct err gone = ERR_NULL;
	struct listing_row row;

	if (strcmp(v->head.owner, s->pod_id) != 0 ||
	    v->head.state != RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING ||
	    listing_read(KIND_CONTAINER, v->id, &row, &gone) < 0)
		return 0;
	if (has_process(&row))
		s->pid = ((const Crisp__State__Container *)row.row)->pid;
	listing_row_done(&row);
	return s->pid > 0;
}

int32_t inspect_pod_pid(const char *id, const Crisp__State__Sandbox *row)
{
	struct process_search s = { .pod_id = id, .pid = row->init_pid };
	struct err ignored = ERR_NULL;

	if (s.pid <= 0)
		listing_each(KIND_CONTAINER, "", search_process, &s, &ignored);
	return MAX(s.pid, 0);
}

/* Takes labels and annotations. */
static json_t *info_json(const char *name, int32_t pid, json_t *labels, json_t *annotations,
			 json_t *own_annotations)
{
	return json_pack("{s:s, s:i, s:o, s:o, s:o}", "name", name, "pid", pid, "labels", labels,
			 "annotations", annotations, "crio_annotations", own_annotations);
}

/* Takes info. */
static void put_info(struct httpd_answer *ret, json_t *info, const char *pod_id,
		     const Crisp__State__Sandbox *pod)
{
	json_object_set_new(info, "sandbox", json_string(pod_id));
	json_object_set_new(info, "ip_addresses", ips_json(pod));
	json_object_set_new(info, "host_network", json_boolean(pod->host_network));
	put_json(ret, info);
}

static void put_container(struct httpd_answer *ret, const struct listing_row *r,
			  const struct listing_row *pod)
{
	const Crisp__State__Container *row = r->row;
	_cleanup_free_ char *root = path_container_merged(world.conf, r->id);
	Runtime__V1__ContainerConfig *c = container_config(row);
	Runtime__V1__PodSandboxConfig *pc = sandbox_config(pod->row);
	_cleanup_free_ char *name =
		container_full_name(c->metadata->name, pc->metadata, c->metadata->attempt);
	json_t *info =
		info_json(name, has_process(r) ? row->pid : 0,
			  inspect_map_json((void *)c->labels, c->n_labels),
			  inspect_map_json((void *)c->annotations, c->n_annotations),
			  annotations_json("container", r->id, row->sandbox_id, c->metadata->name));

	json_object_set_new(info, "image",
			    json_string(*row->image_name ? row->image_name : c->image->image));
	json_object_set_new(info, "image_ref", json_string(row->image_ref));
	json_object_set_new(info, "created_time", json_integer(row->created_ns));
	json_object_set_new(info, "log_path", json_string(row->log_path));
	json_object_set_new(info, "root", json_string(root));
	put_info(ret, info, row->sandbox_id, pod->row);
	runtime__v1__container_config__free_unpacked(c, NULL);
	runtime__v1__pod_sandbox_config__free_unpacked(pc, NULL);
}

static void put_pod(struct httpd_answer *ret, const struct listing_row *r)
{
	const Crisp__State__Sandbox *row = r->row;
	_cleanup_free_ char *root = path_pod_dir(world.conf, r->id);
	Runtime__V1__PodSandboxConfig *c = sandbox_config(row);
	_cleanup_free_ char *name =
		container_full_name(INFRA_NAME, c->metadata, c->metadata->attempt);
	json_t *labels = inspect_map_json((void *)c->labels, c->n_labels);
	json_t *info = info_json(name, inspect_pod_pid(r->id, row), labels,
				 inspect_map_json((void *)c->annotations, c->n_annotations),
				 annotations_json("sandbox", r->id, r->id, INFRA_NAME));

	json_object_set_new(labels, LABEL_NAME, json_string(INFRA_NAME));
	json_object_set_new(info, "image", json_string(""));
	json_object_set_new(info, "image_ref", json_string(""));
	json_object_set_new(info, "created_time", json_integer(row->created_ns));
	json_object_set_new(info, "log_path", json_string(""));
	json_object_set_new(info, "root", json_string(root));
	put_info(ret, info, r->id, row);
	runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
}

static void say_unknown(struct httpd_answer *ret, struct http_word id)
{
	httpd_say(ret, not_found, "can't find the container with id %.*s", (int)id.n, id.p);
}

/* false: no id. */
static bool full_id(struct http_word id, char text[static ID_LEN + 1])
{
	if (id.n != ID_LEN)
		return false;
	memcpy(text, id.p, ID_LEN);
	return id_is_valid(text);
}

/* Read by the full id alone.  0: found.  1: there is none.  <0: ret has the answer. */
static int read_row(enum kind k, struct http_word id, struct listing_row *r,
		    struct httpd_answer *ret)
{
	char text[ID_LEN + 1] = "";
	struct err e = ERR_NULL;
	int done;

	if (!full_id(id, text))
		return 1;
	done = listing_read(k, text, r, &e);
	if (done == 0 || e.code == ERR_NOT_FOUND)
		return done < 0;
	httpd_say(ret, internal, "can't find container state for container with id %s: %s", text,
		  e.text);
	return done;
}

static void answer_pod(struct http_word id, struct httpd_answer *ret)
{
	struct listing_row r;
	int found = read_row(KIND_SANDBOX, id, &r, ret);

	if (found < 0)
		return;
	if (found == 1 || ((const Crisp__State__Sandbox *)r.row)->undo)
		say_unknown(ret, id);
	else
		put_pod(ret, &r);
	if (found == 0)
		listing_row_done(&r);
}

static void answer_container(struct http_word id, struct httpd_answer *ret)
{
	struct listing_row r, pod;
	int found = read_row(KIND_CONTAINER, id, &r, ret);
	struct err e = ERR_NULL;

	if (found == 1)
		answer_pod(id, ret);
	if (found != 0)
		return;
	if (listing_read(KIND_SANDBOX, ((const Crisp__State__Container *)r.row)->sandbox_id, &pod,
			 &e) == 0) {
		put_container(ret, &r, &pod);
		listing_row_done(&pod);
	} else {
		httpd_say(ret, not_found, "can't find the sandbox for container id %s", r.id);
	}
	listing_row_done(&r);
}

/* --- /pause/ID, /unpause/ID --- */

/* A request that waits for its container. */
struct switching {
	struct caller caller;
	struct loop_post post;
	int client;
	bool pause; /* or resume */
	char id[ID_LEN + 1];
};

static const char *status_of(enum err_code code)
{
	if (code == ERR_PRECONDITION)
		return "409 Conflict";
	return code == ERR_UNAVAILABLE || code == ERR_EXHAUSTED ? unavailable : internal;
}

static void switched(struct caller *c, const struct sm_object *obj, const struct err *e)
{
	struct switching *s = container_of(c, struct switching, caller);
	struct httpd_answer a = { .body = BUF_NULL };

	if (e && e->code == ERR_NOT_FOUND) {
		say_unknown(&a, (struct http_word){ s->id, ID_LEN });
	} else if (e) {
		httpd_say(&a, status_of(e->code), "%s", e->text);
	} else if (!obj || ctr_is_paused(obj->state) != s->pause) {
		httpd_say(&a, status_of(ERR_PRECONDITION), "container %.13s was stopped meanwhile",
			  s->id);
	} else {
		a.status = ok;
		a.type = "text/html";
		buf_puts(&a.body, "200 OK");
	}
	httpd_finish(s->client, &a);
	buf_done(&a.body);
	free(s);
}

static void switch_now(struct loop_post *post)
{
	struct switching *s = container_of(post, struct switching, post);
	struct err e = ERR_NULL;
	struct object *o;
	int r = world.draining ? err_set(&e, ERR_UNAVAILABLE, "crispd is shutting down: try again")
			       : world_lookup(KIND_CONTAINER, s->id, &o, &e);

	if (r < 0)
		switched(&s->caller, NULL, &e);
	else
		caller_dispatch(&s->caller, o,
				sm_event_new(s->pause ? CTR_EVENT_PAUSE : CTR_EVENT_RESUME));
}

static void answer_switch(struct http_word id, struct httpd_answer *ret, bool pause)
{
	char text[ID_LEN + 1] = "";
	struct switching *s;
	int client;

	if (!full_id(id, text)) {
		say_unknown(ret, id);
		return;
	}
	client = fcntl(ret->client, F_DUPFD_CLOEXEC, 3);
	if (client < 0) {
		httpd_say(ret, unavailable, "no descriptor is left");
		return;
	}
	s = xcalloc(1, sizeof(*s));
	list_init(&s->caller.waiter.node);
	s->caller.finish = switched;
	s->post.fn = switch_now;
	s->client = client;
	s->pause = pause;
	memcpy(s->id, text, sizeof(text));
	loop_post(world.loop, &s->post);
}

static void answer_pause(struct http_word id, struct httpd_answer *ret)
{
	answer_switch(id, ret, true);
}

static void answer_unpause(struct http_word id, struct httpd_answer *ret)
{
	answer_switch(id, ret, false);
}

/* --- the routes --- */

static const struct {
	const char *path;
	bool id; /* an id follows */
	void (*answer)(struct http_word id, struct httpd_answer *ret);
} routes[] = {
	{ "/info", false, answer_info },
	{ "/config", false, answer_config },
	{ "/containers/", true, answer_container },
	{ "/pause/", true, answer_pause },
	{ "/unpause/", true, answer_unpause },
};

/* false: another path. */
static bool match(const struct http_word *path, const char *route, bool id, struct http_word *ret)
{
	size_t n = strlen(route);

	if (path->n < n || memcmp(path->p, route, n) != 0)
		return false;
	*ret = (struct http_word){ path->p + n, path->n - n };
	return id ? ret->n && !memchr(ret->p, '/', ret->n) : !ret->n;
}

void inspect_answer(const struct http_head *head, struct httpd_answer *ret)
{
	struct http_word id;

	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		if (!match(&head->path, routes[i].path, routes[i].id, &id))
			continue;
		if (head->method == HTTP_METHOD_GET)
			routes[i].answer(id, ret);
		else
			httpd_only_get(ret);
		return;
	}
	httpd_say(ret, not_found, "404 page not found");
}
