/*
 * check.c - the checks of the simulation: after each step, of each answer, at rest, and after the
 * removal of everything.
 *
 * Rows are read from the store, as the next daemon would.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "core/ended.h"
#include "core/objects.h"
#include "gen/sm_container.h"
#include "gen/sm_image.h"
#include "gen/sm_pull.h"
#include "gen/sm_sandbox.h"
#include "gen/sm_shim.h"
#include "gen/state.pb-c.h"
#include "sim.h"
#include "sm/machine.h"
#include "store/store.h"

#define ROWS 128
#define DAEMON_FDS 500 /* what the simulation opens lies above */

struct row {
	const struct sm_machine *m;
	const struct sm_state *state;
	char id[ID_LEN + 1];
	uint64_t seq;
	ProtobufCMessage *msg;
};

static struct store *store;
static bool written = true, moved = true, first = true;
static struct row rows[ROWS];
static unsigned n_rows;

int __wrap_store_open(const struct store_options *o, struct store **ret, struct err *e);
int __real_store_open(const struct store_options *o, struct store **ret, struct err *e);
int __wrap_store_commit(struct store_txn *t, struct err *e);
int __real_store_commit(struct store_txn *t, struct err *e);
void __wrap_log_line(enum log_level level, const char *msg, const char *fmt, ...);

int __wrap_store_open(const struct store_options *o, struct store **ret, struct err *e)
{
	struct store_options relaxed = *o;
	int r;

	relaxed.no_sync = true;
	relaxed.map_size = (size_t)8 << 20;
	relaxed.reserve = relaxed.boot_reserve = 4096;
	r = __real_store_open(&relaxed, ret, e);
	store = r == 0 ? *ret : NULL;
	return r;
}

int __wrap_store_commit(struct store_txn *t, struct err *e)
{
	int errnum = sim_call("commit", false);

	if (errnum) {
		node->commit_failed = true;
		store_abort(t);
		return err_errno(e, ERR_INTERNAL, errnum, "commit");
	}
	written = true;
	return __real_store_commit(t, e);
}

/* The engine's complaint about an event that the table says never comes. */
void __wrap_log_line(enum log_level level, const char *msg, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	sim_note("%d %s: %s", (int)level, msg, text);
	SIM_CHECK(strcmp(msg, "event marked never") != 0, "%s: %s", msg, text);
}

void check_written(void)
{
	written = true;
}

void check_moved(void)
{
	moved = true;
}

/* --- rows --- */

static const struct sm_machine *machine_of(const char *key)
{
	static const struct sm_machine *const all[] = { &sbx_machine, &ctr_machine, &img_machine,
							&pul_machine };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (str_starts(key, all[i]->name) && key[strlen(all[i]->name)] == '/')
			return all[i];
	return NULL;
}

static const struct sm_state *state_of(const struct sm_machine *m, uint32_t number)
{
	for (int i = 0; i < m->n_states; i++)
		if (m->states[i].number == number)
			return &m->states[i];
	sim_fail("%s has no state %u", m->name, number);
}

static int read_row(void *arg, const struct store_row *from)
{
	const struct sm_machine *m = machine_of(from->key);
	Crisp__State__Envelope *env;
	struct row *r = arg;

	if (!m)
		return 0;
	SIM_CHECK(!from->damaged, "row %s is damaged", from->key);
	env = crisp__state__envelope__unpack(NULL, from->size, from->payload);
	SIM_CHECK(env, "row %s cannot be unpacked", from->key);
	if (!r) {
		SIM_CHECK(n_rows < ROWS, "too many rows for the simulation");
		r = &rows[n_rows++];
	}
	*r = (struct row){ .m = m, .state = state_of(m, env->state), .seq = env->seq };
	snprintf(r->id, sizeof(r->id), "%s", from->key + strlen(m->name) + 1);
	r->msg = protobuf_c_message_unpack(m->row_descriptor, NULL, env->row.len, env->row.data);
	SIM_CHECK(r->msg, "row %s cannot be unpacked", from->key);
	crisp__state__envelope__free_unpacked(env, NULL);
	return 0;
}

