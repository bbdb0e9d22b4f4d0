/*
 * api.c - calls of the whole CRI against a running daemon: valid ones made from the schema's
 * descriptors with the ids of objects that exist, and the same with fields changed; frames of
 * HTTP/2 and of streams that make no sense.  tests/fuzz/api.sh starts the daemon and judges it.
 *
 * What must hold: each call is answered in time, whatever it asks for; after every few hundred a
 * plain pod runs and goes.  Paths of the host, devices and settings of the kernel come from the
 * scratch directory and from fixed lists, so that nothing else on the machine is touched.
 *
 * usage: api SOCKET SCRATCH CGROUP IMAGE SEED SECONDS [CALLS]
 * The same seed makes the same calls as long as they are answered alike.  The last calls are in
 * SCRATCH/calls, the newest at the end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/client.h"
#include "api/grpc_env.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/util.h"
#include "gen/admin.pb-c.h"
#include "gen/cri_client.h"

#define CALL_MS 120000
#define POOL 16 /* pods, and containers, at a time */
#define HEALTH_EVERY 150
#define LOG_CALLS 400
#define DEPTH_MAX 6
#define WORD_MAX 300000 /* longer than execve takes */

static const char *socket_path, *scratch, *cgroup, *image;
static struct rpc_client *client;
static uint64_t state, n_calls, n_ok, n_refused, n_failures;

struct pool {
	char *ids[POOL];
	unsigned n;
};
static struct pool pods, containers;

/* --- chance --- */

static uint64_t rnd(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545F4914F6CDD1D);
}

static unsigned below(unsigned n)
{
	return (unsigned)(rnd() >> 33) % n;
}

static bool chance(unsigned percent)
{
	return below(100) < percent;
}

#define ONE_OF(list) (list)[below(ARRAY_LEN(list))]

/* --- words --- */

static char *pool_id(const struct pool *p)
{
	static const char *const none[] = { "0123456789ab", "", "zz", "../../etc" };

	if (!p->n || chance(5))
		return xstrdup(ONE_OF(none));
	if (chance(10)) /* the beginning of one */
		return xstrndup(p->ids[below(p->n)], 1 + below(20));
	return xstrdup(p->ids[below(p->n)]);
}

static char *long_word(void)
{
	size_t n = chance(80) ? below(5000) : below(WORD_MAX);
	char *s = xmalloc(n + 1);

	memset(s, chance(50) ? 'x' : '/', n);
	s[n] = '\0';
	return s;
}

static char *any_word(void)
{
	static const char *const list[] = {
		"",
		"a",
		".",
		"..",
		"/",
		"../../../x",
		"a/b",
		"%s%n",
		"a=b",
		"-",
		"--help",
		"\n",
		"\x7f",
		"\xc3\xa9",
		"\xf0\x9f\x98\x80",
		" ",
		"a\tb",
		"\"",
		"{}",
		"null",
		"0",
		"-1",
		"18446744073709551616",
		"runtime/default",
		"unconfined",
		"localhost/none",
		"@",
		"sha256:",
		"a:b:c",
		"[",
		"*",
		"host",
		"CAP_SYS_ADMIN",
		"ALL",
		"0-3",
		"99999",
	};

	return chance(15) ? long_word() : xstrdup(ONE_OF(list));
}

/* By the field's name: what makes a call work. */
static char *good_word(const char *field)
{
	static const char *const handlers[] = { "", "", "", "runc", "none" };
	static const char *const users[] = { "", "root", "nobody", "daemon", "0", "nouser" };

	if (strcmp(field, "container_id") == 0)
		return pool_id(&containers);
	if (strcmp(field, "pod_sandbox_id") == 0)
		return pool_id(&pods);
	if (strcmp(field, "id") == 0 || strcmp(field, "id_prefix") == 0)
		return pool_id(chance(50) ? &pods : &containers);
	if (strcmp(field, "image") == 0 || strcmp(field, "image_ref") == 0 ||
	    strcmp(field, "user_specified_image") == 0)
		return xstrdup(image);
	if (strcmp(field, "log_directory") == 0)
		return xasprintf("%s/logs/%u", scratch, below(4));
	if (strcmp(field, "log_path") == 0)
		return xasprintf("%u.log", below(8));
	if (strcmp(field, "cgroup_parent") == 0)
		return xasprintf("%s/p%u", cgroup, below(4));
	if (strcmp(field, "host_path") == 0)
		return xasprintf("%s/host/%u", scratch, below(6));
	if (strcmp(field, "location") == 0)
		return xasprintf("%s/archive%u", scratch, below(4));
	if (strcmp(field, "container_path") == 0)
		return xasprintf("/mnt/%u", below(6));
	if (strcmp(field, "runtime_handler") == 0)
		return xstrdup(ONE_OF(handlers));
	if (strcmp(field, "run_as_username") == 0)
		return xstrdup(ONE_OF(users));
	if (strcmp(field, "working_dir") == 0)
		return xstrdup(chance(80) ? "" : "/tmp/w");
	if (strcmp(field, "hostname") == 0)
		return xasprintf("h%u", below(3));
	return xasprintf("%.4s%u", field, below(12));
}

