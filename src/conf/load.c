/*
 * load.c - configuration files: tables to keys, unknown names, drop-in directories.  A name that
 * CRI-O would ignore is a finding; each bad value is one too, and the first is the error.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/apply.h"

#define CRIO_FILE "/etc/crio/crio.conf"
#define CRIO_DIR "/etc/crio/crio.conf.d"
#define WORKLOADS "crio.runtime.workloads"
#define DROP_INS_MAX 8192
#define DROP_INS_BYTES_MAX (64 << 20) /* of all files */
#define DROP_IN_DEPTH_MAX 8

struct load {
	struct conf *c;
	const char *file;
	struct conf_runtime *rt; /* below CONF_RUNTIMES.NAME */
	struct err *e; /* the first bad value */
};

/* --- unknown names --- */

/* Is name a prefix of a key's name, hence a table?  Returns the key, or NULL. */
static const struct conf_key *table_find(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < conf_n_keys; i++)
		if (strncasecmp(conf_keys[i].name, name, n) == 0 && conf_keys[i].name[n] == '.')
			return &conf_keys[i];
	return NULL;
}

/* The key nearest to table.key; *ret_distance: the greatest distance that counts, then its own. */
static const char *nearest_key(const char *table, const char *key, unsigned *ret_distance)
{
	const char *found = NULL;

	for (size_t i = 0; i < conf_n_keys; i++) {
		const char *name = conf_keys[i].name;
		const char *last = strrchr(name, '.') + 1;
		bool same_table = strncmp(name, table, strlen(table)) == 0 &&
				  strlen(table) + 1 == (size_t)(last - name);
		/* An exact name in another table is nearer than a misspelt one in this table. */
		unsigned d = strcmp(last, key) == 0 ? 0 : same_table ? str_distance(last, key) : 64;

		if (d >= *ret_distance || conf_keys[i].role == CONF_ROLE_FORMER)
			continue;
		*ret_distance = d;
		found = name;
	}
	return found;
}

/* Append "; did you mean ...?" if a key's or table's name is near. */
static void suggest(const char *table, const char *key, struct buf *to)
{
	_cleanup_free_ char *wanted = xasprintf("%s%s%s", table, *table ? "." : "", key);
	unsigned best = (unsigned)(strlen(key) / 3 + 2);
	const char *found = nearest_key(table, key, &best);

	for (size_t i = 0; i < conf_n_keys && !found; i++) {
		const char *name = conf_keys[i].name;
		_cleanup_free_ char *as_table = xstrndup(name, (size_t)(strrchr(name, '.') - name));

		if (str_distance(as_table, wanted) < best)
			return buf_printf(to, "; did you mean table [%s]?", as_table);
	}
	if (found)
		buf_printf(to, "; did you mean %s?", found);
}

/* former: the entry of a key that CRI-O had once, NULL: no key at all. */
static void ignore(struct load *l, const char *shown, const struct toml *v, const char *table,
		   const struct conf_key *former)
{
	_cleanup_buf_ struct buf text = BUF_NULL;

	buf_printf(&text, "%s:%d: %s: ", l->file, v->line, shown);
	if (former)
		buf_printf(&text, "former key, %s", former->why);
	else
		buf_printf(&text, "unknown %s", v->type == TOML_TYPE_TABLE ? "table" : "key");
	if (!former && conf_list_len(l->c->ignored) < CONF_FINDINGS_MAX)
		suggest(table, v->key, &text);
	buf_puts(&text, "; ignored, as CRI-O does");
	conf_add_ignored(l->c, buf_take(&text));
}

bool conf_runtime_name_is_valid(const char *name)
{
	/* The name becomes part of paths and is matched with a pod's runtime_handler. */
	return *name && strlen(name) <= 63 && *name != '.' &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789._-")];
}

/* --- one file --- */

/* Record e as a finding; the first stays the error of the load. */
static void add_error(struct load *l, const struct err *e)
{
	conf_add_error(l->c, xstrdup(e->text));
	if (!l->e->text[0])
		*l->e = *e;
}

/* table: name with * in place of user-chosen names; shown: name with them. */
static void load_table(struct load *l, const char *table, const char *shown, const struct toml *t);