static void rows_load(void)
{
	struct store_read read;
	struct err e = ERR_NULL;

	for (unsigned i = 0; i < n_rows; i++)
		protobuf_c_message_free_unpacked(rows[i].msg, NULL);
	n_rows = 0;
	store_read_begin(store, &read);
	/* The boot environment has a copy of every row, the newest. */
	if (store_scan(&read, STORE_ENV_BOOT, "", read_row, NULL, &e) < 0)
		sim_fail("read the store: %s", e.text);
	store_read_end(&read);
}

static struct row *row_of(const struct sm_machine *m, const char *id)
{
	for (unsigned i = 0; i < n_rows; i++)
		if ((!m || rows[i].m == m) && strcmp(rows[i].id, id) == 0)
			return &rows[i];
	return NULL;
}

/* As it is after a power cut; msg NULL: it is not there. */
static struct row durable_row(const struct sm_machine *m, const char *id)
{
	_cleanup_free_ char *key = xasprintf("%s/%s", m->name, id);
	struct row row = { .m = m };
	struct store_read read;
	struct store_row found;
	struct err e = ERR_NULL;

	store_read_begin(store, &read);
	if (store_get(&read, STORE_ENV_DURABLE, key, &found, &e) == 0)
		read_row(&row, &found);
	store_read_end(&read);
	return row;
}

static bool shows(const struct row *r, const char *status)
{
	return r->state->shows && strcmp(r->state->shows, status) == 0;
}

static const Crisp__State__Container *as_ctr(const struct row *r)
{
	return r->m == &ctr_machine ? (const Crisp__State__Container *)r->msg : NULL;
}

static const Crisp__State__Sandbox *as_sbx(const struct row *r)
{
	return r->m == &sbx_machine ? (const Crisp__State__Sandbox *)r->msg : NULL;
}

/* --- what was seen --- */

struct seen *seen_of(const char *id, bool make)
{
	for (int i = 0; i < SIM_SEEN; i++) {
		struct seen *s = &node->seen[i];

		if (strcmp(s->id, id) == 0)
			return s;
		if (*s->id)
			continue;
		if (!make)
			return NULL;
		snprintf(s->id, sizeof(s->id), "%s", id);
		return s;
	}
	sim_fail("too many objects for the simulation");
}

static int rank_of(const struct row *r)
{
	static const char *const order[] = { "CONTAINER_CREATED", "CONTAINER_RUNNING",
					     "CONTAINER_EXITED", "SANDBOX_READY",
					     "SANDBOX_NOTREADY" };

	for (int i = 0; i < (int)ARRAY_LEN(order); i++)
		if (shows(r, order[i]))
			return i + 1;
	return 0;
}

static void check_exit(const struct row *r, struct seen *s)
{
	const Crisp__State__Container *c = as_ctr(r);

	if (!c || !c->finished_ns || !c->started_ns)
		return;
	SIM_CHECK(!s->ended ||
			  (s->exit_known == (bool)c->exit_known && s->exit_code == c->exit_code),
		  "container %.13s: its exit code was %d and is %d", r->id, s->exit_code,
		  c->exit_code);
	s->ended = true;
	s->exit_known = c->exit_known;
	s->exit_code = c->exit_code;
	if (c->exit_known) {
		SIM_CHECK(s->died, "container %.13s has exit code %d and runs", r->id,
			  c->exit_code);
		SIM_CHECK(s->real_code == c->exit_code,
			  "container %.13s has exit code %d, its process ended with %d", r->id,
			  c->exit_code, s->real_code);
	} else {
		SIM_CHECK(s->orphaned,
			  "container %.13s: its exit code is unknown, and its shim "
			  "has never died",
			  r->id);
	}
}

static bool is_hidden(const struct row *r)
{
	const Crisp__State__Container *c = as_ctr(r);

	return c ? !c->pid && !c->refused : as_sbx(r) && as_sbx(r)->undo;
}

static void check_rows(void)
{
	for (unsigned i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];
		struct seen *s = seen_of(r->id, true);
		int rank = rank_of(r);

		SIM_CHECK(!rank || rank >= s->rank, "%s %.13s goes back to %s", r->m->name, r->id,
			  r->state->shows);
		s->rank = rank ? rank : s->rank;
		s->visible = rank && !is_hidden(r);
		check_exit(r, s);
	}
}

