/*
 * conf.c - load and merge the configuration.  Values from files, drop-ins and flags all take one
 * path through keys.c: type, range, form, then the field.
 */
#include "conf/conf.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/apply.h"
#include "conf/cgroups.h"
#include "conf/checks.h"
#include "conf/secrets.h"
#include "os/caps.h"
#include "os/cgroup.h"
#include "os/seccomp.h"
#include "os/spawn.h"

/* --- defaults --- */

struct conf_runtime *conf_runtime_get(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->n_runtimes; i++)
		if (strcmp(c->runtimes[i].name, name) == 0)
			return &c->runtimes[i];
	return NULL;
}

struct conf_runtime *conf_runtime_add(struct conf *c, const char *name)
{
	struct conf_runtime *rt = conf_runtime_get(c, name);

	if (rt)
		return rt;
	c->runtimes = xrealloc(c->runtimes, (c->n_runtimes + 1) * sizeof(*c->runtimes));
	rt = &c->runtimes[c->n_runtimes++];
	*rt = (struct conf_runtime){ .name = xstrdup(name) };
	conf_members_init(CONF_PLACE_RUNTIME, rt);
	/* Minimum to start: runc is a Go program, crun is not. */
	if (strcmp(name, "crun") == 0)
		rt->container_min_memory = 500 * 1024;
	return rt;
}

static void runtime_done(struct conf_runtime *rt)
{
	free(rt->name);
	conf_members_free(CONF_PLACE_RUNTIME, rt);
}

static void init_runtimes(struct conf *c)
{
	static const char *const known[] = { "runc", "crun" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		_cleanup_free_ char *path = spawn_find_program(known[i], NULL);

		if (path) {
			struct conf_runtime *rt = conf_runtime_add(c, known[i]);

			free(rt->path);
			rt->path = take_ptr(path);
		}
	}
}

void conf_init(struct conf *c)
{
	*c = (struct conf){ .set_by_flag = xcalloc(conf_n_keys, sizeof(bool)) };
	conf_members_init(CONF_PLACE_CONF, c);
	c->cgroup_manager = fs_exists("/run/systemd/system") ? CONF_CGROUP_MANAGER_SYSTEMD
							     : CONF_CGROUP_MANAGER_CGROUPFS;
	init_runtimes(c);
}

void conf_done(struct conf *c)
{
	conf_members_free(CONF_PLACE_CONF, c);
	for (size_t i = 0; i < c->n_runtimes; i++)
		runtime_done(&c->runtimes[i]);
	free(c->runtimes);
	conf_list_free(c->warnings);
	conf_list_free(c->later);
	conf_list_free(c->ignored);
	conf_list_free(c->errors);
	free(c->set_by_flag);
	conf_places_free(c);
	*c = (struct conf){ .root = NULL };
}

/* --- the whole --- */

const struct conf_runtime *conf_runtime_find(const struct conf *c, const char *name)
{
	if (!name || !*name)
		name = c->default_runtime;
	return conf_runtime_get(c, name);
}

static void derive(char **field, const char *dir, const char *name)
{
	if (**field)
		return;
	free(*field);
	*field = xasprintf("%s/%s", dir, name);
}

static void replace(char **field, const char *text)
{
	char *copy = xstrdup(text);

	free(*field);
	*field = copy;
}

/* inherit_default_runtime */
static void inherit(const struct conf *c, struct conf_runtime *rt)
{
	const struct conf_runtime *from = conf_runtime_get(c, c->default_runtime);

	if (!rt->inherit_default_runtime || !from || from == rt)
		return;
	replace(&rt->path, *from->path ? from->path : from->name);
	replace(&rt->type, from->type);
	replace(&rt->root, from->root);
	derive(&rt->root, c->runroot, from->name);
}

/* The bounds of CRI-O, and the time that a container may be in the state CREATING. */
static void bound_create_timeout(struct conf *c, struct conf_runtime *rt)
{
	static const int64_t least = 30, most = 240;
	int64_t s = rt->container_create_timeout;

	rt->container_create_timeout = s == 0 ? most : MIN(MAX(s, least), most);
	if (s != 0 && s != rt->container_create_timeout)
		conf_list_add(&c->warnings,
			      xasprintf(CONF_RUNTIMES ".%s.container_create_timeout: %lld became "
						      "%lld",
					rt->name, (long long)s,
					(long long)rt->container_create_timeout));
}

/* 0: usable. */
static int finish_runtime(struct conf *c, struct conf_runtime *rt, struct err *e)
{
	char *path;

	if (strcmp(rt->type, "vm") == 0)
		return err_set(e, ERR_INVALID,
			       CONF_RUNTIMES ".%s.runtime_type: virtual machines are not "
					     "supported yet",
			       rt->name);
	path = spawn_find_program(*rt->path ? rt->path : rt->name, NULL);
	if (!path && *rt->path)
		return err_set(e, ERR_INVALID,
			       CONF_RUNTIMES ".%s.runtime_path: %s is no executable file", rt->name,
			       rt->path);
	if (!path)
		return err_set(e, ERR_INVALID,
			       CONF_RUNTIMES ".%s: there is no %s in PATH; set "
					     "runtime_path",
			       rt->name, rt->name);
	free(rt->path);
	rt->path = path;
	if (fs_check_trusted(rt->path, e) < 0)
		return err_wrap(e, CONF_RUNTIMES ".%s.runtime_path", rt->name);
	if (!*rt->type) {
		free(rt->type);
		rt->type = xstrdup("oci");
	}
	bound_create_timeout(c, rt);
	/* Below runroot, apart from other users of the same runtime: crisp owns all entries. */
	derive(&rt->root, c->runroot, rt->name);
	return 0;
}