/* --- what must not reach the machine --- */

/* The whole text, or what stands in its place. */
static void safe_text(const char *field, char **s)
{
	bool inside = str_starts(*s, scratch) && !strstr(*s, "..");
	char *to = NULL;

	if (strcmp(field, "host_path") == 0 || strcmp(field, "log_directory") == 0 ||
	    strcmp(field, "location") == 0)
		to = inside || (**s != '/' && !strstr(*s, "..")) ? NULL : good_word("host_path");
	else if (strcmp(field, "path") == 0)
		to = inside ? NULL : xasprintf("%s/none", scratch);
	else if (strcmp(field, "cgroup_parent") == 0)
		to = str_starts(*s, cgroup) && !strstr(*s, "..") ? NULL : good_word(field);
	if (!to)
		return;
	if (*s != protobuf_c_empty_string)
		free(*s);
	*s = to;
}

static void safe_message(ProtobufCMessage *m);

/* A pod's own settings at the most; none that belong to the machine. */
static void safe_sysctls(ProtobufCMessage *m)
{
	static const char *const names[] = {
		"net.ipv4.ip_forward",
		"kernel.shm_rmid_forced",
		"net.ipv4.ping_group_range",
		"fz.none",
		"",
	};
	Runtime__V1__LinuxPodSandboxConfig *c = (Runtime__V1__LinuxPodSandboxConfig *)m;

	for (size_t i = 0; i < c->n_sysctls; i++) {
		if (c->sysctls[i]->key != protobuf_c_empty_string)
			free(c->sysctls[i]->key);
		c->sysctls[i]->key = xstrdup(ONE_OF(names));
	}
}

static void safe_times(ProtobufCMessage *m)
{
	if (m->descriptor == &runtime__v1__stop_container_request__descriptor) {
		Runtime__V1__StopContainerRequest *r = (Runtime__V1__StopContainerRequest *)m;

		r->timeout = MIN(r->timeout, INT64_C(2));
	} else if (m->descriptor == &runtime__v1__exec_sync_request__descriptor) {
		Runtime__V1__ExecSyncRequest *r = (Runtime__V1__ExecSyncRequest *)m;

		r->timeout = r->timeout <= 0 || r->timeout > 3 ? 3 : r->timeout;
	}
}

/* No container that could both see the machine's processes and end them. */
static void safe_rights(ProtobufCMessage *m)
{
	if (m->descriptor == &runtime__v1__namespace_option__descriptor) {
		Runtime__V1__NamespaceOption *o = (Runtime__V1__NamespaceOption *)m;

		if (o->pid == RUNTIME__V1__NAMESPACE_MODE__NODE)
			o->pid = RUNTIME__V1__NAMESPACE_MODE__POD;
	} else if (m->descriptor == &runtime__v1__device__descriptor) {
		Runtime__V1__Device *d = (Runtime__V1__Device *)m;

		if (d->host_path != protobuf_c_empty_string)
			free(d->host_path);
		d->host_path = xstrdup(chance(70) ? "/dev/null" : "/dev/none");
	} else if (m->descriptor == &runtime__v1__linux_pod_sandbox_config__descriptor) {
		safe_sysctls(m);
	}
}

static void safe_field(const ProtobufCFieldDescriptor *f, void *at)
{
	if (f->type == PROTOBUF_C_TYPE_STRING)
		safe_text(f->name, at);
	else if (f->type == PROTOBUF_C_TYPE_MESSAGE && *(ProtobufCMessage **)at)
		safe_message(*(ProtobufCMessage **)at);
}

static size_t element_size(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	}
	return 0;
}

