/*
 * user.c - own parser of passwd(5) and group(5), because libc's functions read the host's files;
 * resolution of a request.
 */
#include "oci/user.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"
#include "oci/rootfs.h"

#define FIELDS_MAX 7

/* A line split at colons; the last field keeps any further colons. */
struct fields {
	const char *at[FIELDS_MAX];
	size_t len[FIELDS_MAX];
	size_t n;
};

static void split(const char *line, size_t size, size_t max, struct fields *ret)
{
	ret->n = 0;
	while (ret->n < max) {
		const char *colon = ret->n + 1 < max ? memchr(line, ':', size) : NULL;
		size_t len = colon ? (size_t)(colon - line) : size;

		ret->at[ret->n] = line;
		ret->len[ret->n++] = len;
		if (!colon)
			break;
		line += len + 1;
		size -= len + 1;
	}
}

/* Split the next line of *text into fields; false at the end. */
static bool next_line(const char **text, size_t *size, size_t n_fields, struct fields *ret)
{
	while (*size > 0) {
		const char *line = *text, *end = memchr(line, '\n', *size);
		size_t len = end ? (size_t)(end - line) : *size;
		size_t used = end ? len + 1 : len;

		*text += used;
		*size -= used;
		if (len == 0 || line[0] == '#')
			continue;
		split(line, len, n_fields, ret);
		return true;
	}
	return false;
}

static bool field_is(const struct fields *f, size_t i, const char *s)
{
	return i < f->n && f->len[i] == strlen(s) && memcmp(f->at[i], s, f->len[i]) == 0;
}

