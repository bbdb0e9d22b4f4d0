/*
 * cni_list.c - parser of network configurations, and the search in a directory.  Operators or
 * other programs write the files, possibly incompletely.  Each file is validated alone, and its
 * defect becomes part of the reason for a missing network.
 */
#include "net/cni_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "os/spawn.h"

#define PLUGINS_MAX 32
#define FILES_MAX 256
#define NAME_MAX_LEN 128

static const char *const versions[] = {
	[CNI_VERSION_0_1_0] = "0.1.0", [CNI_VERSION_0_2_0] = "0.2.0", [CNI_VERSION_0_3_0] = "0.3.0",
	[CNI_VERSION_0_3_1] = "0.3.1", [CNI_VERSION_0_4_0] = "0.4.0", [CNI_VERSION_1_0_0] = "1.0.0",
	[CNI_VERSION_1_1_0] = "1.1.0",
};

void cni_list_done(struct cni_list *l)
{
	json_decref(l->root);
	*l = CNI_LIST_NULL;
}

int cni_version_parse(const char *text, enum cni_version *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		if (strcmp(text, versions[i]) == 0) {
			*ret = (enum cni_version)i;
			return 0;
		}
	}
	return -1;
}

/* Valid name of a network or plugin; a plugin's name becomes part of a path. */
static bool is_name(const char *s)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return s && *s && strchr(first, *s) && strlen(s) <= NAME_MAX_LEN &&
	       !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")];
}

/* Use the highest supported version of cniVersions (1.1), else cniVersion.  None is 0.1.0, as the
 * CNI project's library has it. */
static int read_version(struct cni_list *l, struct err *e)
{
	const char *text = json_string_value(json_object_get(l->root, "cniVersion"));
	json_t *all = json_object_get(l->root, "cniVersions"), *item;
	enum cni_version v;
	bool found = false;
	size_t i;

	json_array_foreach(all, i, item)
	{
		const char *s = json_string_value(item);

		if (s && cni_version_parse(s, &v) == 0 && (!found || v > l->version)) {
			l->version = v;
			found = true;
		}
	}
	if (!text && json_object_get(l->root, "cniVersion"))
		return err_set(e, ERR_INVALID, "cniVersion: must be a string");
	if (!found && (!text || !*text))
		l->version = CNI_VERSION_0_1_0;
	else if (!found && cni_version_parse(text, &l->version) < 0)
		return err_set(e, ERR_INVALID,
			       "cniVersion: %s is not supported, 0.1.0 to 1.1.0 are", text);
	l->version_text = versions[l->version];
	return 0;
}

/* Read a boolean, also given as a string: both are in use. */
static bool read_flag(json_t *root, const char *key)
{
	json_t *v = json_object_get(root, key);
	const char *s = json_string_value(v);

	return json_is_true(v) || (s && strcmp(s, "true") == 0);
}

static int check_plugins(struct cni_list *l, struct err *e)
{
	json_t *plugin;
	size_t i;

	l->plugins = json_object_get(l->root, "plugins");
	if (!json_is_array(l->plugins) || !json_array_size(l->plugins))
		return err_set(e, ERR_INVALID,
			       "plugins: a list with at least one entry is required");
	if (json_array_size(l->plugins) > PLUGINS_MAX)
		return err_set(e, ERR_INVALID, "plugins: more than %d", PLUGINS_MAX);
	json_array_foreach(l->plugins, i, plugin)
	{
		json_t *caps = json_object_get(plugin, "capabilities");

		if (!is_name(json_string_value(json_object_get(plugin, "type"))))
			return err_set(e, ERR_INVALID,
				       "plugins[%zu].type: the name of a program is "
				       "required",
				       i);
		if (caps && !json_is_object(caps))
			return err_set(e, ERR_INVALID,
				       "plugins[%zu].capabilities: must be an object", i);
	}
	return 0;
}

/* {"type": ...} to {"plugins": [{"type": ...}]} */
static void wrap_single(struct cni_list *l)
{
	static const char *const keys[] = { "cniVersion", "cniVersions", "name", "disableCheck",
					    "disableGC" };
	json_t *list, *plugins;

	if (json_object_get(l->root, "plugins") || !json_object_get(l->root, "type"))
		return;
	list = json_object();
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		json_t *v = json_object_get(l->root, keys[i]);

		if (v)
			json_object_set(list, keys[i], v);
	}
	plugins = json_array();
	json_array_append_new(plugins, l->root);
	json_object_set_new(list, "plugins", plugins);
	l->root = list;
}

static void list_donep(struct cni_list *l)
{
	cni_list_done(l);
}

int cni_list_parse(const char *text, size_t size, struct cni_list *ret, struct err *e)
{
	_cleanup_(list_donep) struct cni_list l = CNI_LIST_NULL;
	json_error_t why;
	int r;

	l.root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!l.root)
		return err_set(e, ERR_INVALID, "line %d: not JSON: %s", why.line, why.text);
	if (!json_is_object(l.root))
		return err_set(e, ERR_INVALID, "not a JSON object");
	wrap_single(&l);
	l.name = json_string_value(json_object_get(l.root, "name"));
	if (!is_name(l.name))
		return err_set(e, ERR_INVALID, "name: required; letters, digits, _, . and -");
	r = read_version(&l, e);
	if (!r)
		r = check_plugins(&l, e);
	if (r < 0)
		return r;
	l.disable_check = read_flag(l.root, "disableCheck");
	l.disable_gc = read_flag(l.root, "disableGC");
	*ret = l;
	l = CNI_LIST_NULL;
	return 0;
}

