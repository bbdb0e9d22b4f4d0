/*
 * client.c - the kubelet: calls through the generated method table, without gRPC; what is asked
 * next is chance, or a script (tests/fault).
 */
#include "client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/grpc_env.h"
#include "api/listen.h"
#include "api/metrics.h"
#include "api/rpc.h"
#include "api/server.h"
#include "base/arena.h"
#include "base/list.h"
#include "core/calls.h"
#include "gen/cri_rpc.h"
#include "gen/sm_container.h"
#include "sim.h"
#include "stream/stream_server.h"

#define CALLS_MAX 8
#define UNKNOWN "ffffffffffffffffffffffffffffffff" /* of no object */

struct rpc_call {
	struct list node;
	const struct rpc_method *method;
	ProtobufCMessage *req;
	struct arena *arena;
	struct rpc_feed *feed; /* of a stream that goes on */
	unsigned refs; /* of its answer's makers */
	bool answered;
	unsigned pod, ctr;
	char id[ID_LEN + 1];
};

bool (*client_script)(void);

static struct list calls = { &calls, &calls };
static unsigned waiting;
/* Of the last lists. */
static char listed[64][ID_LEN + 1];
static unsigned n_listed;
static char image_names[8][128];
static unsigned n_images;

/* --- answers --- */

const struct rpc_method *rpc_call_method(const struct rpc_call *call)
{
	return call->method;
}

struct arena *rpc_call_arena(struct rpc_call *call)
{
	return call->arena;
}

int64_t rpc_call_deadline(const struct rpc_call *call)
{
	(void)call;
	return INT64_MAX;
}

bool rpc_call_cancelled(const struct rpc_call *call)
{
	(void)call;
	return false;
}

static void answered(struct rpc_call *c, const struct err *e)
{
	SIM_CHECK(!c->answered, "%s is answered twice", c->method->name);
	c->answered = true;
	waiting--;
	node->n_answers++;
	sim_note("%s %.13s: %s", c->method->name, c->id, e ? e->text : "OK");
}

static void learn(struct rpc_call *c, const void *data, size_t size)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(c->method->response, NULL, size, data);
	enum cri_rpc rpc = (enum cri_rpc)(c->method - cri_methods);
	const char *detail = "";

	SIM_CHECK(m, "%s: the answer cannot be unpacked", c->method->name);
	if (rpc == CRI_RPC_RUN_POD_SANDBOX) {
		detail = ((Runtime__V1__RunPodSandboxResponse *)m)->pod_sandbox_id;
		snprintf(node->pods[c->pod], ID_LEN + 1, "%s", detail);
		for (unsigned i = 0; i < ARRAY_LEN(node->containers[c->pod]); i++)
			node->containers[c->pod][i][0] = '\0';
	} else if (rpc == CRI_RPC_CREATE_CONTAINER) {
		detail = ((Runtime__V1__CreateContainerResponse *)m)->container_id;
		snprintf(node->containers[c->pod][c->ctr], ID_LEN + 1, "%s", detail);
	} else if (rpc == CRI_RPC_LIST_CONTAINERS) {
		Runtime__V1__ListContainersResponse *r = (void *)m;

		n_listed = 0;
		for (size_t i = 0; i < r->n_containers && n_listed < ARRAY_LEN(listed); i++)
			snprintf(listed[n_listed++], ID_LEN + 1, "%s", r->containers[i]->id);
	} else if (rpc == CRI_RPC_LIST_POD_SANDBOX) {
		Runtime__V1__ListPodSandboxResponse *r = (void *)m;

		n_listed = 0;
		for (size_t i = 0; i < r->n_items && n_listed < ARRAY_LEN(listed); i++)
			snprintf(listed[n_listed++], ID_LEN + 1, "%s", r->items[i]->id);
	} else if (rpc == CRI_RPC_LIST_IMAGES) {
		Runtime__V1__ListImagesResponse *r = (void *)m;

		n_images = 0;
		for (size_t i = 0; i < r->n_images && n_images < ARRAY_LEN(image_names); i++)
			snprintf(image_names[n_images++], sizeof(image_names[0]), "%s",
				 r->images[i]->id);
	}
	check_answer(c->method->name, c->id, detail);
	protobuf_c_message_free_unpacked(m, NULL);
}