static void safe_message(ProtobufCMessage *m)
{
	safe_times(m);
	safe_rights(m);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		char *at = (char *)m + f->offset;

		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			safe_field(f, at);
			continue;
		}
		for (size_t k = 0; k < *(size_t *)(void *)((char *)m + f->quantifier_offset); k++)
			safe_field(f, *(char **)(void *)at + k * element_size(f));
	}
}

/* --- messages --- */

static ProtobufCMessage *make(const ProtobufCMessageDescriptor *d, unsigned density, int depth);

static int64_t any_number(void)
{
	static const int64_t list[] = { 0,	   1,	      -1,	 2,	7,
					100,	   1000,      65535,	 65536, INT32_MAX,
					INT32_MIN, INT64_MAX, INT64_MIN, 4096,	1 << 20 };

	return ONE_OF(list);
}

/* One value.  good: one that is likely to be taken. */
static void put_value(const ProtobufCFieldDescriptor *f, void *at, bool good, unsigned density,
		      int depth)
{
	int64_t n = good ? (int64_t)below(3) : any_number();
	ProtobufCBinaryData *bytes = at;

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = good ? good_word(f->name) : any_word();
		break;
	case PROTOBUF_C_TYPE_BYTES:
		bytes->data = (uint8_t *)(good ? good_word(f->name) : any_word());
		bytes->len = strlen((char *)bytes->data);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)at = make(f->descriptor, density, depth + 1);
		break;
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumDescriptor *e = f->descriptor;

		*(int *)at = good ? e->values[below(e->n_values)].value : (int)n;
		break;
	}
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = n & 1;
		break;
	default:
		if (element_size(f) == 8)
			*(int64_t *)at = n;
		else
			*(int32_t *)at = (int32_t)n;
	}
}

/* Whatever the density. */
static bool is_needed(const ProtobufCFieldDescriptor *f)
{
	static const char *const needed[] = {
		"metadata",  "config",	      "sandbox_config", "image",	  "name",
		"namespace", "uid",	      "container_id",	"pod_sandbox_id", "log_directory",
		"log_path",  "cgroup_parent", "linux",		"host_path",	  "container_path",
		"cmd",	     "path",
	};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (strcmp(f->name, needed[i]) == 0)
			return true;
	return false;
}

static void put_field(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, bool good,
		      unsigned density, int depth)
{
	char *at = (char *)m + f->offset;
	size_t *n = (void *)((char *)m + f->quantifier_offset);
	size_t size = element_size(f);
	char **list = (void *)at;

	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		put_value(f, at, good, density, depth);
		return;
	}
	*list = xrealloc(*list, (*n + 1) * size);
	(*n)++;
	put_value(f, *list + (*n - 1) * size, good, density, depth);
}

static ProtobufCMessage *make(const ProtobufCMessageDescriptor *d, unsigned density, int depth)
{
	ProtobufCMessage *m = xcalloc(1, d->sizeof_message);

	d->message_init(m);
	for (unsigned i = 0; i < d->n_fields && depth < DEPTH_MAX; i++)
		if (is_needed(&d->fields[i]) || chance(density))
			put_field(m, &d->fields[i], true, density, depth);
	return m;
}

/* One field somewhere in the message gets another value, or one more. */
static void mutate(ProtobufCMessage *m)
{
	for (int depth = 0; depth < DEPTH_MAX && m->descriptor->n_fields; depth++) {
		const ProtobufCFieldDescriptor *f =
			&m->descriptor->fields[below(m->descriptor->n_fields)];
		ProtobufCMessage **sub = (void *)((char *)m + f->offset);

		if (f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED &&
		    *sub) {
			if (chance(10)) {
				protobuf_c_message_free_unpacked(*sub, NULL);
				*sub = NULL;
				return;
			}
			m = *sub;
			continue;
		}
		/* What was there is lost: this program does not run for long. */
		for (unsigned n = chance(95) ? 1 : below(300); n; n--)
			put_field(m, f, chance(30), 20, depth);
		return;
	}
}

/* --- calls --- */

static void failure(const char *what, const struct err *e)
{
	printf("not ok call %" PRIu64 ": %s: %s\n", n_calls, what, e->text);
	n_failures++;
}