/* A handler's name and the handler. */
static int begin_runtime(struct load *l, const struct conf_source *src, const struct toml *item,
			 struct err *e)
{
	if (!conf_runtime_name_is_valid(item->key))
		return conf_value_fail(src, item, e,
				       "a handler's name consists of letters, digits, -, _ and .");
	if (l->c->n_runtimes >= CONF_RUNTIMES_MAX && !conf_runtime_get(l->c, item->key))
		return conf_value_fail(src, item, e, "more than %d handlers", CONF_RUNTIMES_MAX);
	l->rt = conf_runtime_add(l->c, item->key);
	return 0;
}

/* Load a table of tables with user-chosen names. */
static void load_named(struct load *l, const char *table, const struct toml *v)
{
	_cleanup_free_ char *pattern = xasprintf("%s.*", table);

	for (const struct toml *item = v->first; item; item = item->next) {
		_cleanup_free_ char *shown = xasprintf("%s.%s", table, item->key);
		const struct conf_source src = { .file = l->file, .key = shown };
		struct err e = ERR_NULL;
		int r = conf_value_want(&src, item, TOML_TYPE_TABLE, &e);

		if (r == 0 && strcmp(table, CONF_RUNTIMES) == 0)
			r = begin_runtime(l, &src, item, &e);
		if (r < 0)
			add_error(l, &e);
		else
			load_table(l, pattern, shown, item);
	}
}

static void load_key(struct load *l, const struct conf_key *k, const char *shown,
		     const struct toml *v)
{
	const struct conf_source src = { .file = l->file, .key = shown };
	struct err e = ERR_NULL;

	if (k->role == CONF_ROLE_FORMER)
		ignore(l, shown, v, NULL, k);
	else if (conf_apply(l->c, l->rt, k, &src, v, &e) < 0)
		add_error(l, &e);
}

/* name: of the table inside, spelt as in the file; like: a key in it. */
static void load_inner(struct load *l, const char *name, const struct conf_key *like,
		       const char *shown, const struct toml *v)
{
	_cleanup_free_ char *table = xstrndup(like->name, strlen(name));
	const struct conf_source src = { .file = l->file, .key = shown };
	struct err e = ERR_NULL;

	if (conf_value_want(&src, v, TOML_TYPE_TABLE, &e) < 0)
		add_error(l, &e);
	else if (strcmp(table, CONF_RUNTIMES) == 0 || strcmp(table, WORKLOADS) == 0)
		load_named(l, table, v);
	else
		load_table(l, table, shown, v);
}

static void load_table(struct load *l, const char *table, const char *shown, const struct toml *t)
{
	for (const struct toml *v = t->first; v; v = v->next) {
		const char *dot = *table ? "." : "";
		_cleanup_free_ char *name = xasprintf("%s%s%s", table, dot, v->key);
		const struct conf_key *k = conf_key_find(name),
				      *inner = k ? NULL : table_find(name);
		const char *key = k ? strrchr(k->name, '.') + 1 : v->key;
		_cleanup_free_ char *full = xasprintf("%s%s%s", shown, dot, key);

		if (k)
			load_key(l, k, full, v);
		else if (inner)
			load_inner(l, name, inner, full, v);
		else
			ignore(l, full, v, table, NULL);
	}
}

int conf_load_file(struct conf *c, const char *path, struct err *e)
{
	_cleanup_(toml_freep) struct toml *root = NULL;
	struct err first = ERR_NULL;
	struct load l = { .c = c, .file = path, .e = &first };
	int r = toml_load(path, &root, e);

	if (r < 0)
		conf_add_error(c, xstrdup(e->text));
	if (r)
		return r;
	load_table(&l, "", "", root);
	if (!first.text[0])
		return 0;
	*e = first;
	return -(int)e->code;
}

/* --- drop-ins --- */