void rpc_reply_bytes(struct rpc_call *call, const void *data, size_t size)
{
	answered(call, NULL);
	learn(call, data, size);
}

void rpc_reply(struct rpc_call *call, const ProtobufCMessage *resp)
{
	size_t size = protobuf_c_message_get_packed_size(resp);
	_cleanup_free_ uint8_t *data = xmalloc(size + 1);

	protobuf_c_message_pack(resp, data);
	rpc_reply_bytes(call, data, size);
}

void rpc_fail(struct rpc_call *call, const struct err *e)
{
	SIM_CHECK(e && e->code != ERR_OK, "%s fails without an error", call->method->name);
	answered(call, e);
}

/* --- streams: what is there is read at once --- */

struct rpc_packet *rpc_packet_new(size_t size)
{
	struct rpc_packet *p = xmalloc(sizeof(*p) + size);

	atomic_init(&p->refs, 1);
	p->size = size;
	return p;
}

struct rpc_packet *rpc_packet_pack(const ProtobufCMessage *m)
{
	struct rpc_packet *p = rpc_packet_new(protobuf_c_message_get_packed_size(m));

	protobuf_c_message_pack(m, p->data);
	return p;
}

struct rpc_packet *rpc_packet_ref(struct rpc_packet *p)
{
	p->refs++;
	return p;
}

void rpc_packet_unref(struct rpc_packet *p)
{
	if (p && --p->refs == 0)
		free(p);
}

struct rpc_call *rpc_call_ref(struct rpc_call *call)
{
	call->refs++;
	return call;
}

void rpc_call_unref(struct rpc_call *call)
{
	call->refs--;
}

void rpc_call_hold(struct rpc_call *call)
{
	rpc_call_ref(call);
}

void rpc_call_release(struct rpc_call *call)
{
	rpc_call_unref(call);
}

static void stream_end(struct rpc_call *call, const struct err *e)
{
	struct rpc_feed *feed = call->feed;

	call->feed = NULL;
	answered(call, e);
	feed->done(feed);
}

void rpc_feed_wake(struct rpc_call *call)
{
	struct rpc_packet *p;
	struct err e = ERR_NULL;
	int r;

	while (call->feed) {
		p = NULL;
		r = call->feed->next(call->feed, &p, &e);
		if (r == RPC_FEED_WAIT)
			return;
		if (r == RPC_FEED_MESSAGE)
			learn(call, p->data, p->size);
		else
			stream_end(call, r < 0 ? &e : NULL);
		rpc_packet_unref(p);
	}
}

void rpc_feed_fail(struct rpc_call *call, const struct err *e)
{
	if (call->feed)
		stream_end(call, e);
}

void rpc_feed_start(struct rpc_call *call, struct rpc_feed *f)
{
	call->feed = f;
	rpc_feed_wake(call);
}

/* --- calls --- */

unsigned client_waiting(void)
{
	return waiting;
}

void client_forget(void)
{
	list_for_each_safe(pos, &calls) {
		struct rpc_call *c = list_entry(pos, struct rpc_call, node);

		if (!c->answered || c->refs)
			continue;
		list_remove(&c->node);
		protobuf_c_message_free_unpacked(c->req, NULL);
		arena_free(c->arena);
		free(c);
	}
}

/* req lives on the caller's stack. */
static void ask(enum cri_rpc rpc, const ProtobufCMessage *req, unsigned pod, unsigned ctr,
		const char *id)
{
	const struct rpc_method *m = &cri_methods[rpc];
	size_t size = protobuf_c_message_get_packed_size(req);
	_cleanup_free_ uint8_t *data = xmalloc(size + 1);
	struct rpc_call *c = xcalloc(1, sizeof(*c));
	struct err e = ERR_NULL;
	char why[512] = "";

	protobuf_c_message_pack(req, data);
	*c = (struct rpc_call){ .method = m, .pod = pod, .ctr = ctr, .arena = arena_new(0) };
	c->req = protobuf_c_message_unpack(m->request, NULL, size, data);
	snprintf(c->id, sizeof(c->id), "%s", id);
	list_append(&calls, &c->node);
	waiting++;
	node->n_ops++;
	sim_note("call %s %.13s", m->name, id);
	SIM_CHECK(m->validate(c->req, why, sizeof(why)), "%s", why);
	sim_arrive(true);
	if (m->handle(c, c->req, &e) < 0)
		rpc_fail(c, &e);
	sim_arrive(false);
}