static void log_call(const char *method, const ProtobufCMessage *m)
{
	static FILE *out;
	_cleanup_free_ char *name = xasprintf("%s/calls", scratch);
	size_t size = protobuf_c_message_get_packed_size(m);
	_cleanup_free_ uint8_t *bytes = xmalloc(size + 1);

	if (out && n_calls % LOG_CALLS == 0) {
		_cleanup_free_ char *old = xasprintf("%s/calls.old", scratch);

		fclose(out);
		rename(name, old);
		out = NULL;
	}
	if (!out)
		out = fopen(name, "we");
	if (!out)
		return;
	protobuf_c_message_pack(m, bytes);
	fprintf(out, "%" PRIu64 " %s ", n_calls, method);
	for (size_t i = 0; i < MIN(size, (size_t)4000); i++)
		fprintf(out, "%02x", bytes[i]);
	fprintf(out, "%s\n", size > 4000 ? "..." : "");
	fflush(out);
}

/* Without an answer, or with one that says that the daemon is at fault.  A command that takes
 * longer than its call allows is at fault itself. */
static bool is_bad(const struct err *e)
{
	bool late = e->code == ERR_DEADLINE && !strstr(e->text, "timed out and was killed");

	return late || strstr(e->text, "Transport closed") || strstr(e->text, "Socket closed") ||
	       strstr(e->text, "failed to connect");
}

static void pool_add(struct pool *p, const char *id)
{
	if (*id && p->n < POOL)
		p->ids[p->n++] = xstrdup(id);
}

static void pool_drop(struct pool *p, const char *id)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (strcmp(p->ids[i], id) != 0)
			continue;
		free(p->ids[i]);
		p->ids[i] = p->ids[--p->n];
		return;
	}
}

static void stream_garbage(const char *url);

/* What an answer tells about objects. */
static void learn(const ProtobufCMessage *req, const ProtobufCMessage *resp)
{
	const ProtobufCMessageDescriptor *d = resp->descriptor;

	if (d == &runtime__v1__run_pod_sandbox_response__descriptor)
		pool_add(&pods, ((const Runtime__V1__RunPodSandboxResponse *)resp)->pod_sandbox_id);
	else if (d == &runtime__v1__create_container_response__descriptor)
		pool_add(&containers,
			 ((const Runtime__V1__CreateContainerResponse *)resp)->container_id);
	else if (d == &runtime__v1__remove_container_response__descriptor)
		pool_drop(&containers,
			  ((const Runtime__V1__RemoveContainerRequest *)req)->container_id);
	else if (d == &runtime__v1__remove_pod_sandbox_response__descriptor)
		pool_drop(&pods,
			  ((const Runtime__V1__RemovePodSandboxRequest *)req)->pod_sandbox_id);
	else if (d == &runtime__v1__exec_response__descriptor)
		stream_garbage(((const Runtime__V1__ExecResponse *)resp)->url);
	else if (d == &runtime__v1__attach_response__descriptor)
		stream_garbage(((const Runtime__V1__AttachResponse *)resp)->url);
	else if (d == &runtime__v1__port_forward_response__descriptor)
		stream_garbage(((const Runtime__V1__PortForwardResponse *)resp)->url);
}

/* 0: answered well. */
static int call(const ProtobufCServiceDescriptor *s, const ProtobufCMethodDescriptor *m,
		const ProtobufCMessage *req)
{
	_cleanup_free_ char *path = xasprintf("/%s/%s", s->name, m->name);
	ProtobufCMessage *resp = NULL;
	struct err e = ERR_NULL;
	int r;

	n_calls++;
	log_call(path, req);
	r = rpc_client_call(client, path, req, m->output, &resp, &e);
	if (r < 0 && is_bad(&e))
		failure(path, &e);
	n_ok += r == 0;
	n_refused += r < 0;
	if (r == 0) {
		learn(req, resp);
		protobuf_c_message_free_unpacked(resp, NULL);
	}
	return r;
}

/* Commands that end by themselves, or on SIGTERM. */
static void put_command(ProtobufCMessage *req)
{
	static const char *const commands[] = {
		"trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done",
		"exit 3",
		"echo x",
		"i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done",
		"cat /proc/self/mounts",
		"kill -9 $$",
		"mkdir -p /a/b/c && ln -s / /a/b/c/d",
	};
	const char *const words[] = { "sh", "-c", ONE_OF(commands) };
	size_t *n = NULL;
	char ***list = NULL;

	if (req->descriptor == &runtime__v1__create_container_request__descriptor) {
		Runtime__V1__CreateContainerRequest *r = (Runtime__V1__CreateContainerRequest *)req;

		n = &r->config->n_command;
		list = &r->config->command;
	} else if (req->descriptor == &runtime__v1__exec_sync_request__descriptor) {
		Runtime__V1__ExecSyncRequest *r = (Runtime__V1__ExecSyncRequest *)req;

		n = &r->n_cmd;
		list = &r->cmd;
	} else if (req->descriptor == &runtime__v1__exec_request__descriptor) {
		Runtime__V1__ExecRequest *r = (Runtime__V1__ExecRequest *)req;

		n = &r->n_cmd;
		list = &r->cmd;
		r->stdout = true;
	}
	if (!n)
		return;
	*list = xcalloc(ARRAY_LEN(words), sizeof(char *));
	for (*n = 0; *n < ARRAY_LEN(words); (*n)++)
		(*list)[*n] = xstrdup(words[*n]);
}

