/*
 * conf.c - load and merge the configuration.  Values from files, drop-ins and flags all take one
 * path through keys.c: type, range, form, then the field.
 */
#include "conf/conf.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/cgroups.h"
#include "conf/keys.h"
#include "conf/secrets.h"
#include "conf/toml.h"
#include "conf/value.h"
#include "os/caps.h"
#include "os/cgroup.h"
#include "os/seccomp.h"
#include "os/spawn.h"

/* The source of a key's value in force. */
struct conf_place {
	char *key; /* including names chosen by the user */
	char *where; /* "FILE:LINE: KEY", or KEY for a flag */
	char *bad; /* of a guard: why the value stops the daemon; NULL: value accepted */
};

#define RUNTIMES "crio.runtime.runtimes"
#define WORKLOADS "crio.runtime.workloads"
#define RUNTIMES_MAX 64
#define DROP_INS_MAX 1024

/* --- defaults --- */

static struct conf_runtime *runtime_get(struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->n_runtimes; i++)
		if (strcmp(c->runtimes[i].name, name) == 0)
			return &c->runtimes[i];
	return NULL;
}

static struct conf_runtime *runtime_add(struct conf *c, const char *name)
{
	struct conf_runtime *rt = runtime_get(c, name);

	if (rt)
		return rt;
	c->runtimes = xrealloc(c->runtimes, (c->n_runtimes + 1) * sizeof(*c->runtimes));
	rt = &c->runtimes[c->n_runtimes++];
	*rt = (struct conf_runtime){
		.name = xstrdup(name),
		.path = xstrdup(""),
		.type = xstrdup("oci"),
		.root = xstrdup(""),
		.seccomp_profile = xstrdup(""),
		.monitor_cgroup = xstrdup(""),
		/* Minimum to start: runc is a Go program, crun is not. */
		.container_min_memory = strcmp(name, "crun") == 0 ? 500 * 1024 : 12 * 1024 * 1024,
		.container_create_timeout = 240,
	};
	return rt;
}

static void runtime_done(struct conf_runtime *rt)
{
	free(rt->name);
	free(rt->path);
	free(rt->type);
	free(rt->root);
	free(rt->seccomp_profile);
	free(rt->monitor_cgroup);
}

static void init_runtimes(struct conf *c)
{
	static const char *const known[] = { "runc", "crun" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		_cleanup_free_ char *path = spawn_find_program(known[i], NULL);

		if (path) {
			struct conf_runtime *rt = runtime_add(c, known[i]);

			free(rt->path);
			rt->path = take_ptr(path);
		}
	}
}

static void init_lists(struct conf *c)
{
	static const char *const capabilities[] = { "CHOWN",   "DAC_OVERRIDE",	   "FSETID",
						    "FOWNER",  "SETGID",	   "SETUID",
						    "SETPCAP", "NET_BIND_SERVICE", "KILL",
						    NULL };
	static const char *const plugin_dirs[] = { "/opt/cni/bin", "/usr/lib/cni", NULL };
	static const char *const certs_dirs[] = { "/etc/containers/certs.d", "/etc/docker/certs.d",
						  NULL };
	static const char *const all[] = { "all", NULL };

	c->default_capabilities = conf_list_of(capabilities);
	c->plugin_dirs = conf_list_of(plugin_dirs);
	c->certs_dirs = conf_list_of(certs_dirs);
	c->included_pod_metrics = conf_list_of(all);
}