#define NAME(s) ((char *)(uintptr_t)(s))

void client_run(unsigned pod)
{
	Runtime__V1__RunPodSandboxRequest req = RUNTIME__V1__RUN_POD_SANDBOX_REQUEST__INIT;
	Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__PodSandboxMetadata meta = RUNTIME__V1__POD_SANDBOX_METADATA__INIT;
	Runtime__V1__LinuxPodSandboxConfig linux = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxSandboxSecurityContext sc =
		RUNTIME__V1__LINUX_SANDBOX_SECURITY_CONTEXT__INIT;
	Runtime__V1__NamespaceOption ns = RUNTIME__V1__NAMESPACE_OPTION__INIT;
	Runtime__V1__PortMapping port = RUNTIME__V1__PORT_MAPPING__INIT;
	Runtime__V1__PortMapping *ports[] = { &port };
	char name[16], uid[16];

	snprintf(name, sizeof(name), "pod%u", pod);
	snprintf(uid, sizeof(uid), "uid%u", pod);
	meta.name = name;
	meta.uid = uid;
	meta.namespace_ = NAME("default");
	meta.attempt = node->attempts[pod];
	config.metadata = &meta;
	config.linux = &linux;
	linux.security_context = &sc;
	sc.namespace_options = &ns;
	port.host_port = 8080 + (int)pod;
	port.container_port = 80;
	config.port_mappings = ports;
	config.n_port_mappings = 1;
	/* Three kinds: all its own, the host's network, a shared PID namespace. */
	ns.network =
		pod == 1 ? RUNTIME__V1__NAMESPACE_MODE__NODE : RUNTIME__V1__NAMESPACE_MODE__POD;
	ns.pid = pod == 2 ? RUNTIME__V1__NAMESPACE_MODE__POD
			  : RUNTIME__V1__NAMESPACE_MODE__CONTAINER;
	req.config = &config;
	ask(CRI_RPC_RUN_POD_SANDBOX, &req.base, pod, 0, "");
}

void client_create(unsigned pod, unsigned ctr)
{
	Runtime__V1__CreateContainerRequest req = RUNTIME__V1__CREATE_CONTAINER_REQUEST__INIT;
	Runtime__V1__ContainerConfig config = RUNTIME__V1__CONTAINER_CONFIG__INIT;
	Runtime__V1__ContainerMetadata meta = RUNTIME__V1__CONTAINER_METADATA__INIT;
	Runtime__V1__PodSandboxConfig pc = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__PodSandboxMetadata pm = RUNTIME__V1__POD_SANDBOX_METADATA__INIT;
	Runtime__V1__ImageSpec image = RUNTIME__V1__IMAGE_SPEC__INIT;
	Runtime__V1__LinuxContainerConfig linux = RUNTIME__V1__LINUX_CONTAINER_CONFIG__INIT;
	Runtime__V1__LinuxContainerSecurityContext sc =
		RUNTIME__V1__LINUX_CONTAINER_SECURITY_CONTEXT__INIT;
	Runtime__V1__NamespaceOption ns = RUNTIME__V1__NAMESPACE_OPTION__INIT;
	char *command[] = { NAME("/bin/true") };
	char name[16];

	snprintf(name, sizeof(name), "ctr%u", ctr);
	meta.name = name;
	meta.attempt = 0;
	image.image = NAME(ctr ? "sim.invalid/a:1" : "sim.invalid/b:1");
	pm.name = NAME("pod");
	pm.uid = NAME("uid");
	pm.namespace_ = NAME("default");
	pc.metadata = &pm;
	config.metadata = &meta;
	config.image = &image;
	config.command = command;
	config.n_command = 1;
	config.linux = &linux;
	linux.security_context = &sc;
	sc.namespace_options = &ns;
	ns.network =
		pod == 1 ? RUNTIME__V1__NAMESPACE_MODE__NODE : RUNTIME__V1__NAMESPACE_MODE__POD;
	ns.pid = pod == 2 ? RUNTIME__V1__NAMESPACE_MODE__POD
			  : RUNTIME__V1__NAMESPACE_MODE__CONTAINER;
	req.pod_sandbox_id = *node->pods[pod] ? node->pods[pod] : NAME(UNKNOWN);
	req.config = &config;
	req.sandbox_config = &pc;
	ask(CRI_RPC_CREATE_CONTAINER, &req.base, pod, ctr, req.pod_sandbox_id);
}