/* Streaming methods are none of this client's; the daemon answers them like unknown ones. */
static const ProtobufCMethodDescriptor *choose(const ProtobufCServiceDescriptor **ret)
{
	static const ProtobufCServiceDescriptor *const services[] = {
		&runtime__v1__runtime_service__descriptor,
		&runtime__v1__image_service__descriptor,
		&crisp__v1__admin__descriptor,
	};
	static const char *const often[] = {
		"RunPodSandbox",
		"CreateContainer",
		"CreateContainer",
		"StartContainer",
		"StartContainer",
		"StopContainer",
		"RemoveContainer",
		"ExecSync",
		"Exec",
		"Attach",
		"StopPodSandbox",
		"RemovePodSandbox",
		"ContainerStatus",
		"PortForward",
		"UpdateContainerResources",
		"ReopenContainerLog",
	};

	if (chance(60)) {
		*ret = services[0];
		return protobuf_c_service_descriptor_get_method_by_name(services[0], ONE_OF(often));
	}
	*ret = services[below(10) < 6 ? 0 : below(2) + 1];
	return &(*ret)->methods[below((*ret)->n_methods)];
}

static void one_call(void)
{
	static const unsigned densities[] = { 0, 0, 0, 5, 5, 15, 40 };
	const ProtobufCServiceDescriptor *s;
	const ProtobufCMethodDescriptor *m = choose(&s);
	ProtobufCMessage *req;

	if (!m || str_starts(m->name, "Stream") || strcmp(m->name, "GetContainerEvents") == 0)
		return;
	/* The image is needed, and what keeps it is told by its own calls. */
	if (strcmp(m->name, "RemoveImage") == 0 && chance(80))
		return;
	if (strcmp(m->name, "RunPodSandbox") == 0 && pods.n >= POOL / 2)
		return;
	req = make(m->input, ONE_OF(densities), 0);
	put_command(req);
	for (unsigned n = chance(50) ? 1 + below(3) : 0; n; n--)
		mutate(req);
	safe_message(req);
	call(s, m, req);
	protobuf_c_message_free_unpacked(req, NULL);
}

/* --- bytes that make no sense --- */

static void send_garbage(int fd, const char *first, size_t size)
{
	unsigned char bytes[512];
	struct timeval soon = { .tv_usec = 20000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	(void)!send(fd, first, size, MSG_NOSIGNAL);
	if (chance(80))
		(void)!recv(fd, bytes, sizeof(bytes), 0);
	for (unsigned n = below(20); n; n--) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (unsigned char)(chance(30) ? below(256) : below(10));
		if (send(fd, bytes, 1 + below(sizeof(bytes)), MSG_NOSIGNAL) < 0)
			break;
	}
	if (chance(50))
		(void)!recv(fd, bytes, sizeof(bytes), 0);
	close(fd);
}

static void h2_garbage(void)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", socket_path);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		close(fd);
	else
		send_garbage(fd, preface, chance(90) ? sizeof(preface) - 1 : below(20));
}

/* With the token of a URL, over SPDY or WebSocket, or in no way at all. */
static void stream_garbage(const char *url)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	char host[64], path[128];
	unsigned short port;
	_cleanup_free_ char *head = NULL;
	int fd;

	if (sscanf(url, "http://%63[0-9.]:%hu%127s", host, &port, path) != 3)
		return;
	to.sin_port = htons(port);
	inet_pton(AF_INET, host, &to.sin_addr);
	head = chance(50) ? xasprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
				      "Upgrade: SPDY/3.1\r\n"
				      "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
				      "X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n",
				      path)
			  : xasprintf("GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
				      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
				      "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
				      path);
	if (chance(10))
		head[below((unsigned)strlen(head))] = (char)below(256);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		close(fd);
	else
		send_garbage(fd, head, strlen(head));
}

