/*
 * process.c - command line, environment, working directory, user, limits and OOM score of the
 * first process.
 */
#include "oci/process.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "conf/ulimit.h"
#include "oci/capabilities.h"
#include "oci/edits.h"
#include "oci/rootfs.h"
#include "os/mount.h"

#define ENV_MAX 65536 /* variables */
#define ARGS_MAX 16384 /* words */
#define FILES_INODES 4
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* The OOM killer chooses the sandbox's init last among a pod's processes. */
#define SANDBOX_OOM_SCORE_ADJ (-998)

/* --- command line --------------------------------------------------------------------------- */

static int add_word(struct oci_ctx *c, json_t *args, const char *field, const char *word)
{
	int r = oci_check_text(c, field, word);

	if (r < 0)
		return r;
	if (json_array_size(args) == ARGS_MAX)
		return err_set(c->e, ERR_INVALID, "%s: more than %d words", field, ARGS_MAX);
	oci_json_push_text(args, word);
	return 0;
}

static int add_words(struct oci_ctx *c, json_t *args, const char *field, char *const *words,
		     size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_word(c, args, field, words[i]);
	return r;
}

static int add_list(struct oci_ctx *c, json_t *args, const char *field, const char *const *list)
{
	int r = 0;

	for (; r == 0 && list && *list; list++)
		r = add_word(c, args, field, *list);
	return r;
}

/* A command replaces the image's entry point and command; args replace only its command. */
static int build_args(struct oci_ctx *c)
{
	const Runtime__V1__ContainerConfig *config = c->config;
	const struct image_config *image = c->in->image;
	json_t *args = oci_json_array();
	int r = 0;

	oci_json_put(c->process, "args", args);
	if (c->is_sandbox) {
		r = add_list(c, args, "init_args", c->in->init_args);
	} else {
		if (config->n_command > 0)
			r = add_words(c, args, "command", config->command, config->n_command);
		else if (image)
			r = add_list(c, args, "entry point of the image",
				     (const char *const *)image->entrypoint);
		if (r == 0 && config->n_args > 0)
			r = add_words(c, args, "args", config->args, config->n_args);
		else if (r == 0 && config->n_command == 0 && image)
			r = add_list(c, args, "command of the image",
				     (const char *const *)image->cmd);
	}
	if (r < 0)
		return r;
	if (json_array_size(args) == 0)
		return err_set(c->e, ERR_INVALID,
			       "no command specified: neither command nor args are set, and the "
			       "image has no entry point or command");
	return 0;
}

/* --- environment ---------------------------------------------------------------------------- */

/* Set NAME=value in an object from names to whole pairs, which keeps insertion order.  A list
 * would be quadratic with the environment of thousands of services. */
static int set_env(struct oci_ctx *c, json_t *env, const char *field, const char *pair)
{
	_cleanup_free_ char *name = NULL;
	const char *equal = strchr(pair, '=');
	int r = oci_check_text(c, field, pair);

	if (r < 0)
		return r;
	if (!equal || equal == pair)
		return err_set(c->e, ERR_INVALID, "%s: \"%.64s\" is not of the form NAME=value",
			       field, pair);
	if (json_object_size(env) == ENV_MAX)
		return err_set(c->e, ERR_INVALID, "%s: more than %d variables", field, ENV_MAX - 1);
	name = xstrndup(pair, (size_t)(equal - pair));
	oci_json_put_text(env, name, pair);
	return 0;
}

static int set_env_list(struct oci_ctx *c, json_t *env, const char *field, char **list)
{
	int r = 0;

	for (; r == 0 && list && *list; list++)
		r = set_env(c, env, field, *list);
	return r;
}

/* Skip an image's variables without "=", which programs ignore. */
static int set_image_env(struct oci_ctx *c, json_t *env)
{
	char **list = c->in->image ? c->in->image->env : NULL;
	int r = 0;

	for (; r == 0 && list && *list; list++)
		if (strchr(*list, '=') > *list)
			r = set_env(c, env, "environment of the image", *list);
	return r;
}

