/*
 * features.c - parse the output of a runtime's `features` and `exec --help`.
 */
#include "oci/features.h"

#include <string.h>

#include "oci/json.h"

static bool has_text(const json_t *list, const char *text)
{
	json_t *value;
	size_t i;

	json_array_foreach(list, i,
			   value) if (json_is_string(value) &&
				      strcmp(json_string_value(value), text) == 0) return true;
	return false;
}

enum oci_exec_cgroup oci_features_exec_cgroup(const char *help)
{
	if (!help || !strstr(help, "--cgroup"))
		return OCI_EXEC_CGROUP_NONE;
	return strstr(help, "<controller>:") ? OCI_EXEC_CGROUP_CONTROLLER : OCI_EXEC_CGROUP_PATH;
}

int oci_features_parse(const char *json, size_t size, struct oci_features *ret, struct err *e)
{
	json_error_t why;
	_cleanup_json_ json_t *root = json_loadb(json ? json : "", size, 0, &why);
	const json_t *idmap;

	ret->rro = ret->idmap = false;
	if (!json_is_object(root))
		return err_set(e, ERR_INVALID, "features of the OCI runtime: %s",
			       root ? "not a JSON object" : why.text);
	ret->rro = has_text(json_object_get(root, "mountOptions"), "rro");
	idmap = json_object_get(json_object_get(root, "linux"), "mountExtensions");
	idmap = json_object_get(json_object_get(idmap, "idmap"), "enabled");
	ret->idmap = json_is_true(idmap);
	return 0;
}