static void note_deleted(void *arg, struct listing_row *row)
{
	struct seen *s = seen_of(row->id, false);

	(void)arg;
	if (s)
		s->deleted = true;
	listing_row_done(row);
}

/* A crispd that is killed after the commit of a deletion leaves what its event needs. */
static void check_deleted(void)
{
	struct err e = ERR_NULL;

	if (ended_each(note_deleted, NULL, &e) < 0)
		sim_fail("read the rows of deleted objects: %s", e.text);
	for (int i = 0; i < SIM_SEEN && *node->seen[i].id; i++) {
		struct seen *s = &node->seen[i];

		SIM_CHECK(s->deleted || !s->visible || row_of(NULL, s->id) || node->commit_failed,
			  "%.13s was deleted and has left no row for the event", s->id);
		s->deleted = s->deleted || !row_of(NULL, s->id);
	}
	node->commit_failed = false;
}

static const char *live_name(const struct row *r)
{
	if (as_ctr(r))
		return ctr_is_nameless((int)(r->state - r->m->states)) ? "" : as_ctr(r)->name_key;
	if (as_sbx(r))
		return as_sbx(r)->undo || sbx_is_nameless((int)(r->state - r->m->states))
			       ? ""
			       : as_sbx(r)->name_key;
	return "";
}

static void check_names(void)
{
	for (unsigned i = 0; i < n_rows; i++)
		for (unsigned k = i + 1; k < n_rows && *live_name(&rows[i]); k++)
			SIM_CHECK(strcmp(live_name(&rows[i]), live_name(&rows[k])) != 0,
				  "two objects are called %s", live_name(&rows[i]));
}

/* --- what is outside has an owner --- */

/* The last id in a path; NULL: there is none. */
static const char *id_in(const char *path, char out[ID_LEN + 1])
{
	size_t n = strlen(path), run = 0;

	for (size_t i = n; i > 0; i--) {
		run = strchr("0123456789abcdef", path[i - 1]) ? run + 1 : 0;
		if (run == ID_LEN) {
			memcpy(out, path + i - 1, ID_LEN);
			out[ID_LEN] = '\0';
			return out;
		}
	}
	return NULL;
}

/* The cgroup of an exec belongs to its container. */
static bool is_owned(const char *name)
{
	_cleanup_free_ char *owner = xstrdup(name);
	char *exec = strstr(owner, "/crisp-exec-");
	char id[ID_LEN + 1];

	if (exec)
		*exec = '\0';
	return !id_in(owner, id) || row_of(NULL, id);
}

static void check_owners(void)
{
	static const char *const kinds[] = { "mount",	       "cgroup",     "namespace",
					     "CNI attachment", "host ports", "" };

	for (int i = 0; i < SIM_THINGS; i++)
		SIM_CHECK(!node->things[i].used || is_owned(node->things[i].name),
			  "%s %s has no row", kinds[node->things[i].kind], node->things[i].name);
	for (int i = 0; i < SIM_SHIMS; i++)
		SIM_CHECK(!node->shims[i].used || !node->shims[i].alive ||
				  is_owned(node->shims[i].dir),
			  "the shim of %s has no row", node->shims[i].dir);
	for (int i = 0; i < SIM_CTRS; i++)
		SIM_CHECK(!node->ctrs[i].used || node->ctrs[i].proc < 0 ||
				  !node->procs[node->ctrs[i].proc].alive ||
				  is_owned(node->ctrs[i].id),
			  "the process of container %s has no row", node->ctrs[i].id);
}

/* Once its shim has listed them, those of an earlier life too. */
static void check_sessions(void)
{
	char id[ID_LEN + 1];

	for (int i = 0; i < SIM_SESSIONS; i++) {
		const struct session *s = &node->sessions[i];
		const struct object *line = NULL;

		if (s->used && s->shim >= 0 && !life_is_ended(s->state) &&
		    id_in(node->shims[s->shim].dir, id))
			line = world_find(KIND_SHIM, id);
		SIM_CHECK(!line || !shm_is_up(line->sm->state) || !id_in(s->name, id) ||
				  world_find(KIND_EXEC, id),
			  "exec session %s runs, and the daemon does not know it", s->name);
	}
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < DAEMON_FDS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n - (int)puller_fds();
}