void conf_init(struct conf *c)
{
	*c = (struct conf){
		.root = xstrdup("/var/lib/crisp"),
		.runroot = xstrdup("/run/crisp"),
		.log_dir = xstrdup("/var/log/crisp/pods"),
		.listen = xstrdup(""),
		.stream_address = xstrdup("127.0.0.1"),
		.stream_port = xstrdup("0"),
		.stream_tls_cert = xstrdup(""),
		.stream_tls_key = xstrdup(""),
		.stream_tls_ca = xstrdup(""),
		.tls_min_version = xstrdup(CONF_TLS12),
		.stream_idle_timeout = xstrdup(""),
		.grpc_max_send_msg_size = LIMIT_MESSAGE,
		.grpc_max_recv_msg_size = LIMIT_MESSAGE,
		.default_runtime = xstrdup("runc"),
		.seccomp_profile = xstrdup(""),
		.seccomp_use_default_when_empty = true,
		.privileged_seccomp_profile = xstrdup(""),
		.log_level = xstrdup("info"),
		.namespaces_dir = xstrdup(""),
		.conmon_cgroup = xstrdup(""),
		.default_cgroup_parent = xstrdup(""),
		.cgroup_prefix = xstrdup(""),
		.cgroup_manager = CONF_CGROUP_MANAGER_CGROUPFS,
		.drop_infra_ctr = true,
		.enable_pod_events = true,
		.ctr_stop_timeout = 30,
		.pids_limit = -1,
		.log_size_max = -1,
		.timezone = xstrdup(""),
		.pause_image = xstrdup(""),
		.pause_command = xstrdup("/pause"),
		.global_auth_file = xstrdup(""),
		.namespaced_auth_dir = xstrdup("/etc/crio/auth"),
		.pause_image_auth_file = xstrdup(""),
		.pull_progress_timeout = xstrdup("0s"),
		.short_name_mode = xstrdup("enforcing"),
		.signature_policy = xstrdup(""),
		.signature_policy_dir = xstrdup("/etc/crisp/policies"),
		.registries_d = xstrdup("/etc/containers/registries.d"),
		.registries_conf = xstrdup("/etc/containers/registries.conf"),
		.max_parallel_layers = 6,
		.remove_image = xstrdup("all"),
		.image_volumes = xstrdup("mkdir"),
		.oci_artifact_mount_support = true,
		.cni_default_network = xstrdup(""),
		.network_dir = xstrdup("/etc/cni/net.d"),
		.metrics_host = xstrdup("127.0.0.1"),
		.metrics_port = 9090,
		.metrics_socket = xstrdup(""),
		.metrics_cert = xstrdup(""),
		.metrics_key = xstrdup(""),
		.set_by_flag = xcalloc(conf_n_keys, sizeof(bool)),
	};
	init_lists(c);
	init_runtimes(c);
}

static void free_field(const struct conf_key *k, char *base)
{
	switch (k->kind) {
	case CONF_KIND_STRING:
	case CONF_KIND_PATH:
		free(*(char **)(void *)(base + k->offset));
		break;
	case CONF_KIND_LIST:
	case CONF_KIND_PATHS:
		conf_list_free(*(char ***)(void *)(base + k->offset));
		break;
	case CONF_KIND_BOOLEAN:
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
	case CONF_KIND_ADD_PATH: /* adds to the field of another key */
	case CONF_KIND_MAP:
	case CONF_KIND_CGROUP_MANAGER:
		break;
	}
}

static void places_free(struct conf *c);

void conf_done(struct conf *c)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (conf_keys[i].owner == CONF_OWNER_CONF)
			free_field(&conf_keys[i], (char *)c);
	for (size_t i = 0; i < c->n_runtimes; i++)
		runtime_done(&c->runtimes[i]);
	free(c->runtimes);
	conf_list_free(c->warnings);
	free(c->set_by_flag);
	places_free(c);
	*c = (struct conf){ .root = NULL };
}

static void warn_once(struct conf *c, const struct conf_key *k, const struct conf_source *src,
		      int line)
{
	_cleanup_free_ char *marker = xasprintf(": %s is known", k->name);

	for (char **w = c->warnings; w && *w; w++)
		if (strstr(*w, marker))
			return;
	if (src->file)
		conf_list_add(&c->warnings,
			      xasprintf("%s:%d%s but not implemented yet: it has no effect",
					src->file, line, marker));
	else
		conf_list_add(
			&c->warnings,
			xasprintf("flag%s but not implemented yet: it has no effect", marker));
}

/* --- sources of values --- */

static struct conf_place *place_of(const struct conf *c, const char *key)
{
	for (size_t i = 0; i < c->n_places; i++)
		if (strcmp(c->places[i].key, key) == 0)
			return &c->places[i];
	return NULL;
}

static void places_free(struct conf *c)
{
	for (size_t i = 0; i < c->n_places; i++) {
		free(c->places[i].key);
		free(c->places[i].where);
		free(c->places[i].bad);
	}
	free(c->places);
}

static struct conf_place *note_place(struct conf *c, const struct conf_source *src, int line)
{
	struct conf_place *p = place_of(c, src->key);

