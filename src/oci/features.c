/*
 * features.c - parse the output of a runtime's `features` and `exec --help`.
 */
#include "oci/features.h"

#include <string.h>

#include "oci/json.h"

enum oci_exec_cgroup oci_features_exec_cgroup(const char *help)
{
	if (!help || !strstr(help, "--cgroup"))
		return OCI_EXEC_CGROUP_NONE;
	return strstr(help, "<controller>:") ? OCI_EXEC_CGROUP_CONTROLLER : OCI_EXEC_CGROUP_PATH;
}

static bool is_enabled(const json_t *object, const char *part, const char *key)
{
	return json_is_true(json_object_get(json_object_get(object, part), key));
}

/* runc's annotation; other runtimes have none and are asked when it comes to it. */
static bool lacks_checkpoint(const json_t *root)
{
	const json_t *notes = json_object_get(root, "annotations");
	const char *text = json_string_value(
		json_object_get(notes, "org.opencontainers.runc.checkpoint.enabled"));

	return text && strcmp(text, "false") == 0;
}

int oci_features_parse(const char *json, size_t size, struct oci_features *ret, struct err *e)
{
	json_error_t why;
	_cleanup_json_ json_t *root = json_loadb(json ? json : "", size, 0, &why);
	const json_t *linux_part;

	ret->rro = ret->idmap = ret->net_devices = false;
	ret->rdt_schemata = ret->rdt_monitoring = ret->no_checkpoint = false;
	if (!json_is_object(root))
		return err_set(e, ERR_INVALID, "features of the OCI runtime: %s",
			       root ? "not a JSON object" : why.text);
	ret->rro = oci_json_has_text(json_object_get(root, "mountOptions"), "rro");
	linux_part = json_object_get(root, "linux");
	ret->idmap = is_enabled(json_object_get(linux_part, "mountExtensions"), "idmap", "enabled");
	ret->net_devices = is_enabled(linux_part, "netDevices", "enabled");
	ret->rdt_schemata = is_enabled(linux_part, "intelRdt", "schemata");
	ret->rdt_monitoring = is_enabled(linux_part, "intelRdt", "monitoring");
	ret->no_checkpoint = lacks_checkpoint(root);
	return 0;
}
