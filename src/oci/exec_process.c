/*
 * exec_process.c - derive an exec's process.json from the container's config.json.
 * Privileges are those of the first process, with capabilities already limited to the daemon's;
 * `RUNTIME exec --privileged` would not limit them.
 */
#include "oci/exec_process.h"

#include <string.h>

#include "base/str.h"
#include "oci/json.h"

#define ARGS_MAX 16384

static int exec_args(const char *const *cmd, json_t *ret, struct err *e)
{
	for (size_t i = 0; cmd && cmd[i]; i++) {
		if (i == ARGS_MAX)
			return err_set(e, ERR_INVALID, "cmd: more than %d words", ARGS_MAX);
		if (!str_is_utf8(cmd[i], strlen(cmd[i])))
			return err_set(e, ERR_INVALID, "cmd[%zu] is not valid UTF-8", i);
		oci_json_push_text(ret, cmd[i]);
	}
	if (json_array_size(ret) == 0)
		return err_set(e, ERR_INVALID, "cmd: must not be empty");
	return 0;
}

/* Set "terminal".  With a terminal, add TERM unless the environment has it. */
static void exec_terminal(json_t *process, bool tty)
{
	json_t *env = oci_json_need_array(process, "env"), *value;
	size_t i;

	oci_json_put(process, "terminal", json_boolean(tty));
	if (!tty)
		return;
	json_array_foreach(env, i, value) if (json_is_string(value) &&
					      str_starts(json_string_value(value), "TERM=")) return;
	oci_json_push_text(env, "TERM=xterm");
}

int oci_exec_process(const char *config_json, const char *const *cmd, bool tty, char **ret_json,
		     struct err *e)
{
	json_error_t why;
	_cleanup_json_ json_t *root = json_loads(config_json, 0, &why);
	json_t *process = json_object_get(root, "process"), *args;
	int r;

	if (!json_is_object(process) || !json_is_array(json_object_get(process, "env")) ||
	    !json_is_object(json_object_get(process, "capabilities")))
		return err_set(e, ERR_DATA_LOSS,
			       "the container's config.json is damaged (%s): remove the container",
			       root ? "no process with env and capabilities" : why.text);
	args = oci_json_array();
	oci_json_put(process, "args", args);
	r = exec_args(cmd, args, e);
	if (r < 0)
		return r;
	exec_terminal(process, tty);
	*ret_json = oci_json_dump(process);
	return 0;
}
