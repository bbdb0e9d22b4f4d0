/*
 * config.c - parse the image config with jansson, member by member.
 */
#include "image/config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "image/ref.h"

#define LIST_MAX 65536 /* members per list */

static void list_free(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

void image_config_done(struct image_config *c)
{
	list_free(c->entrypoint);
	list_free(c->cmd);
	list_free(c->env);
	list_free(c->volumes);
	list_free(c->diff_ids);
	free(c->working_dir);
	free(c->user);
	free(c->stop_signal);
	free(c->os);
	free(c->architecture);
	free(c->variant);
	*c = IMAGE_CONFIG_NULL;
}

/* *ret stays NULL if the member is absent, null or empty. */
static int get_string(const json_t *object, const char *key, char **ret, struct err *e)
{
	const json_t *v = json_object_get(object, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return err_set(e, ERR_INVALID, "image config: %s is not a string", key);
	if (strlen(json_string_value(v)) != json_string_length(v))
		return err_set(e, ERR_INVALID, "image config: %s has a NUL in it", key);
	if (json_string_length(v))
		*ret = xstrdup(json_string_value(v));
	return 0;
}

static int get_list(const json_t *object, const char *key, char ***ret, struct err *e)
{
	const json_t *v = json_object_get(object, key), *item;
	size_t i;

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_array(v) || json_array_size(v) > LIST_MAX)
		return err_set(e, ERR_INVALID, "image config: %s is not a list of at most %d", key,
			       LIST_MAX);
	*ret = xcalloc(json_array_size(v) + 1, sizeof(char *));
	json_array_foreach(v, i, item)
	{
		if (!json_is_string(item) ||
		    strlen(json_string_value(item)) != json_string_length(item))
			return err_set(e, ERR_INVALID,
				       "image config: %s[%zu] is not a string without NUL", key, i);
		(*ret)[i] = xstrdup(json_string_value(item));
	}
	return 0;
}

/* Volumes is an object; its keys are the paths, its values are empty objects. */
static int get_volumes(const json_t *object, char ***ret, struct err *e)
{
	json_t *v = json_object_get(object, "Volumes"), *value;
	const char *key;
	size_t n = 0;

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_object(v) || json_object_size(v) > LIST_MAX)
		return err_set(e, ERR_INVALID, "image config: Volumes is not an object");
	*ret = xcalloc(json_object_size(v) + 1, sizeof(char *));
	json_object_foreach(v, key, value)(*ret)[n++] = xstrdup(key);
	return 0;
}

static int get_execution(const json_t *root, struct image_config *c, struct err *e)
{
	const json_t *v = json_object_get(root, "config");
	int r;

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "image config: config is not an object");
	r = get_list(v, "Entrypoint", &c->entrypoint, e);
	r = r < 0 ? r : get_list(v, "Cmd", &c->cmd, e);
	r = r < 0 ? r : get_list(v, "Env", &c->env, e);
	r = r < 0 ? r : get_volumes(v, &c->volumes, e);
	r = r < 0 ? r : get_string(v, "WorkingDir", &c->working_dir, e);
	r = r < 0 ? r : get_string(v, "User", &c->user, e);
	return r < 0 ? r : get_string(v, "StopSignal", &c->stop_signal, e);
}

static int get_rootfs(const json_t *root, struct image_config *c, struct err *e)
{
	const json_t *v = json_object_get(root, "rootfs");
	const char *type;
	int r;

	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "image config: rootfs is missing");
	type = json_string_value(json_object_get(v, "type"));
	if (!type || strcmp(type, "layers") != 0)
		return err_set(e, ERR_INVALID, "image config: rootfs.type is not \"layers\"");
	r = get_list(v, "diff_ids", &c->diff_ids, e);
	if (r < 0)
		return r;
	for (; c->diff_ids && c->diff_ids[c->n_diff_ids]; c->n_diff_ids++)
		if (!image_digest_is_valid(c->diff_ids[c->n_diff_ids]))
			return err_set(e, ERR_INVALID,
				       "image config: rootfs.diff_ids[%zu] is not a sha256 digest",
				       c->n_diff_ids);
	if (c->n_diff_ids > LIMIT_LAYERS)
		return err_set(e, ERR_INVALID, "image config: %zu layers, more than %d",
			       c->n_diff_ids, LIMIT_LAYERS);
	return 0;
}

static int parse_root(const json_t *root, struct image_config *c, struct err *e)
{
	int r;

	if (!json_is_object(root))
		return err_set(e, ERR_INVALID, "image config: not an object");
	r = get_string(root, "os", &c->os, e);
	r = r < 0 ? r : get_string(root, "architecture", &c->architecture, e);
	r = r < 0 ? r : get_string(root, "variant", &c->variant, e);
	r = r < 0 ? r : get_execution(root, c, e);
	return r < 0 ? r : get_rootfs(root, c, e);
}

int image_config_parse(const char *json, size_t size, struct image_config *ret, struct err *e)
{
	json_error_t bad;
	json_t *root;
	int r;

	*ret = IMAGE_CONFIG_NULL;
	if (size > LIMIT_MANIFEST)
		return err_set(e, ERR_INVALID, "image config: larger than %d bytes",
			       LIMIT_MANIFEST);
	root = json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &bad);
	if (!root)
		return err_set(e, ERR_INVALID, "image config: line %d: %s", bad.line, bad.text);
	r = parse_root(root, ret, e);
	json_decref(root);
	return r;
}