static void start_id(const char *id)
{
	Runtime__V1__StartContainerRequest req = RUNTIME__V1__START_CONTAINER_REQUEST__INIT;

	req.container_id = NAME(id);
	ask(CRI_RPC_START_CONTAINER, &req.base, 0, 0, id);
}

static void stop_id(const char *id, int64_t timeout)
{
	Runtime__V1__StopContainerRequest req = RUNTIME__V1__STOP_CONTAINER_REQUEST__INIT;

	req.container_id = NAME(id);
	req.timeout = timeout;
	ask(CRI_RPC_STOP_CONTAINER, &req.base, 0, 0, id);
}

static void remove_id(const char *id)
{
	Runtime__V1__RemoveContainerRequest req = RUNTIME__V1__REMOVE_CONTAINER_REQUEST__INIT;

	req.container_id = NAME(id);
	ask(CRI_RPC_REMOVE_CONTAINER, &req.base, 0, 0, id);
}

static void stop_pod_id(const char *id)
{
	Runtime__V1__StopPodSandboxRequest req = RUNTIME__V1__STOP_POD_SANDBOX_REQUEST__INIT;

	req.pod_sandbox_id = NAME(id);
	ask(CRI_RPC_STOP_POD_SANDBOX, &req.base, 0, 0, id);
}

static void remove_pod_id(const char *id)
{
	Runtime__V1__RemovePodSandboxRequest req = RUNTIME__V1__REMOVE_POD_SANDBOX_REQUEST__INIT;

	req.pod_sandbox_id = NAME(id);
	ask(CRI_RPC_REMOVE_POD_SANDBOX, &req.base, 0, 0, id);
}

static const char *known(const char *id)
{
	return *id ? id : UNKNOWN;
}

void client_start(unsigned pod, unsigned ctr)
{
	start_id(known(node->containers[pod][ctr]));
}

void client_stop(unsigned pod, unsigned ctr, int64_t timeout)
{
	stop_id(known(node->containers[pod][ctr]), timeout);
}

void client_remove(unsigned pod, unsigned ctr)
{
	remove_id(known(node->containers[pod][ctr]));
}

void client_stop_pod(unsigned pod)
{
	stop_pod_id(known(node->pods[pod]));
}

void client_remove_pod(unsigned pod)
{
	remove_pod_id(known(node->pods[pod]));
}

void client_exec(unsigned pod, unsigned ctr, int64_t timeout)
{
	Runtime__V1__ExecSyncRequest req = RUNTIME__V1__EXEC_SYNC_REQUEST__INIT;
	char *cmd[] = { NAME("true") };

	req.container_id = NAME(known(node->containers[pod][ctr]));
	req.cmd = cmd;
	req.n_cmd = 1;
	req.timeout = timeout;
	ask(CRI_RPC_EXEC_SYNC, &req.base, pod, ctr, req.container_id);
}

void client_update(unsigned pod, unsigned ctr)
{
	Runtime__V1__UpdateContainerResourcesRequest req =
		RUNTIME__V1__UPDATE_CONTAINER_RESOURCES_REQUEST__INIT;
	Runtime__V1__LinuxContainerResources linux = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;

	req.container_id = NAME(known(node->containers[pod][ctr]));
	req.linux = &linux;
	linux.cpu_shares = 100 + sim_below(100);
	ask(CRI_RPC_UPDATE_CONTAINER_RESOURCES, &req.base, pod, ctr, req.container_id);
}

void client_reopen(unsigned pod, unsigned ctr)
{
	Runtime__V1__ReopenContainerLogRequest req =
		RUNTIME__V1__REOPEN_CONTAINER_LOG_REQUEST__INIT;

	req.container_id = NAME(known(node->containers[pod][ctr]));
	ask(CRI_RPC_REOPEN_CONTAINER_LOG, &req.base, pod, ctr, req.container_id);
}

void client_checkpoint(unsigned pod, unsigned ctr)
{
	Runtime__V1__CheckpointContainerRequest req =
		RUNTIME__V1__CHECKPOINT_CONTAINER_REQUEST__INIT;
	_cleanup_free_ char *location = xasprintf("%s/archive-%u", node->dir, sim_below(3));

	req.container_id = NAME(known(node->containers[pod][ctr]));
	req.location = location;
	req.timeout = 1 + sim_below(20);
	ask(CRI_RPC_CHECKPOINT_CONTAINER, &req.base, pod, ctr, req.container_id);
}