/* The row of its pause comes before the freeze, that of its resumption after the thaw. */
static void check_frozen(void)
{
	for (int i = 0; i < SIM_CTRS; i++) {
		const struct ctr *c = &node->ctrs[i];
		const struct object *o = c->used ? world_find(KIND_CONTAINER, c->id) : NULL;

		SIM_CHECK(!o || o->sm->state != CTR_STATE_RUNNING || c->proc < 0 ||
				  !node->procs[c->proc].frozen,
			  "container %s is RUNNING, and frozen", c->id);
	}
}

void check_step(void)
{
	if (!store || (!written && !moved))
		return;
	if (written) {
		rows_load();
		check_rows();
		check_names();
		check_deleted();
	}
	check_owners();
	check_sessions();
	check_frozen();
	if (first && !n_rows)
		node->fds_empty = count_fds();
	first = written = moved = false;
}

/* --- what an answer promises --- */

static void expect_gone(const struct sm_machine *m, const char *id, const char *method)
{
	struct row durable = durable_row(m, id);

	rows_load();
	SIM_CHECK(!durable.msg && !row_of(m, id), "%s of %.13s is answered and the row is there",
		  method, id);
}

/* A prefix stands for no object here: only whole ids are checked. */
void check_answer(const char *method, const char *id, const char *detail)
{
	const Crisp__State__Container *c;
	struct row r = { .m = NULL };
	char image[ID_LEN + 1];

	if (strcmp(method, "RunPodSandbox") == 0 || strcmp(method, "CreateContainer") == 0) {
		r = durable_row(*method == 'R' ? &sbx_machine : &ctr_machine, detail);
		SIM_CHECK(r.msg && r.state->shows, "%s is answered with %.13s before the commit",
			  method, detail);
		seen_of(detail, true)->given = true;
	} else if (strcmp(method, "StartContainer") == 0) {
		r = durable_row(&ctr_machine, id);
		c = r.msg ? as_ctr(&r) : NULL;
		SIM_CHECK(c && (c->started_ns || c->finished_ns),
			  "%s of %.13s is answered before the commit", method, id);
	} else if (strcmp(method, "StopContainer") == 0) {
		r = durable_row(&ctr_machine, id);
		c = r.msg ? as_ctr(&r) : NULL;
		SIM_CHECK(!c || c->finished_ns, "%s of %.13s is answered before the commit", method,
			  id);
	} else if (strcmp(method, "StopPodSandbox") == 0) {
		r = durable_row(&sbx_machine, id);
		SIM_CHECK(!r.msg || shows(&r, "SANDBOX_NOTREADY"),
			  "%s of %.13s is answered before the commit", method, id);
		SIM_CHECK(!r.msg || !thing_has(THING_CNI, id), "%s of %.13s leaves its network",
			  method, id);
		SIM_CHECK(!r.msg || !thing_has(THING_PORTS, id), "%s of %.13s leaves its ports",
			  method, id);
	} else if (strcmp(method, "RemoveContainer") == 0) {
		expect_gone(&ctr_machine, id, method);
	} else if (strcmp(method, "RemovePodSandbox") == 0) {
		expect_gone(&sbx_machine, id, method);
	} else if (strcmp(method, "PullImage") == 0) {
		id_of_text(id, image);
		(void)image;
	}
	if (r.msg)
		protobuf_c_message_free_unpacked(r.msg, NULL);
}

/* --- at rest --- */

/* Of the daemon to the shim of a sandbox. */
static const struct sm_state *line_to(const char *sandbox_id)
{
	const struct object *line = world_find(KIND_SHIM, sandbox_id);

	return line ? sm_state(line->sm) : NULL;
}

bool check_at_rest(void)
{
	if (written || !store || map_count(world.objects[KIND_EXEC]))
		return false;
	for (unsigned i = 0; i < n_rows; i++) {
		const struct sm_state *line =
			rows[i].m == &sbx_machine ? line_to(rows[i].id) : NULL;

		if (rows[i].state->kind != SM_KIND_REST && rows[i].m != &pul_machine)
			return false;
		if (line && line->kind != SM_KIND_REST)
			return false;
	}
	return true;
}