static int set_config_env(struct oci_ctx *c, json_t *env)
{
	const Runtime__V1__ContainerConfig *config = c->config;
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->n_envs; i++) {
		const Runtime__V1__KeyValue *kv = config->envs[i];
		_cleanup_free_ char *pair = NULL;

		if (!*kv->key || strchr(kv->key, '='))
			return err_set(c->e, ERR_INVALID,
				       "envs[%zu].key: \"%.64s\" is empty or contains '='", i,
				       kv->key);
		if (kv->value.len > 0 && memchr(kv->value.data, '\0', kv->value.len))
			return err_set(c->e, ERR_INVALID, "envs[%zu].value contains a zero byte",
				       i);
		pair = xasprintf("%s=%.*s", kv->key, (int)kv->value.len,
				 kv->value.len ? (const char *)kv->value.data : "");
		r = set_env(c, env, "envs", pair);
	}
	return r;
}

static int set_cdi_env(struct oci_ctx *c, json_t *env)
{
	const json_t *pair;
	size_t k;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n_edits; i++) {
		json_array_foreach(json_object_get(c->edits[i].json, "env"), k, pair)
		{
			r = set_env(c, env, "env", json_string_value(pair));
			if (r < 0)
				return oci_edit_wrap(c, &c->edits[i]);
		}
	}
	return r;
}

/* Each source overrides those before it. */
static int collect_env(struct oci_ctx *c, json_t *env)
{
	int r = set_env(c, env, "environment", "PATH=" DEFAULT_PATH);

	if (r == 0 && c->config->tty)
		r = set_env(c, env, "environment", "TERM=xterm");
	if (r == 0 && c->in->hostname && *c->in->hostname) {
		_cleanup_free_ char *pair = xasprintf("HOSTNAME=%s", c->in->hostname);

		r = set_env(c, env, "hostname", pair);
	}
	if (r == 0)
		r = set_env_list(c, env, "crio.runtime.default_env", c->in->conf->default_env);
	if (r == 0)
		r = set_image_env(c, env);
	if (r == 0)
		r = set_config_env(c, env);
	return r == 0 ? set_cdi_env(c, env) : r;
}

/* HOME becomes a field of a line in /etc/passwd. */
static int check_home(struct oci_ctx *c, const json_t *env)
{
	const char *pair = json_string_value(json_object_get(env, "HOME"));

	if (!pair || !strpbrk(pair, "\r\n"))
		return 0;
	return err_set(c->e, ERR_INVALID, "environment: HOME must not contain a line break");
}

/* The value of HOME, else the working directory. */
static const char *home_of(const struct oci_ctx *c)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(c->process, "env"), i,
			   pair) if (str_starts(json_string_value(pair),
						"HOME=/")) return json_string_value(pair) +
		strlen("HOME=");
	return json_string_value(json_object_get(c->process, "cwd"));
}

static int build_env(struct oci_ctx *c)
{
	_cleanup_json_ json_t *env = oci_json_object();
	json_t *list = oci_json_array(), *pair;
	const char *name;
	int r = collect_env(c, env);

	if (r == 0)
		r = check_home(c, env);
	oci_json_put(c->process, "env", list);
	json_object_foreach(env, name, pair) oci_json_push(list, json_incref(pair));
	return r;
}

/* --- working directory ---------------------------------------------------------------------- */

/* As requested; place.c resolves its links and creates the directory. */
static int build_cwd(struct oci_ctx *c)
{
	const char *want = c->config->working_dir;
	_cleanup_free_ char *cwd = NULL;
	int r;

	if (!*want && c->in->image && c->in->image->working_dir)
		want = c->in->image->working_dir;
	r = oci_check_text(c, "working_dir", want);
	if (r < 0)
		return r;
	cwd = oci_clean_path(want);
	if (strlen(cwd) >= PATH_MAX)
		return err_set(c->e, ERR_INVALID, "working_dir is longer than %d bytes",
			       PATH_MAX - 1);
	oci_json_put_text(c->process, "cwd", cwd);
	return 0;
}

/* --- user ----------------------------------------------------------------------------------- */

/* Images for any uid have files that every user, or root's group, may write: their programs add the
 * entry themselves. */
static bool user_may_write(const struct oci_ctx *c, const struct stat *st)
{
	return st->st_mode & (S_IWGRP | S_IWOTH) ||
	       (st->st_uid == c->map.uid.host + c->user.uid && st->st_mode & S_IWUSR);
}

static int write_copy(struct oci_ctx *c, const char *file, const struct buf *text,
		      const struct stat *like)
{
	int r = fs_replace_file(file, text->data, text->len, like->st_mode & 0777, false, c->e);

	if (r == 0 && lchown(file, like->st_uid, like->st_gid) < 0)
		return err_errno(c->e, ERR_INTERNAL, errno, "chown %s", file);
	return r;
}