	if (!p) {
		c->places = xrealloc(c->places, (c->n_places + 1) * sizeof(*c->places));
		p = &c->places[c->n_places++];
		*p = (struct conf_place){ .key = xstrdup(src->key) };
	}
	free(p->where);
	free(take_ptr(p->bad));
	p->where =
		src->file ? xasprintf("%s:%d: %s", src->file, line, src->key) : xstrdup(src->key);
	return p;
}

static const char *where(const struct conf *c, const char *key)
{
	const struct conf_place *p = place_of(c, key);

	return p ? p->where : key;
}

/* Record a guarded key's value; a later file may still override it. */
static void guard(struct conf *c, const struct conf_key *k, const struct conf_source *src,
		  const struct toml *v)
{
	struct conf_place *p = note_place(c, src, v->line);
	const struct toml one = { .type = v->type, .string = v->string, .boolean = v->boolean };
	const struct toml *item = v->type == TOML_TYPE_ARRAY ? v->first : &one;

	for (; item && !p->bad; item = item->next) {
		const char *text = item->type == TOML_TYPE_STRING ? item->string
				   : item->boolean		  ? "true"
								  : "false";

		if (!k->check(text))
			p->bad =
				xasprintf("%s: \"%s\" is not kept to: %s", p->where, text, k->want);
	}
}

static int check_guards(const struct conf *c, struct err *e)
{
	for (size_t i = 0; i < c->n_places; i++)
		if (c->places[i].bad)
			return err_set(e, ERR_INVALID, "%s", c->places[i].bad);
	return 0;
}

static int set_key(struct conf *c, struct conf_runtime *rt, const struct conf_key *k,
		   const struct conf_source *src, const struct toml *v, struct err *e)
{
	struct conf_key plain = *k;
	int r = 0;

	switch (k->owner) {
	case CONF_OWNER_NONE:
		warn_once(c, k, src, v->line);
		/* fall through */
	case CONF_OWNER_MOOT:
		return conf_value_read(k, src, v, NULL, e);
	case CONF_OWNER_GUARD:
		plain.check = NULL;
		r = conf_value_read(&plain, src, v, NULL, e);
		if (r == 0)
			guard(c, k, src, v);
		return r;
	case CONF_OWNER_CONF:
		r = conf_value_read(k, src, v, (char *)c + k->offset, e);
		break;
	case CONF_OWNER_RUNTIME:
		r = conf_value_read(k, src, v, (char *)rt + k->offset, e);
		break;
	}
	if (r == 0)
		note_place(c, src, v->line);
	return r;
}

/* --- names --- */

static const struct conf_key *key_find(const char *name)
{
	for (size_t i = 0; i < conf_n_keys; i++)
		if (strcmp(conf_keys[i].name, name) == 0)
			return &conf_keys[i];
	return NULL;
}

/* Is name a prefix of a key's name, hence a table? */
static bool is_table(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < conf_n_keys; i++)
		if (strncmp(conf_keys[i].name, name, n) == 0 && conf_keys[i].name[n] == '.')
			return true;
	return false;
}

/* Append " did you mean ...?" if a key's name is near. */
static void suggest(const char *table, const char *key, struct buf *to)
{
	_cleanup_free_ char *wanted = xasprintf("%s%s%s", table, *table ? "." : "", key);
	unsigned best = (unsigned)(strlen(key) / 3 + 2);
	const char *found = NULL;

	for (size_t i = 0; i < conf_n_keys; i++) {
		const char *name = conf_keys[i].name;
		const char *last = strrchr(name, '.') + 1;
		bool same_table = strncmp(name, table, strlen(table)) == 0 &&
				  strlen(table) + 1 == (size_t)(last - name);
		/* An exact name in another table is nearer than a misspelt one in this table. */
		unsigned d = strcmp(last, key) == 0 ? 0 : same_table ? str_distance(last, key) : 64;

		if (d < best) {
			best = d;
			found = name;
		}
	}
	for (size_t i = 0; i < conf_n_keys && !found; i++) {
		const char *name = conf_keys[i].name;
		_cleanup_free_ char *as_table = xstrndup(name, (size_t)(strrchr(name, '.') - name));

		if (str_distance(as_table, wanted) < best)
			return buf_printf(to, "; did you mean table [%s]?", as_table);
	}
	if (found)
		buf_printf(to, "; did you mean %s?", found);
}

