/*
 * restorecheck.c - a restored process keeps its command, its seccomp filter and its mounts: a
 * request that asks for others is refused.
 */
#include "pod/restorecheck.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/limits.h"
#include "oci/json.h"

#define FILE_MAX (16 * LIMIT_CONFIG_BYTES)

int restorecheck_load(const char *dir, const char *name, bool needed, json_t **ret, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	json_error_t why = { .text = "" };
	struct stat st;

	*ret = NULL;
	if (fd < 0 && errno == ENOENT)
		return needed ? err_set(e, ERR_PRECONDITION, "%s is missing", name) : 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_INVALID, errno, "open %s", name);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return err_set(e, ERR_INVALID, "%s is no regular file of at most %d bytes", name,
			       FILE_MAX);
	*ret = json_loadfd(fd, 0, &why);
	return *ret ? 0 : err_set(e, ERR_INVALID, "%s: %s", name, why.text);
}

static const json_t *in_linux(const json_t *spec, const char *key)
{
	return json_object_get(json_object_get(spec, "linux"), key);
}

static const json_t *in_process(const json_t *spec, const char *key)
{
	return json_object_get(json_object_get(spec, "process"), key);
}

/* A missing member equals another one. */
static bool is_same(const json_t *a, const json_t *b)
{
	return (!a && !b) || (a && b && json_equal(a, b));
}

static int check_spec(const json_t *old, const json_t *config, bool has_command, struct err *e)
{
	if (!is_same(in_linux(old, "seccomp"), in_linux(config, "seccomp")))
		return err_set(e, ERR_PRECONDITION,
			       "its seccomp filter is not that of the new container");
	if (json_is_true(in_process(old, "terminal")))
		return err_set(e, ERR_PRECONDITION, "it has a terminal, which is not restored");
	if (has_command && !is_same(in_process(old, "args"), in_process(config, "args")))
		return err_set(
			e, ERR_PRECONDITION,
			"config.command and config.args differ from those of the checkpoint");
	return 0;
}

static bool has_mount(const json_t *config, const char *destination)
{
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(config, "mounts"), i, m)
	{
		const char *at = json_string_value(json_object_get(m, "destination"));

		if (at && strcmp(at, destination) == 0)
			return true;
	}
	return false;
}

static int check_binds(const json_t *binds, const json_t *config, struct err *e)
{
	const json_t *m;
	size_t i;

	json_array_foreach(binds, i, m)
	{
		const char *at = json_string_value(json_object_get(m, "destination"));

		if (!at)
			return err_set(e, ERR_INVALID, "bind.mounts: entry %zu has no destination",
				       i);
		if (!has_mount(config, at))
			return err_set(e, ERR_PRECONDITION,
				       "config.mounts: the checkpoint has a mount at %.200s, the "
				       "new container has none",
				       at);
	}
	return 0;
}

int restorecheck_config(const char *dir, const json_t *config, bool has_command, struct err *e)
{
	_cleanup_json_ json_t *old = NULL, *binds = NULL;
	int r = restorecheck_load(dir, "spec.dump", true, &old, e);

	if (r == 0)
		r = restorecheck_load(dir, "bind.mounts", false, &binds, e);
	if (r == 0)
		r = check_spec(old, config, has_command, e);
	return r < 0 ? r : check_binds(binds, config, e);
}