/* A client of the inspection, which has no RPC. */
struct switching {
	struct caller caller;
	char id[ID_LEN + 1];
	bool pause;
};

static void switched(struct caller *c, const struct sm_object *obj, const struct err *e)
{
	struct switching *s = container_of(c, struct switching, caller);

	(void)obj;
	waiting--;
	node->n_answers++;
	sim_note("%s %.13s: %s", s->pause ? "pause" : "resume", s->id, e ? e->text : "OK");
	free(s);
}

void client_switch(unsigned pod, unsigned ctr, bool pause)
{
	struct object *o = world_find(KIND_CONTAINER, node->containers[pod][ctr]);
	struct switching *s;

	if (!o)
		return;
	s = xcalloc(1, sizeof(*s));
	list_init(&s->caller.waiter.node);
	s->caller.finish = switched;
	s->pause = pause;
	snprintf(s->id, sizeof(s->id), "%s", o->sm->id);
	waiting++;
	node->n_ops++;
	sim_note("call %s %.13s", pause ? "pause" : "resume", s->id);
	sim_arrive(true);
	caller_dispatch(&s->caller, o, sm_event_new(pause ? CTR_EVENT_PAUSE : CTR_EVENT_RESUME));
	sim_arrive(false);
}

void client_pull(unsigned image)
{
	Runtime__V1__PullImageRequest req = RUNTIME__V1__PULL_IMAGE_REQUEST__INIT;
	Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;

	spec.image = NAME(image ? "sim.invalid/a:1" : "sim.invalid/b:1");
	req.image = &spec;
	ask(CRI_RPC_PULL_IMAGE, &req.base, 0, 0, spec.image);
}

static void remove_image(const char *name)
{
	Runtime__V1__RemoveImageRequest req = RUNTIME__V1__REMOVE_IMAGE_REQUEST__INIT;
	Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;

	spec.image = NAME(name);
	req.image = &spec;
	ask(CRI_RPC_REMOVE_IMAGE, &req.base, 0, 0, name);
}

void client_remove_image(unsigned image)
{
	remove_image(image ? "sim.invalid/a:1" : "sim.invalid/b:1");
}

static void list(enum cri_rpc rpc)
{
	Runtime__V1__ListContainersRequest ctrs = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;
	Runtime__V1__ListPodSandboxRequest pods = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
	Runtime__V1__ListImagesRequest images = RUNTIME__V1__LIST_IMAGES_REQUEST__INIT;

	if (rpc == CRI_RPC_LIST_CONTAINERS)
		ask(rpc, &ctrs.base, 0, 0, "");
	else if (rpc == CRI_RPC_LIST_POD_SANDBOX)
		ask(rpc, &pods.base, 0, 0, "");
	else
		ask(rpc, &images.base, 0, 0, "");
}

static void stream(enum cri_rpc rpc)
{
	Runtime__V1__StreamContainersRequest ctrs = RUNTIME__V1__STREAM_CONTAINERS_REQUEST__INIT;
	Runtime__V1__StreamContainerStatsRequest stats =
		RUNTIME__V1__STREAM_CONTAINER_STATS_REQUEST__INIT;

	if (rpc == CRI_RPC_STREAM_CONTAINERS)
		ask(rpc, &ctrs.base, 0, 0, "");
	else
		ask(rpc, &stats.base, 0, 0, "");
}

/* --- chance --- */