static int unknown(const struct conf_source *src, const struct toml *v, const char *table,
		   const char *key, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;

	buf_printf(&text, "unknown %s", v->type == TOML_TYPE_TABLE ? "table" : "key");
	suggest(table, key, &text);
	return conf_value_fail(src, v, e, "%s", text.data);
}

static bool runtime_name_is_valid(const char *name)
{
	/* The name becomes part of paths and is matched with a pod's runtime_handler. */
	return *name && strlen(name) <= 63 && *name != '.' &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789._-")];
}

/* --- files --- */

struct load {
	struct conf *c;
	const char *file;
	struct conf_runtime *rt; /* below RUNTIMES.NAME */
};

/* table: name with * in place of user-chosen names; shown: name with them. */
static int load_table(struct load *l, const char *table, const char *shown, const struct toml *t,
		      struct err *e);

/* Load a table of tables with user-chosen names. */
static int load_named(struct load *l, const char *table, const struct toml *v, struct err *e)
{
	_cleanup_free_ char *pattern = xasprintf("%s.*", table);

	for (const struct toml *item = v->first; item; item = item->next) {
		_cleanup_free_ char *shown = xasprintf("%s.%s", table, item->key);
		const struct conf_source src = { .file = l->file, .key = shown };
		int r = conf_value_want(&src, item, TOML_TYPE_TABLE, e);

		if (r < 0)
			return r;
		if (strcmp(table, RUNTIMES) == 0) {
			if (!runtime_name_is_valid(item->key))
				return conf_value_fail(&src, item, e,
						       "a handler's name consists of letters, "
						       "digits, -, _ and .");
			if (l->c->n_runtimes >= RUNTIMES_MAX)
				return conf_value_fail(&src, item, e, "more than %d handlers",
						       RUNTIMES_MAX);
			l->rt = runtime_add(l->c, item->key);
		}
		r = load_table(l, pattern, shown, item, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_table(struct load *l, const char *table, const char *shown, const struct toml *t,
		      struct err *e)
{
	for (const struct toml *v = t->first; v; v = v->next) {
		const char *dot = *table ? "." : "";
		_cleanup_free_ char *name = xasprintf("%s%s%s", table, dot, v->key);
		_cleanup_free_ char *full = xasprintf("%s%s%s", shown, dot, v->key);
		const struct conf_source src = { .file = l->file, .key = full };
		const struct conf_key *k = key_find(name);
		int r;

		if (k)
			r = set_key(l->c, l->rt, k, &src, v, e);
		else if (!is_table(name))
			r = unknown(&src, v, table, v->key, e);
		else if (conf_value_want(&src, v, TOML_TYPE_TABLE, e) < 0)
			r = -(int)e->code;
		else if (strcmp(name, RUNTIMES) == 0 || strcmp(name, WORKLOADS) == 0)
			r = load_named(l, name, v, e);
		else
			r = load_table(l, name, full, v, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int conf_load_file(struct conf *c, const char *path, struct err *e)
{
	_cleanup_(toml_freep) struct toml *root = NULL;
	struct load l = { .c = c, .file = path };
	int r = toml_load(path, &root, e);

	if (r)
		return r;
	return load_table(&l, "", "", root, e);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Skip hidden files, READMEs and copies by editors or package managers: 10-a.conf~,
 * 10-a.conf.bak. */
static bool is_set_aside(const char *name)
{
	return name[0] == '.' || strstr(name, ".conf") || str_starts(name, "README");
}

int conf_load_dir(struct conf *c, const char *dir, struct err *e)
{
	_cleanup_(conf_list_freep) char **names = NULL;
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *entry;
	int trusted = fs_check_trusted(dir, e);

	if (trusted)
		return MIN(trusted, 0);
	d = opendir(dir);
	if (!d)
		return err_errno(e, ERR_INTERNAL, errno, "read directory %s", dir);
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' || !str_ends(entry->d_name, ".conf")) {
			if (is_set_aside(entry->d_name))
				continue;
			return err_set(e, ERR_INVALID,
				       "%s/%s is not read: only names that end in "
				       ".conf are; rename it, or move it away",
				       dir, entry->d_name);
		}
		if (conf_list_len(names) >= DROP_INS_MAX)
			return err_set(e, ERR_INVALID, "%s: more than %d files", dir, DROP_INS_MAX);
		conf_list_add(&names, xstrdup(entry->d_name));
	}
	if (names)
		qsort(names, conf_list_len(names), sizeof(*names), compare_names);
	for (char **name = names; name && *name; name++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, *name);
		int r = conf_load_file(c, path, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- flags --- */

/* NAME:PATH[:ROOT[:TYPE]] */
static int set_runtime(struct conf *c, const struct conf_source *src, const char *value,
		       struct err *e)
{
	static const char *const fields[] = { "runtime_path", "runtime_root", "runtime_type" };
	_cleanup_free_ char *copy = xstrdup(value);
	char *rest = copy, *name = strsep(&rest, ":");
	struct toml v = { .type = TOML_TYPE_STRING };

	if (!runtime_name_is_valid(name) || !rest)
		return conf_value_fail(src, &v, e, "\"%s\" must be NAME:PATH[:ROOT[:TYPE]]", value);
	for (size_t i = 0; rest; i++) {
		_cleanup_free_ char *key = NULL;
		int r;

		/* CRI-O's flag has further fields; crisp has only keys for them. */
		if (i == ARRAY_LEN(fields))
			return conf_value_fail(src, &v, e, "\"%s\" has more than four fields",
					       value);
		key = xasprintf("%s.%s.%s", RUNTIMES, name, fields[i]);
		r = conf_set(c, key, strsep(&rest, ":"), e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Find the key's entry and, for a handler's key, the handler. */
static const struct conf_key *find_for_flag(struct conf *c, const char *key,
					    struct conf_runtime **ret_rt)
{
	const char *last = strrchr(key, '.');
	_cleanup_free_ char *name = NULL, *pattern = NULL;

	if (!str_starts(key, RUNTIMES ".") || last < key + strlen(RUNTIMES) + 2)
		return key_find(key);
	name = xstrndup(key + strlen(RUNTIMES) + 1, (size_t)(last - key) - strlen(RUNTIMES) - 1);
	pattern = xasprintf("%s.*%s", RUNTIMES, last);
	if (!key_find(pattern) || !runtime_name_is_valid(name))
		return NULL;
	*ret_rt = runtime_add(c, name);
	return key_find(pattern);
}

/* Split "a,b" into an array in items; copy holds their strings. */
static void split_list(char *copy, struct toml *array, struct toml *items, size_t n_items)
{
	char *rest = *copy ? copy : NULL;

	*array = (struct toml){ .type = TOML_TYPE_ARRAY };
	for (size_t i = 0; rest && i < n_items; i++) {
		items[i] = (struct toml){ .type = TOML_TYPE_STRING, .string = strsep(&rest, ",") };
		if (i)
			items[i - 1].next = &items[i];
		else
			array->first = items;
	}
}

static int set_list(struct conf *c, const struct conf_key *k, const struct conf_source *src,
		    const char *value, struct err *e)
{
	_cleanup_free_ char *copy = xstrdup(value);
	_cleanup_free_ struct toml *items = NULL;
	_cleanup_(conf_list_freep) char **added = NULL;
	bool *seen = &c->set_by_flag[k - conf_keys];
	char ***field = (char ***)(void *)((char *)c + k->offset);
	size_t n = 1;
	struct toml array;
	int r;

	for (const char *p = value; *p; p++)
		n += *p == ',';
	items = xcalloc(n, sizeof(*items));
	split_list(copy, &array, items, n);
	r = conf_value_read(k, src, &array, &added, e);
	if (r < 0)
		return r;
	if (k->owner != CONF_OWNER_CONF)
		return set_key(c, NULL, k, src, &array, e);
	note_place(c, src, 0);
	if (!*seen) {
		conf_list_free(*field);
		*field = NULL;
		*seen = true;
	}
	for (char **p = added; p && *p; p++)
		conf_list_add(field, xstrdup(*p));
	return 0;
}

int conf_set(struct conf *c, const char *key, const char *value, struct err *e)
{
	const struct conf_source src = { .key = key };
	struct toml v = { .type = TOML_TYPE_STRING, .string = (char *)value };
	struct conf_runtime *rt = NULL;
	const struct conf_key *k;

	if (strcmp(key, RUNTIMES) == 0)
		return set_runtime(c, &src, value, e);
	k = find_for_flag(c, key, &rt);
	if (!k)
		return err_set(e, ERR_INVALID, "%s: there is no such configuration key", key);
	if (k->kind == CONF_KIND_LIST || k->kind == CONF_KIND_PATHS)
		return set_list(c, k, &src, value, e);
	if (k->kind == CONF_KIND_BOOLEAN) {
		v.type = TOML_TYPE_BOOLEAN;
		v.boolean = strcmp(value, "true") == 0;
		if (!v.boolean && strcmp(value, "false") != 0)
			return conf_value_fail(&src, &v, e, "\"%s\" must be true or false", value);
	}
	if (k->kind == CONF_KIND_INTEGER) {
		v.type = TOML_TYPE_INTEGER;
		if (str_to_i64(value, INT64_MIN, INT64_MAX, &v.integer) < 0)
			return conf_value_fail(&src, &v, e, "\"%s\" must be a number", value);
	}
	return set_key(c, rt, k, &src, &v, e);
}

/* --- the whole --- */

const struct conf_runtime *conf_runtime_find(const struct conf *c, const char *name)
{
	if (!name || !*name)
		name = c->default_runtime;
	return runtime_get((struct conf *)c, name);
}

static void derive(char **field, const char *dir, const char *name)
{
	if (**field)
		return;
	free(*field);
	*field = xasprintf("%s/%s", dir, name);
}

/* 0: usable. */
static int finish_runtime(struct conf *c, struct conf_runtime *rt, struct err *e)
{
	char *path = spawn_find_program(*rt->path ? rt->path : rt->name, NULL);

	if (!path && *rt->path)
		return err_set(e, ERR_INVALID,
			       RUNTIMES ".%s.runtime_path: %s is no executable file", rt->name,
			       rt->path);
	if (!path)
		return err_set(e, ERR_INVALID,
			       RUNTIMES ".%s: there is no %s in PATH; set "
					"runtime_path",
			       rt->name, rt->name);
	free(rt->path);
	rt->path = path;
	if (fs_check_trusted(rt->path, e) < 0)
		return err_wrap(e, RUNTIMES ".%s.runtime_path", rt->name);
	if (!*rt->type) {
		free(rt->type);
		rt->type = xstrdup("oci");
	}
	/* Below runroot, apart from other users of the same runtime: crisp owns all entries. */
	derive(&rt->root, c->runroot, rt->name);
	return 0;
}

static int finish_runtimes(struct conf *c, struct err *e)
{
	size_t kept = 0;

	if (!runtime_get(c, c->default_runtime))
		return err_set(e, ERR_INVALID,
			       "crio.runtime.default_runtime: %s is not configured; "
			       "install it in PATH or add [" RUNTIMES ".%s] with its runtime_path",
			       c->default_runtime, c->default_runtime);
	for (size_t i = 0; i < c->n_runtimes; i++) {
		struct conf_runtime *rt = &c->runtimes[i];
		struct err why = ERR_NULL;

		if (finish_runtime(c, rt, &why) == 0) {
			c->runtimes[kept++] = *rt;
			continue;
		}
		if (strcmp(rt->name, c->default_runtime) == 0) {
			/* Close the gap left by dropped handlers, for conf_done. */
			memmove(&c->runtimes[kept], rt, (c->n_runtimes - i) * sizeof(*rt));
			c->n_runtimes -= i - kept;
			*e = why;
			return -(int)e->code;
		}
		conf_list_add(&c->warnings, xasprintf("%s; the handler is left out", why.text));
		runtime_done(rt);
	}
	c->n_runtimes = kept;
	return 0;
}

static int need(const char *key, const char *value, struct err *e)
{
	return *value ? 0 : err_set(e, ERR_INVALID, "%s: must not be empty", key);
}

static int check_metric_groups(char **groups, struct err *e)
{
	bool all = false;
	size_t n = 0;

	for (; groups && groups[n]; n++)
		all |= strcmp(groups[n], "all") == 0;
	return all && n > 1 ? err_set(e, ERR_INVALID,
				      "crio.stats.included_pod_metrics: \"all\" stands alone")
			    : 0;
}

static int check_whole(const struct conf *c, struct err *e)
{
	int r = need("crio.root", c->root, e);

	if (!r)
		r = need("crio.runroot", c->runroot, e);
	if (!r)
		r = need("crio.log_dir", c->log_dir, e);
	if (!r)
		r = need("crio.network.network_dir", c->network_dir, e);
	if (r < 0)
		return r;
	if (strcmp(c->root, c->runroot) == 0)
		return err_set(e, ERR_INVALID,
			       "crio.root and crio.runroot are both %s; one has to "
			       "survive a reboot, the other must not",
			       c->root);
	if (c->pids_limit == 0)
		return err_set(e, ERR_INVALID,
			       "crio.runtime.pids_limit: 0 would start nothing; -1 "
			       "is no limit");
	if (c->log_size_max >= 0 && c->log_size_max < 8192)
		return err_set(e, ERR_INVALID,
			       "crio.runtime.log_size_max: %lld is below 8192; -1 is "
			       "no limit",
			       (long long)c->log_size_max);
	return check_metric_groups(c->included_pod_metrics, e);
}

/* CRI-O's default, system.slice, stands for no cgroup with the cgroupfs manager, as in CRI-O. */
static int check_monitor_cgroup(struct conf *c, const char *key, const char *place, struct err *e)
{
	if (!*place || strcmp(place, "system.slice") == 0)
		return 0;
	if (c->cgroup_manager == CONF_CGROUP_MANAGER_SYSTEMD) {
		conf_list_add(&c->warnings,
			      xasprintf("%s: \"%s\": with the systemd cgroup manager shims stay "
					"below crispd's own cgroup",
					where(c, key), place));
		return 0;
	}
	if (strcmp(place, "pod") == 0 || cgroup_path_is_valid(place))
		return 0;
	return err_set(e, ERR_INVALID,
		       "%s: \"%s\" is neither \"pod\" nor \"\" nor an absolute path below the "
		       "cgroup root, which the cgroupfs cgroup manager needs",
		       where(c, key), place);
}

static int check_monitor_cgroups(struct conf *c, struct err *e)
{
	int r = check_monitor_cgroup(c, "crio.runtime.conmon_cgroup", c->conmon_cgroup, e);

	for (size_t i = 0; i < c->n_runtimes && r == 0; i++) {
		_cleanup_free_ char *key =
			xasprintf(RUNTIMES ".%s.monitor_cgroup", c->runtimes[i].name);

		r = check_monitor_cgroup(c, key, c->runtimes[i].monitor_cgroup, e);
	}
	return r;
}

/* Load a profile at start, so that an invalid one is reported before the first container. */
static int check_profile(const struct conf *c, const char *key, const char *path, struct err *e)
{
	json_t *profile = NULL;

	if (!*path)
		return 0;
	if (seccomp_profile_load(path, caps_known(), NULL, &profile, e) < 0)
		return err_wrap(e, "%s", where(c, key));
	json_decref(profile);
	return 0;
}

static int check_profiles(const struct conf *c, struct err *e)
{
	int r = check_profile(c, "crio.runtime.seccomp_profile", c->seccomp_profile, e);

	if (r == 0)
		r = check_profile(c, "crio.runtime.privileged_seccomp_profile",
				  c->privileged_seccomp_profile, e);
	for (size_t i = 0; i < c->n_runtimes && r == 0; i++) {
		_cleanup_free_ char *key =
			xasprintf(RUNTIMES ".%s.seccomp_profile", c->runtimes[i].name);

		r = check_profile(c, key, c->runtimes[i].seccomp_profile, e);
	}
	return r;
}

int conf_finish(struct conf *c, struct err *e)
{
	int r = check_guards(c, e);

	if (r == 0)
		r = check_whole(c, e);
	if (r == 0) {
		derive(&c->listen, c->runroot, "crisp.sock");
		r = conf_finish_cgroups(c, e);
	}
	if (r == 0)
		r = check_monitor_cgroups(c, e);
	if (r == 0)
		r = check_profiles(c, e);
	if (r < 0)
		return r;
	conf_check_secrets(c);
	derive(&c->namespaces_dir, c->runroot, "ns");
	return finish_runtimes(c, e);
}