char *cni_list_find_plugin(const char *const *dirs, const char *type)
{
	for (; dirs && *dirs; dirs++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", *dirs, type);
		char *found = spawn_find_program(path, NULL);

		if (found)
			return found;
	}
	return NULL;
}

static int check_programs(const struct cni_list *l, const char *const *dirs, struct err *e)
{
	_cleanup_buf_ struct buf searched = BUF_NULL;
	json_t *plugin;
	size_t i;

	for (const char *const *d = dirs; d && *d; d++)
		buf_printf(&searched, " %s", *d);
	json_array_foreach(l->plugins, i, plugin)
	{
		const char *type = json_string_value(json_object_get(plugin, "type"));
		_cleanup_free_ char *path = cni_list_find_plugin(dirs, type);

		if (!path)
			return err_set(e, ERR_INVALID, "plugin %s is not in%s", type,
				       searched.data ? searched.data : " any directory");
		if (fs_check_trusted(path, e) < 0)
			return err_wrap(e, "plugin %s", type);
	}
	return 0;
}

static int load_file(const char *path, const char *const *plugin_dirs, struct cni_list *ret,
		     struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_trusted(path, LIMIT_CONF_FILE, &text, e);

	if (r > 0)
		return err_set(e, ERR_NOT_FOUND, "the file was removed while it was read");
	if (!r)
		r = cni_list_parse(text.data ? text.data : "", text.len, ret, e);
	if (r < 0)
		return r;
	r = check_programs(ret, plugin_dirs, e);
	if (r < 0)
		cni_list_done(ret);
	return r;
}

static int wanted(const struct dirent *d)
{
	return d->d_name[0] != '.' &&
	       (str_ends(d->d_name, ".conflist") || str_ends(d->d_name, ".conf") ||
		str_ends(d->d_name, ".json"));
}

/* By bytes: alphasort depends on the locale. */
static int compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

struct names {
	struct dirent **list;
	int n;
};

static void names_done(struct names *names)
{
	for (int i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
}

static void sign(uint64_t *sum, int fd, const char *path)
{
	struct {
		uint64_t missing, dev, inode, size;
		int64_t changed, modified;
	} key = { .missing = 1 };
	struct stat st;

	if (fstatat(fd, path, &st, 0) == 0) {
		key.missing = 0;
		key.dev = st.st_dev;
		key.inode = st.st_ino;
		key.size = (uint64_t)st.st_size;
		key.changed = st.st_ctim.tv_sec * NSEC_PER_SEC + st.st_ctim.tv_nsec;
		key.modified = st.st_mtim.tv_sec * NSEC_PER_SEC + st.st_mtim.tv_nsec;
	}
	*sum = XXH3_64bits_withSeed(path, strlen(path), *sum);
	*sum = XXH3_64bits_withSeed(&key, sizeof(key), *sum);
}

uint64_t cni_list_signature(const char *dir, const char *const *plugin_dirs)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	uint64_t sum = 0, files = 0;
	struct dirent *entry;

	sign(&sum, AT_FDCWD, dir);
	for (; plugin_dirs && *plugin_dirs; plugin_dirs++)
		sign(&sum, AT_FDCWD, *plugin_dirs);
	while (d && (entry = readdir(d))) {
		uint64_t one = 0;

		if (!wanted(entry))
			continue;
		sign(&one, dirfd(d), entry->d_name);
		files += one; /* independent of readdir's order */
	}
	return sum + files;
}

int cni_list_find(const char *dir, const char *name, const char *const *plugin_dirs,
		  struct cni_list *ret, struct err *e)
{
	_cleanup_(names_done) struct names names = { .n = 0 };
	_cleanup_buf_ struct buf reasons = BUF_NULL;
	bool any = !name || !*name;

	names.n = scandir(dir, &names.list, wanted, compare);
	if (names.n < 0) {
		names.n = 0;
		return err_errno(e, ERR_UNAVAILABLE, errno, "no CNI configuration: directory %s",
				 dir);
	}
	for (int i = 0; i < names.n && i < FILES_MAX; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, names.list[i]->d_name);
		struct cni_list l = CNI_LIST_NULL;
		struct err why = ERR_NULL;

		if (load_file(path, plugin_dirs, &l, &why) < 0) {
			buf_printf(&reasons, "; %s: %s", names.list[i]->d_name, why.text);
			continue;
		}
		if (any || strcmp(l.name, name) == 0) {
			*ret = l;
			return 0;
		}
		cni_list_done(&l);
	}
	return err_set(e, ERR_UNAVAILABLE, "no CNI network%s%s in %s (%d files)%s",
		       any ? "" : " called ", any ? "" : name, dir, names.n,
		       reasons.data ? reasons.data : "");
}