void client_step(void)
{
	unsigned pod = sim_below(3), ctr = sim_below(2), what;

	if (waiting >= CALLS_MAX || node->ops_left == 0 || sim_below(waiting ? 12 : 4))
		return;
	/* Without images nothing else makes sense. */
	if (node->n_ops >= 2 && node->n_answers < 2 && node->n_lives == 1)
		return;
	node->ops_left--;
	what = node->n_ops < 2 ? 90 + node->n_ops : sim_below(100);
	if (node->n_ops >= 2 && (!*node->pods[pod] || what < 6))
		client_run(pod);
	else if (what < 30 || (!*node->containers[pod][ctr] && sim_below(3)))
		client_create(pod, ctr);
	else if (what < 50)
		client_start(pod, ctr);
	else if (what < 58)
		client_stop(pod, ctr, sim_below(3) * sim_below(20));
	else if (what < 62)
		client_remove(pod, ctr);
	else if (what < 70)
		client_exec(pod, ctr, sim_below(3));
	else if (what < 74)
		client_update(pod, ctr);
	else if (what < 75)
		client_reopen(pod, ctr);
	else if (what < 76)
		client_switch(pod, ctr, sim_below(2));
	else if (what < 78)
		client_checkpoint(pod, ctr);
	else if (what < 81)
		client_stop_pod(pod);
	else if (what < 84)
		client_remove_pod(pod);
	else if (what < 86)
		node->attempts[pod]++;
	else if (what < 94)
		client_pull(what % 2);
	else if (what < 96)
		client_remove_image(what % 2);
	else if (what < 98)
		list(CRI_RPC_LIST_CONTAINERS);
	else
		stream(what % 2 ? CRI_RPC_STREAM_CONTAINERS : CRI_RPC_STREAM_CONTAINER_STATS);
}

/* --- removing everything --- */

unsigned client_last_lists(void)
{
	unsigned n;

	list(CRI_RPC_LIST_CONTAINERS);
	n = n_listed;
	list(CRI_RPC_LIST_POD_SANDBOX);
	n += n_listed;
	list(CRI_RPC_LIST_IMAGES);
	return n + n_images;
}

void client_empty(void)
{
	if (client_last_lists() == 0)
		return;
	SIM_CHECK(node->rounds++ < 20, "it cannot all be removed");
	list(CRI_RPC_LIST_CONTAINERS);
	for (unsigned i = 0; i < n_listed; i++)
		remove_id(listed[i]);
	if (n_listed)
		return;
	list(CRI_RPC_LIST_POD_SANDBOX);
	for (unsigned i = 0; i < n_listed; i++) {
		stop_pod_id(listed[i]);
		remove_pod_id(listed[i]);
	}
	if (n_listed)
		return;
	for (unsigned i = 0; i < n_images; i++)
		remove_image(image_names[i]);
}

/* --- the server, which has no sockets --- */

int server_start(const struct server_options *o, struct server **ret, struct err *e)
{
	(void)o;
	(void)e;
	*ret = NULL;
	return 0;
}

int server_drain(struct server *s, int64_t grace_ms)
{
	(void)s;
	(void)grace_ms;
	return 0;
}

void server_stop(struct server *s)
{
	(void)s;
}

void server_calls(struct server *s, void (*fn)(const struct server_call_info *info, void *arg),
		  void *arg)
{
	(void)s;
	(void)fn;
	(void)arg;
}

struct server_counts server_get_counts(struct server *s)
{
	(void)s;
	return (struct server_counts){ .in_flight = waiting };
}

void grpc_env_init(void)
{
}

int listener_open(struct listener *ret, const char *path, mode_t mode, struct err *e)
{
	(void)path;
	(void)mode;
	(void)e;
	*ret = LISTENER_NULL;
	return 0;
}

void listener_done(struct listener *l)
{
	(void)l;
}

/* --- the streaming server, whose clients never come --- */

int stream_server_start(const struct stream_conf *conf, const struct stream_hooks *hooks,
			struct stream_server **ret, struct err *e)
{
	static char server;

	(void)conf;
	(void)hooks;
	(void)e;
	*ret = (struct stream_server *)(void *)&server;
	return 0;
}

const char *stream_server_url(const struct stream_server *s)
{
	(void)s;
	return "http://127.0.0.1:1";
}

void stream_server_stop(struct stream_server *s)
{
	(void)s;
}

void stream_server_admit(struct stream_server *s, uint64_t id, const struct stream_ask *ask_of)
{
	(void)s;
	(void)id;
	(void)ask_of;
}

void stream_server_give(struct stream_server *s, uint64_t id, const struct stream_fds *fds)
{
	(void)s;
	(void)id;
	(void)fds;
}

void stream_server_end(struct stream_server *s, uint64_t id, const struct stream_end *end)
{
	(void)s;
	(void)id;
	(void)end;
}

void stream_server_dialed(struct stream_server *s, uint64_t id, uint32_t pair, const int fds[2],
			  const struct err *err)
{
	(void)s;
	(void)id;
	(void)pair;
	(void)fds;
	(void)err;
}