static int finish_runtimes(struct conf *c, struct err *e)
{
	size_t kept = 0;

	if (!conf_runtime_get(c, c->default_runtime) && conf_runtime_get(c, "crun") &&
	    !conf_is_set(c, "crio.runtime.default_runtime"))
		replace(&c->default_runtime, "crun");
	if (!conf_runtime_get(c, c->default_runtime))
		return err_set(e, ERR_INVALID,
			       "crio.runtime.default_runtime: %s is not configured; "
			       "install it in PATH or add [" CONF_RUNTIMES
			       ".%s] with its runtime_path",
			       c->default_runtime, c->default_runtime);
	/* Before the loop below moves handlers. */
	for (size_t i = 0; i < c->n_runtimes; i++)
		inherit(c, &c->runtimes[i]);
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
					conf_where(c, key), place));
		return 0;
	}
	if (strcmp(place, "pod") == 0 || cgroup_path_is_valid(place))
		return 0;
	return err_set(e, ERR_INVALID,
		       "%s: \"%s\" is neither \"pod\" nor \"\" nor an absolute path below the "
		       "cgroup root, which the cgroupfs cgroup manager needs",
		       conf_where(c, key), place);
}

static int check_monitor_cgroups(struct conf *c, struct err *e)
{
	int r = check_monitor_cgroup(c, "crio.runtime.conmon_cgroup", c->conmon_cgroup, e);

	for (size_t i = 0; i < c->n_runtimes && r == 0; i++) {
		_cleanup_free_ char *key =
			xasprintf(CONF_RUNTIMES ".%s.monitor_cgroup", c->runtimes[i].name);

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
		return err_wrap(e, "%s", conf_where(c, key));
	json_decref(profile);
	return 0;
}

/* A missing file stops no daemon: without it privileged containers are refused. */
static int check_privileged_profile(struct conf *c, struct err *e)
{
	static const char key[] = "crio.runtime.privileged_seccomp_profile";
	const char *path = c->privileged_seccomp_profile;

	if (!*path || fs_exists(path))
		return check_profile(c, key, path, e);
	conf_list_add(&c->warnings, xasprintf("%s: there is no file %s: privileged containers are "
					      "refused",
					      conf_where(c, key), path));
	return 0;
}

static int check_profiles(struct conf *c, struct err *e)
{
	int r = check_profile(c, "crio.runtime.seccomp_profile", c->seccomp_profile, e);

	if (r == 0)
		r = check_privileged_profile(c, e);
	for (size_t i = 0; i < c->n_runtimes && r == 0; i++) {
		_cleanup_free_ char *key =
			xasprintf(CONF_RUNTIMES ".%s.seccomp_profile", c->runtimes[i].name);

		r = check_profile(c, key, c->runtimes[i].seccomp_profile, e);
	}
	return r;
}

static void make_absolute(char **path)
{
	_cleanup_free_ char *dir = NULL, *relative = NULL;

	if (!**path || **path == '/')
		return;
	dir = getcwd(NULL, 0);
	relative = take_ptr(*path);
	*path = xasprintf("%s/%s", dir && strcmp(dir, "/") != 0 ? dir : "", relative);
}

static void derive_values(struct conf *c)
{
	static const char own_policies[] = "/etc/crisp/policies";

	derive(&c->listen, c->runroot, "crisp.sock");
	derive(&c->namespaces_dir, c->runroot, "ns");
	if (!*c->signature_policy_dir)
		replace(&c->signature_policy_dir,
			fs_exists(own_policies) ? own_policies : "/etc/crio/policies");
	make_absolute(&c->privileged_seccomp_profile);
	for (char **s = c->default_sysctls; s && *s; s++) {
		char *clean = conf_clean_setting(*s);

		free(*s);
		*s = clean;
	}
	if (c->grpc_max_send_msg_size <= 0)
		c->grpc_max_send_msg_size = LIMIT_MESSAGE;
	if (c->grpc_max_recv_msg_size <= 0)
		c->grpc_max_recv_msg_size = LIMIT_MESSAGE;
}

static int finish(struct conf *c, struct err *e)
{
	int r = conf_check_guards(c, e);

	if (r == 0)
		r = check_whole(c, e);
	if (r == 0) {
		derive_values(c);
		r = conf_finish_cgroups(c, e);
	}
	if (r == 0)
		r = check_monitor_cgroups(c, e);
	if (r == 0)
		r = check_profiles(c, e);
	if (r < 0)
		return r;
	conf_check_secrets(c);
	conf_list_later(c);
	return finish_runtimes(c, e);
}

int conf_finish(struct conf *c, struct err *e)
{
	size_t known = conf_list_len(c->errors);
	int r = finish(c, e);

	if (r < 0 && conf_list_len(c->errors) == known)
		conf_add_error(c, xstrdup(e->text));
	return r;
}