struct drop_ins {
	struct conf *c;
	size_t n_files, bytes;
	struct err *e; /* the first error of a file */
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int note_name(const char *path, const char *name, void *arg, struct err *e)
{
	char ***names = arg;

	(void)path;
	conf_list_add(names, xstrdup(name));
	return conf_list_len(*names) > DROP_INS_MAX
		       ? err_set(e, ERR_INVALID, "more than %d files", DROP_INS_MAX)
		       : 0;
}

/* A file, or the null device by which a link masks one. */
static int load_drop_in(struct drop_ins *w, const char *path, struct err *e)
{
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return err_errno(e, ERR_INVALID, errno, "%s", path);
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
		return 0;
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s is neither a file nor a directory", path);
	if (++w->n_files > DROP_INS_MAX)
		return err_set(e, ERR_INVALID, "%s: more than %d files", path, DROP_INS_MAX);
	w->bytes += (size_t)st.st_size;
	if (w->bytes > DROP_INS_BYTES_MAX)
		return err_set(e, ERR_INVALID, "%s: the files are larger than %d bytes together",
			       path, DROP_INS_BYTES_MAX);
	r = conf_load_file(w->c, path, e);
	return r == 1 ? err_set(e, ERR_INVALID, "%s has disappeared", path) : r;
}

static bool is_full(const struct drop_ins *w)
{
	return w->n_files > DROP_INS_MAX || w->bytes > DROP_INS_BYTES_MAX;
}

static int load_dir(struct drop_ins *w, const char *dir, int depth, struct err *e);

/* Links to directories are not followed, as in CRI-O. */
static int load_entry(struct drop_ins *w, const char *path, int depth, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return load_dir(w, path, depth + 1, e);
	return load_drop_in(w, path, e);
}

static int load_dir(struct drop_ins *w, const char *dir, int depth, struct err *e)
{
	_cleanup_(conf_list_freep) char **names = NULL;
	int r = fs_check_trusted(dir, e);

	if (r)
		return MIN(r, 0);
	if (depth > DROP_IN_DEPTH_MAX)
		return err_set(e, ERR_INVALID, "%s: more than %d directories deep", dir,
			       DROP_IN_DEPTH_MAX);
	if (fs_each(dir, note_name, &names, e) < 0)
		return err_wrap(e, "%s", dir);
	if (names)
		qsort(names, conf_list_len(names), sizeof(*names), compare_names);
	for (char **name = names; name && *name && !is_full(w); name++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, *name);
		struct err one = ERR_NULL;
		size_t known = conf_list_len(w->c->errors);

		if (load_entry(w, path, depth, &one) == 0)
			continue;
		if (conf_list_len(w->c->errors) == known)
			conf_add_error(w->c, xstrdup(one.text));
		if (!w->e->text[0])
			*w->e = one;
	}
	return 0;
}

int conf_load_dir(struct conf *c, const char *dir, struct err *e)
{
	struct err first = ERR_NULL;
	struct drop_ins w = { .c = c, .e = &first };
	int r = load_dir(&w, dir, 0, e);

	if (r < 0)
		conf_add_error(c, xstrdup(e->text));
	if (r < 0 || !first.text[0])
		return r;
	*e = first;
	return -(int)e->code;
}

/* --- the whole --- */

/* Read CRI-O's files on a node that has none of crisp's. */
static void choose(struct conf *c, const char **file, const char **dir)
{
	if (fs_exists(*file) || fs_exists(*dir) || !(fs_exists(CRIO_FILE) || fs_exists(CRIO_DIR)))
		return;
	conf_list_add(&c->warnings, xasprintf("there is neither %s nor %s: " CRIO_FILE
					      " and " CRIO_DIR " are read instead",
					      *file, *dir));
	*file = CRIO_FILE;
	*dir = CRIO_DIR;
}

int conf_load(struct conf *c, const char *file, const char *dir, struct err *e)
{
	const char *path = file ? file : CONF_FILE, *drop_ins = dir ? dir : CONF_DIR;
	struct err later = ERR_NULL;
	int r = 0, of_dir;

	if (!file && !dir)
		choose(c, &path, &drop_ins);
	if (*path)
		r = conf_load_file(c, path, e);
	if (r == 1) {
		r = file ? err_set(e, ERR_NOT_FOUND, "--config: %s does not exist", file) : 0;
		if (r < 0)
			conf_add_error(c, xstrdup(e->text));
	}
	of_dir = *drop_ins ? conf_load_dir(c, drop_ins, r < 0 ? &later : e) : 0;
	return r < 0 ? r : of_dir;
}