/* Copy the image's file at path with a line added, for mounts.c to mount over the original; owner
 * and mode stay.  *ret stays NULL if the image has no such file or leaves it to the user. */
static int add_line(struct oci_ctx *c, const char *path, const char *line, char **ret)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	_cleanup_free_ char *dir = xasprintf("%s/files", c->in->dir);
	_cleanup_free_ char *file = xasprintf("%s%s", dir, strrchr(path, '/'));
	struct stat st;
	int r = rootfs_stat(c->rootfs, path, &st, c->e);

	if (r != 0 || user_may_write(c, &st))
		return MIN(r, 0);
	r = rootfs_read_file(c->rootfs, path, USER_DB_MAX, &text, c->e);
	if (r != 0)
		return MIN(r, 0);
	if (text.len > 0 && text.data[text.len - 1] != '\n')
		buf_puts(&text, "\n");
	buf_puts(&text, line);
	/* The container may write to the copy, so it is on a tmpfs of bounded size. */
	if (!c->has_files)
		r = mount_tmpfs(dir, 4 * USER_DB_MAX, FILES_INODES, 0755, NULL, c->e);
	c->has_files = r == 0;
	if (r == 0)
		r = write_copy(c, file, &text, &st);
	if (r == 0)
		*ret = take_ptr(file);
	return r;
}

/* Generate entries for ids unknown to the image: programs look up their own name and home. */
static int generate_entries(struct oci_ctx *c)
{
	const char *home = home_of(c);
	_cleanup_free_ char *user = NULL, *group = NULL;
	int r = 0;

	if (!c->in->dir || c->is_sandbox)
		return 0;
	/* A line break or a colon would make further entries. */
	if (strpbrk(home, "\n:"))
		home = "/";
	user = xasprintf("%u:x:%u:%u:%u user:%s:/sbin/nologin\n", c->user.uid, c->user.uid,
			 c->user.gid, c->user.uid, home);
	group = xasprintf("%u:x:%u:\n", c->user.gid, c->user.gid);
	if (!c->user.in_passwd && c->user.uid != 0)
		r = add_line(c, "/etc/passwd", user, &c->passwd_file);
	if (r == 0 && !c->user.in_group && c->user.gid != 0)
		r = add_line(c, "/etc/group", group, &c->group_file);
	return r;
}

static bool has_group(const struct user *u, uint32_t gid)
{
	for (size_t i = 0; i < u->n_groups; i++)
		if (u->groups[i] == gid)
			return true;
	return false;
}

/* Add the groups of CDI devices; 0 stands for none. */
static int add_cdi_groups(struct oci_ctx *c)
{
	struct user *u = &c->user;
	const json_t *group;
	size_t k;

	for (size_t i = 0; i < c->n_edits; i++) {
		json_array_foreach(json_object_get(c->edits[i].json, "additionalGids"), k, group)
		{
			uint32_t gid = (uint32_t)json_integer_value(group);

			if (gid == 0 || has_group(u, gid))
				continue;
			if (gid > USER_ID_MAX || u->n_groups == USER_GROUPS_MAX) {
				err_set(c->e, ERR_PRECONDITION, "additionalGids: %u: %s", gid,
					gid > USER_ID_MAX ? "not an id" : "too many groups");
				return oci_edit_wrap(c, &c->edits[i]);
			}
			u->groups = xrealloc(u->groups, (u->n_groups + 1) * sizeof(*u->groups));
			u->groups[u->n_groups++] = gid;
		}
	}
	return 0;
}

/* Every id of the process must have one in the pod's user namespace. */
static int check_mapped(struct oci_ctx *c)
{
	const struct userns_map *map = &c->map;

	if (!oci_has_userns(c))
		return 0;
	if (c->user.uid >= map->uid.count)
		return err_set(c->e, ERR_INVALID,
			       "security_context.run_as_user: user %u is not one of the %u users "
			       "of the pod's user namespace",
			       c->user.uid, map->uid.count);
	for (size_t i = 0; i < c->user.n_groups; i++)
		if (c->user.groups[i] >= map->gid.count)
			return err_set(c->e, ERR_INVALID,
				       "security_context: group %u of the user is not one of the "
				       "%u groups of the pod's user namespace",
				       c->user.groups[i], map->gid.count);
	return 0;
}