static bool text_id(const char *s, size_t len, uint32_t *ret)
{
	char digits[16];
	uint64_t value;

	if (len == 0 || len >= sizeof(digits) || memchr(s, '\0', len))
		return false;
	memcpy(digits, s, len);
	digits[len] = '\0';
	if (digits[0] == '-' || digits[0] == '+' || str_to_u64(digits, USER_ID_MAX, &value) < 0)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool field_id(const struct fields *f, size_t i, uint32_t *ret)
{
	return i < f->n && text_id(f->at[i], f->len[i], ret);
}

bool user_find_passwd(const char *text, size_t size, const char *name, uint32_t uid,
		      struct user_entry *ret)
{
	struct fields f;

	while (next_line(&text, &size, FIELDS_MAX, &f)) {
		struct user_entry entry = { .uid = 0 };

		if (f.len[0] == 0 || f.len[0] >= USER_NAME_MAX || memchr(f.at[0], '\0', f.len[0]))
			continue;
		if (!field_id(&f, 2, &entry.uid) || !field_id(&f, 3, &entry.gid))
			continue;
		if (name ? !field_is(&f, 0, name) : entry.uid != uid)
			continue;
		memcpy(entry.name, f.at[0], f.len[0]);
		*ret = entry;
		return true;
	}
	return false;
}

bool user_find_group(const char *text, size_t size, const char *name, uint32_t *ret_gid)
{
	struct fields f;

	while (next_line(&text, &size, 4, &f))
		if (field_is(&f, 0, name) && field_id(&f, 2, ret_gid))
			return true;
	return false;
}

bool user_has_group(const char *text, size_t size, uint32_t gid)
{
	struct fields f;
	uint32_t found;

	while (next_line(&text, &size, 4, &f))
		if (f.len[0] && field_id(&f, 2, &found) && found == gid)
			return true;
	return false;
}

static bool has_member(const char *list, size_t size, const char *name)
{
	size_t want = strlen(name);

	for (;;) {
		const char *comma = memchr(list, ',', size);
		size_t len = comma ? (size_t)(comma - list) : size;

		if (len == want && memcmp(list, name, len) == 0)
			return true;
		if (!comma)
			return false;
		list += len + 1;
		size -= len + 1;
	}
}

size_t user_member_groups(const char *text, size_t size, const char *name, uint32_t *ret_gids,
			  size_t max)
{
	struct fields f;
	size_t n = 0;

	while (n < max && next_line(&text, &size, 4, &f))
		if (f.n == 4 && field_id(&f, 2, &ret_gids[n]) &&
		    has_member(f.at[3], f.len[3], name))
			n++;
	return n;
}

/* Both files of the container; a missing one is empty. */
struct user_db {
	struct buf passwd, group;
};

static void user_db_done(struct user_db *db)
{
	buf_done(&db->passwd);
	buf_done(&db->group);
}

static int user_db_read(int root, struct user_db *ret, struct err *e)
{
	int r = rootfs_read_file(root, "/etc/passwd", USER_DB_MAX, &ret->passwd, e);

	if (r >= 0)
		r = rootfs_read_file(root, "/etc/group", USER_DB_MAX, &ret->group, e);
	return r < 0 ? r : 0;
}

static int check_id(int64_t id, const char *field, uint32_t *ret, struct err *e)
{
	if (id < 0 || id > (int64_t)USER_ID_MAX)
		return err_set(e, ERR_INVALID, "%s: %lld is not an id between 0 and %u", field,
			       (long long)id, USER_ID_MAX);
	*ret = (uint32_t)id;
	return 0;
}

/* Set uid, gid and *entry from a user given as a number or a name. */
static int resolve_who(const struct user_db *db, const char *who, const char *field, struct user *u,
		       struct user_entry *entry, struct err *e)
{
	const char *text = db->passwd.data;
	size_t size = db->passwd.len;
	bool numeric = text_id(who, strlen(who), &u->uid);

	/* Digits are always an id, even if an entry has them as its name: else the image's passwd
	 * could turn "1000" into root. */
	u->in_passwd = user_find_passwd(text, size, numeric ? NULL : who, u->uid, entry);
	if (!numeric && !u->in_passwd)
		return err_set(e, ERR_PRECONDITION,
			       "%s: there is no user \"%s\" in the image's /etc/passwd", field,
			       who);
	u->gid = u->in_passwd ? entry->gid : 0;
	if (!numeric)
		u->uid = entry->uid;
	return 0;
}

static int resolve_image_user(const struct user_db *db, const char *spec, struct user *u,
			      struct user_entry *entry, bool *ret_group_given, struct err *e)
{
	const char *colon = strchr(spec, ':');
	_cleanup_free_ char *who = colon ? xstrndup(spec, (size_t)(colon - spec)) : xstrdup(spec);
	int r;

	if (strlen(spec) >= USER_NAME_MAX)
		return err_set(e, ERR_PRECONDITION, "the image's USER is longer than %d bytes",
			       USER_NAME_MAX - 1);
	r = resolve_who(db, *who ? who : "0", "USER of the image", u, entry, e);
	if (r < 0 || !colon || !colon[1])
		return r;
	*ret_group_given = true;
	if (!text_id(colon + 1, strlen(colon + 1), &u->gid) &&
	    !user_find_group(db->group.data, db->group.len, colon + 1, &u->gid))
		return err_set(e, ERR_PRECONDITION,
			       "USER of the image: there is no group \"%s\" in its /etc/group",
			       colon + 1);
	return 0;
}

static void add_group(struct user *u, uint32_t gid)
{
	for (size_t i = 0; i < u->n_groups; i++)
		if (u->groups[i] == gid)
			return;
	u->groups[u->n_groups++] = gid;
}

static int collect_groups(const struct user_db *db, const struct user_request *req,
			  const struct user_entry *entry, bool merge, struct user *u, struct err *e)
{
	uint32_t found[USER_GROUPS_MAX];
	size_t n = 0;

	if (req->n_groups > USER_GROUPS_MAX)
		return err_set(e, ERR_INVALID, "supplemental_groups: more than %d groups",
			       USER_GROUPS_MAX);
	if (merge && u->in_passwd)
		n = user_member_groups(db->group.data, db->group.len, entry->name, found,
				       USER_GROUPS_MAX);
	u->groups = xcalloc(1 + n + req->n_groups, sizeof(*u->groups));
	add_group(u, u->gid);
	for (size_t i = 0; i < n; i++)
		add_group(u, found[i]);
	for (size_t i = 0; i < req->n_groups; i++) {
		uint32_t gid = 0;
		int r = check_id(req->groups[i], "supplemental_groups", &gid, e);

		if (r < 0)
			return r;
		add_group(u, gid);
	}
	return 0;
}

int user_resolve(int root, const struct user_request *req, struct user *ret, struct err *e)
{
	_cleanup_(user_db_done) struct user_db db = { BUF_NULL, BUF_NULL };
	struct user_entry entry = { .uid = 0 };
	bool named = req->name && *req->name, group_given = false;
	char digits[16];
	int r;

	*ret = USER_NULL;
	if (req->uid && named)
		return err_set(e, ERR_INVALID,
			       "run_as_user and run_as_username exclude each other");
	if (req->gid && !req->uid && !named)
		return err_set(e, ERR_INVALID,
			       "run_as_group is set without run_as_user or run_as_username");
	if (named && strlen(req->name) >= USER_NAME_MAX)
		return err_set(e, ERR_INVALID, "run_as_username is longer than %d bytes",
			       USER_NAME_MAX - 1);
	r = user_db_read(root, &db, e);
	if (r < 0)
		return r;
	if (req->uid) {
		r = check_id(*req->uid, "run_as_user", &ret->uid, e);
		if (r < 0)
			return r;
		snprintf(digits, sizeof(digits), "%u", ret->uid);
		r = resolve_who(&db, digits, "run_as_user", ret, &entry, e);
	} else if (named) {
		r = resolve_who(&db, req->name, "run_as_username", ret, &entry, e);
	} else {
		r = resolve_image_user(&db, req->image_user ? req->image_user : "", ret, &entry,
				       &group_given, e);
	}
	if (r == 0 && req->gid)
		r = check_id(*req->gid, "run_as_group", &ret->gid, e);
	ret->in_group = user_has_group(db.group.data, db.group.len, ret->gid);
	/* USER user:group is the whole identity: add no groups of /etc/group. */
	if (r == 0)
		r = collect_groups(&db, req, &entry, !req->strict && !group_given, ret, e);
	if (r < 0)
		user_done(ret);
	return r;
}

void user_done(struct user *u)
{
	free(u->groups);
	*u = USER_NULL;
}