static struct proc *process_of(const char *id)
{
	for (int i = 0; i < SIM_CTRS; i++)
		if (node->ctrs[i].used && strcmp(node->ctrs[i].id, id) == 0 &&
		    node->ctrs[i].proc >= 0 && node->procs[node->ctrs[i].proc].alive)
			return &node->procs[node->ctrs[i].proc];
	return NULL;
}

static bool has_shim(const char *id)
{
	for (int i = 0; i < SIM_SHIMS; i++)
		if (node->shims[i].used && node->shims[i].alive && strstr(node->shims[i].dir, id))
			return true;
	return false;
}

void check_quiet(void)
{
	for (unsigned i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];

		SIM_CHECK(r->state->kind == SM_KIND_REST || r->m == &pul_machine,
			  "%s %.13s stays in %s", r->m->name, r->id, r->state->name);
		if (shows(r, "CONTAINER_RUNNING") || shows(r, "CONTAINER_CREATED"))
			SIM_CHECK(process_of(r->id), "container %.13s is %s without a process",
				  r->id, r->state->name);
		if (shows(r, "CONTAINER_EXITED"))
			SIM_CHECK(!process_of(r->id), "container %.13s has ended and has a process",
				  r->id);
		if (r->m == &sbx_machine && line_to(r->id))
			SIM_CHECK(line_to(r->id)->kind == SM_KIND_REST,
				  "sandbox %.13s: the line to its shim stays in %s", r->id,
				  line_to(r->id)->name);
		if (shows(r, "SANDBOX_READY"))
			SIM_CHECK(has_shim(r->id), "sandbox %.13s is ready without a shim", r->id);
		if (shows(r, "SANDBOX_READY") && ((Crisp__State__Sandbox *)r->msg)->maps_ports)
			SIM_CHECK(thing_has(THING_PORTS, r->id),
				  "sandbox %.13s is ready with closed ports", r->id);
		if (shows(r, "SANDBOX_NOTREADY"))
			SIM_CHECK(!has_shim(r->id) && !thing_has(THING_CNI, r->id),
				  "sandbox %.13s is stopped and has a shim or a network", r->id);
	}
	SIM_CHECK(!client_waiting(), "%u calls are never answered", client_waiting());
}

/* Nothing but what a fresh node has. */
static void check_dir(const char *sub)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", node->dir, sub);
	_cleanup_closedir_ DIR *d = opendir(path);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		SIM_CHECK(*entry->d_name == '.' || strcmp(entry->d_name, "trash") == 0,
			  "%s/%s is left behind", sub, entry->d_name);
}

/* What is written beside the location of a checkpoint. */
static void check_archives(void)
{
	_cleanup_closedir_ DIR *d = opendir(node->dir);
	const struct dirent *entry;

	while (d && (entry = readdir(d)))
		SIM_CHECK(!str_starts(entry->d_name, ".checkpoint-"), "%s is left behind",
			  entry->d_name);
}

void check_empty(void)
{
	static const char *const dirs[] = { "run/pods",		  "run/containers",  "run/ns",
					    "root/pods",	  "root/containers", "root/trash",
					    "root/images/layers", "runtime" };
	int fds = count_fds();

	rows_load();
	for (unsigned i = 0; i < n_rows; i++)
		SIM_CHECK(rows[i].m == &pul_machine, "%s %.13s is left behind in %s",
			  rows[i].m->name, rows[i].id, rows[i].state->name);
	for (int i = 0; i < SIM_THINGS; i++)
		SIM_CHECK(!node->things[i].used, "%s is left behind", node->things[i].name);
	for (int i = 0; i < SIM_PROCS; i++)
		SIM_CHECK(!node->procs[i].alive, "process %d of kind %d is left behind",
			  node->procs[i].pid, (int)node->procs[i].kind);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		check_dir(dirs[i]);
	check_archives();
	SIM_CHECK(!node->fds_empty || fds == node->fds_empty,
		  "%d descriptors are open, a fresh daemon has %d", fds, node->fds_empty);
}