/* --- health --- */

static const ProtobufCMethodDescriptor *method(const char *name)
{
	return protobuf_c_service_descriptor_get_method_by_name(
		&runtime__v1__runtime_service__descriptor, name);
}

/* A call that has to work. */
static void must(const char *name, ProtobufCMessage *req)
{
	struct err e = ERR_NULL;
	_cleanup_free_ char *path = xasprintf("/runtime.v1.RuntimeService/%s", name);
	ProtobufCMessage *resp = NULL;

	if (rpc_client_call(client, path, req, method(name)->output, &resp, &e) < 0)
		failure(name, &e);
	else
		protobuf_c_message_free_unpacked(resp, NULL);
}

static void health(void)
{
	Runtime__V1__ListPodSandboxRequest list = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
	Runtime__V1__RunPodSandboxRequest run = RUNTIME__V1__RUN_POD_SANDBOX_REQUEST__INIT;
	Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__PodSandboxMetadata meta = RUNTIME__V1__POD_SANDBOX_METADATA__INIT;
	Runtime__V1__LinuxPodSandboxConfig lin = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__RemovePodSandboxRequest remove = RUNTIME__V1__REMOVE_POD_SANDBOX_REQUEST__INIT;
	Runtime__V1__RunPodSandboxResponse *made = NULL;
	struct err e = ERR_NULL;

	must("ListPodSandbox", &list.base);
	meta.name = meta.namespace_ = meta.uid = (char *)(uintptr_t) "healthy";
	lin.cgroup_parent = (char *)(uintptr_t)cgroup;
	config.metadata = &meta;
	config.linux = &lin;
	run.config = &config;
	if (cri_call_run_pod_sandbox(client, &run, &made, &e) < 0) {
		failure("a plain pod", &e);
		return;
	}
	remove.pod_sandbox_id = made->pod_sandbox_id;
	must("RemovePodSandbox", &remove.base);
	runtime__v1__run_pod_sandbox_response__free_unpacked(made, NULL);
}

static void remove_all(void)
{
	Runtime__V1__ListPodSandboxRequest list = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
	Runtime__V1__ListPodSandboxResponse *all = NULL;
	struct err e = ERR_NULL;

	if (cri_call_list_pod_sandbox(client, &list, &all, &e) < 0) {
		failure("ListPodSandbox", &e);
		return;
	}
	for (size_t i = 0; i < all->n_items; i++) {
		Runtime__V1__RemovePodSandboxRequest r =
			RUNTIME__V1__REMOVE_POD_SANDBOX_REQUEST__INIT;

		r.pod_sandbox_id = all->items[i]->id;
		must("RemovePodSandbox", &r.base);
	}
	runtime__v1__list_pod_sandbox_response__free_unpacked(all, NULL);
}

int main(int argc, char **argv)
{
	uint64_t seed = 0, seconds = 0, calls = UINT64_MAX;
	struct err e = ERR_NULL;
	int64_t end;

	if (argc < 7 || str_to_u64(argv[5], UINT64_MAX, &seed) < 0 ||
	    str_to_u64(argv[6], 86400 * 30, &seconds) < 0 ||
	    (argc > 7 && str_to_u64(argv[7], UINT64_MAX, &calls) < 0)) {
		fprintf(stderr, "usage: api SOCKET SCRATCH CGROUP IMAGE SEED SECONDS [CALLS]\n");
		return 2;
	}
	socket_path = argv[1];
	scratch = argv[2];
	cgroup = argv[3];
	image = argv[4];
	state = seed * 2 + 1;
	grpc_env_init();
	printf("seed %" PRIu64 "\n", seed);
	if (rpc_client_open(socket_path, CALL_MS, &client, &e) < 0) {
		failure("connect", &e);
		return 1;
	}
	end = clock_monotonic_ns() + (int64_t)seconds * NSEC_PER_SEC;
	health();
	while (clock_monotonic_ns() < end && n_calls < calls && n_failures < 3) {
		one_call();
		if (chance(2))
			h2_garbage();
		if (n_calls % HEALTH_EVERY == HEALTH_EVERY - 1) {
			n_calls++;
			health();
		}
	}
	remove_all();
	health();
	printf("%" PRIu64 " calls, %" PRIu64 " answered well, %" PRIu64 " refused, %" PRIu64
	       " failures\n",
	       n_calls, n_ok, n_refused, n_failures);
	rpc_client_close(client);
	return n_failures ? 1 : 0;
}