static int build_user(struct oci_ctx *c)
{
	const Runtime__V1__LinuxContainerSecurityContext *sec = c->sec;
	struct user_request req = {
		.uid = sec->run_as_user ? &sec->run_as_user->value : NULL,
		.gid = sec->run_as_group ? &sec->run_as_group->value : NULL,
		.name = sec->run_as_username,
		.image_user = c->in->image ? c->in->image->user : NULL,
		.groups = sec->supplemental_groups,
		.n_groups = sec->n_supplemental_groups,
		.strict = sec->supplemental_groups_policy ==
			  RUNTIME__V1__SUPPLEMENTAL_GROUPS_POLICY__Strict,
	};
	json_t *user, *groups;
	int r = user_resolve(c->rootfs, &req, &c->user, c->e);

	if (r == 0)
		r = add_cdi_groups(c);
	if (r == 0)
		r = check_mapped(c);
	if (r < 0)
		return r;
	user = oci_json_object();
	oci_json_put(c->process, "user", user);
	oci_json_put_number(user, "uid", c->user.uid);
	oci_json_put_number(user, "gid", c->user.gid);
	groups = oci_json_array();
	oci_json_put(user, "additionalGids", groups);
	for (size_t i = 0; i < c->user.n_groups; i++)
		oci_json_push(groups, oci_json_number(c->user.groups[i]));
	return generate_entries(c);
}

/* --- limits --------------------------------------------------------------------------------- */

static int add_limit(struct oci_ctx *c, json_t *list, const char *entry)
{
	struct conf_ulimit u;
	struct rlimit own;
	json_t *limit;

	if (conf_ulimit_parse(entry, &u) < 0)
		return err_set(
			c->e, ERR_INVALID,
			"crio.runtime.default_ulimits: \"%s\" is not of the form NAME=SOFT:HARD",
			entry);
	if (!c->in->host->may_raise_limits && getrlimit(u.resource, &own) == 0 &&
	    own.rlim_max != RLIM_INFINITY && (uint64_t)u.hard > own.rlim_max) {
		oci_ctx_warn(c, "default_ulimits: %s is lowered to our own hard limit %llu",
			     u.oci_name, (unsigned long long)own.rlim_max);
		u.hard = (int64_t)own.rlim_max;
		u.soft = MIN(u.soft, u.hard);
	}
	limit = oci_json_object();
	oci_json_put_text(limit, "type", u.oci_name);
	oci_json_put_number(limit, "soft", u.soft);
	oci_json_put_number(limit, "hard", u.hard);
	oci_json_push(list, limit);
	return 0;
}

static int build_limits(struct oci_ctx *c)
{
	char **entry = c->in->conf->default_ulimits;
	json_t *list = oci_json_array();
	int r = 0;

	oci_json_put(c->process, "rlimits", list);
	for (; r == 0 && entry && *entry; entry++)
		r = add_limit(c, list, *entry);
	return r;
}

/* Always set: the container must not inherit the daemon's own protection. */
static int build_oom_score(struct oci_ctx *c)
{
	int64_t min = c->in->host->oom_score_adj_min, want;

	want = c->is_sandbox  ? SANDBOX_OOM_SCORE_ADJ
	       : c->resources ? c->resources->oom_score_adj
			      : 0;
	if (want < -1000 || want > 1000)
		return err_set(c->e, ERR_INVALID,
			       "linux.resources.oom_score_adj: %lld is not between -1000 and 1000",
			       (long long)want);
	if (want < min) {
		if (!c->is_sandbox)
			oci_ctx_warn(
				c,
				"oom_score_adj %lld is raised to %lld: lowering it further needs "
				"CAP_SYS_RESOURCE",
				(long long)want, (long long)min);
		want = min;
	}
	oci_json_put_number(c->process, "oomScoreAdj", want);
	return 0;
}

int oci_process_build(struct oci_ctx *c)
{
	int r;

	oci_json_put(c->process, "terminal", json_boolean(c->config->tty));
	oci_json_put(c->process, "noNewPrivileges", json_boolean(c->sec->no_new_privs));
	r = build_args(c);
	if (r == 0)
		r = build_env(c);
	if (r == 0)
		r = build_cwd(c);
	if (r == 0)
		r = build_user(c);
	if (r == 0)
		r = oci_capabilities_build(c);
	if (r == 0)
		r = build_limits(c);
	if (r == 0)
		r = build_oom_score(c);
	return r;
}
