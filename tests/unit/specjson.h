/*
 * specjson.h - for tests of the spec builder: its input as JSON text, so that a case is data.
 *
 * CRI messages are read by their descriptors (field names as in the schema, enums by name or
 * number, maps as objects).  Anything that does not fit ends the program: a test with a misspelled
 * field would test nothing.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cdi/catalog.h"
#include "oci/spec.h"

static inline void specjson_die(const char *what, const char *name)
{
	fprintf(stderr, "specjson: %s: %s\n", what, name);
	abort();
}

static ProtobufCMessage *specjson_message(const ProtobufCMessageDescriptor *desc, json_t *json);

static inline int specjson_enum(const ProtobufCFieldDescriptor *f, json_t *value)
{
	const ProtobufCEnumValue *found;

	if (json_is_integer(value))
		return (int)json_integer_value(value);
	found = protobuf_c_enum_descriptor_get_value_by_name(f->descriptor,
							     json_string_value(value));
	if (!found)
		specjson_die("unknown enum value", json_string_value(value));
	return found->value;
}

static inline void specjson_value(const ProtobufCFieldDescriptor *f, json_t *value, void *to)
{
	ProtobufCBinaryData *bytes = to;

	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_STRING:
		if (!json_is_string(value))
			specjson_die("not a string", f->name);
		*(char **)to = xstrdup(json_string_value(value));
		break;
	case PROTOBUF_C_TYPE_BYTES:
		bytes->len = json_string_length(value);
		bytes->data = (uint8_t *)xstrdup(json_string_value(value));
		break;
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(value))
			specjson_die("not a boolean", f->name);
		*(protobuf_c_boolean *)to = json_is_true(value);
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		*(uint32_t *)to = (uint32_t)json_integer_value(value);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		*(int64_t *)to = json_integer_value(value);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		*(int *)to = specjson_enum(f, value);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)to = specjson_message(f->descriptor, value);
		break;
	default:
		specjson_die("field type not supported", f->name);
	}
}

static inline size_t specjson_size(const ProtobufCFieldDescriptor *f)
{
	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return 8;
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

/* An object given for a repeated field is a map. */
static inline json_t *specjson_entries(json_t *value)
{
	json_t *list, *member;
	const char *key;

	if (json_is_array(value))
		return json_incref(value);
	list = json_array();
	json_object_foreach(value, key, member)
		json_array_append_new(list, json_pack("{s:s, s:O}", "key", key, "value", member));
	return list;
}

static inline void specjson_field(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
				  json_t *value)
{
	char *to = (char *)m + f->offset;
	json_t *list, *item;
	char *array;
	size_t i;

	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		specjson_value(f, value, to);
		return;
	}
	list = specjson_entries(value);
	array = xcalloc(json_array_size(list) + 1, specjson_size(f));
	json_array_foreach(list, i, item) specjson_value(f, item, array + i * specjson_size(f));
	*(char **)(void *)to = array;
	*(size_t *)(void *)((char *)m + f->quantifier_offset) = json_array_size(list);
	json_decref(list);
}

static ProtobufCMessage *specjson_message(const ProtobufCMessageDescriptor *desc, json_t *json)
{
	ProtobufCMessage *m = xcalloc(1, desc->sizeof_message);
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		specjson_die("not an object", desc->short_name);
	desc->message_init(m);
	json_object_foreach(json, key, value)
	{
		const ProtobufCFieldDescriptor *f =
			protobuf_c_message_descriptor_get_field_by_name(desc, key);

		if (!f)
			specjson_die("unknown field", key);
		specjson_field(m, f, value);
	}
	return m;
}

/* Everything a case owns; the input points into it. */
struct specjson {
	json_t *json;
	struct conf conf;
	struct image_config image;
	struct oci_features features;
	struct os_security host;
	struct cdi_catalog *cdi; /* of the case's cdi_spec_dirs */
	struct oci_spec_input in;
};

static inline char **specjson_list(json_t *array)
{
	char **list = array ? xcalloc(json_array_size(array) + 1, sizeof(*list)) : NULL;
	json_t *value;
	size_t i;

	json_array_foreach(array, i, value) list[i] =
		json_is_string(value) ? xstrdup(json_string_value(value)) : NULL;
	return list;
}

static inline void specjson_list_free(char **list, size_t n)
{
	for (size_t i = 0; list && (n ? i < n : list[i] != NULL); i++)
		free(list[i]);
	free(list);
}

static inline const char *specjson_text(const struct specjson *s, const char *key)
{
	return json_string_value(json_object_get(s->json, key));
}

static inline char *specjson_copy(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? xstrdup(text) : NULL;
}

static inline void specjson_image(struct specjson *s)
{
	json_t *image = json_object_get(s->json, "image");

	s->image = (struct image_config){
		.entrypoint = specjson_list(json_object_get(image, "entrypoint")),
		.cmd = specjson_list(json_object_get(image, "cmd")),
		.env = specjson_list(json_object_get(image, "env")),
		.volumes = specjson_list(json_object_get(image, "volumes")),
		.working_dir = specjson_copy(image, "working_dir"),
		.user = specjson_copy(image, "user"),
		.stop_signal = specjson_copy(image, "stop_signal"),
		.architecture = specjson_copy(image, "architecture"),
	};
	s->in.image = image ? &s->image : NULL;
}

static inline void specjson_flag(json_t *object, const char *key, bool *flag)
{
	json_t *value = json_object_get(object, key);

	if (value)
		*flag = json_is_true(value);
}

/* The probed host with what the case changes: flags by name, "bounding" as a number. */
static inline void specjson_host(struct specjson *s)
{
	json_t *host = json_object_get(s->json, "host"), *features, *value;
	struct err e = ERR_NULL;

	if (os_security_probe(&s->host, &e) < 0)
		specjson_die("probe", e.text);
	specjson_flag(host, "seccomp", &s->host.seccomp);
	specjson_flag(host, "apparmor", &s->host.apparmor);
	specjson_flag(host, "selinux", &s->host.selinux);
	specjson_flag(host, "rro", &s->host.rro);
	specjson_flag(host, "cgroup_v2", &s->host.cgroup_v2);
	specjson_flag(host, "swap", &s->host.swap);
	specjson_flag(host, "hugetlb", &s->host.hugetlb);
	specjson_flag(host, "may_raise_limits", &s->host.may_raise_limits);
	value = json_object_get(host, "bounding");
	if (value)
		s->host.bounding = (uint64_t)json_integer_value(value);
	value = json_object_get(host, "oom_score_adj_min");
	if (value)
		s->host.oom_score_adj_min = json_integer_value(value);
	features = json_object_get(s->json, "features");
	specjson_flag(features, "rro", &s->features.rro);
	specjson_flag(features, "idmap", &s->features.idmap);
	specjson_flag(features, "net_devices", &s->features.net_devices);
	specjson_flag(features, "rdt_schemata", &s->features.rdt_schemata);
}

/* "conf" is an object of keys as the daemon's flags have them; a list is given entry by entry. */
static inline void specjson_conf(struct specjson *s)
{
	json_t *conf = json_object_get(s->json, "conf"), *value, *item;
	struct err e = ERR_NULL;
	const char *key;
	size_t i;

	conf_init(&s->conf);
	json_object_foreach(conf, key, value)
	{
		if (json_is_string(value) &&
		    conf_set(&s->conf, key, json_string_value(value), &e) < 0)
			specjson_die(key, e.text);
		json_array_foreach(value, i, item) if (conf_set(&s->conf, key,
								json_string_value(item), &e) < 0)
			specjson_die(key, e.text);
	}
}

static inline void specjson_load(struct specjson *s, const char *text)
{
	json_error_t why;
	json_t *config, *sandbox;

	*s = (struct specjson){ .json = json_loads(text, JSON_REJECT_DUPLICATES, &why) };
	if (!s->json)
		specjson_die(why.text, text);
	config = json_object_get(s->json, "config");
	sandbox = json_object_get(s->json, "sandbox");
	specjson_image(s);
	specjson_host(s);
	specjson_conf(s);
	if (config)
		s->in.config = (void *)specjson_message(&runtime__v1__container_config__descriptor,
							config);
	s->in.sandbox =
		(void *)specjson_message(&runtime__v1__pod_sandbox_config__descriptor, sandbox);
	s->in.init_args = (void *)specjson_list(json_object_get(s->json, "init_args"));
	s->in.image_mount_sources =
		(void *)specjson_list(json_object_get(s->json, "image_mount_sources"));
	s->in.id = "c0ffee";
	s->in.sandbox_id = "decaf";
	s->in.rootfs = specjson_text(s, "rootfs");
	s->in.dir = specjson_text(s, "dir");
	s->in.image_name = specjson_text(s, "image_name");
	s->in.netns = specjson_text(s, "netns");
	s->in.ipcns = specjson_text(s, "ipcns");
	s->in.utsns = specjson_text(s, "utsns");
	s->in.pidns = specjson_text(s, "pidns");
	s->in.userns = specjson_text(s, "userns");
	s->in.target_pid = (pid_t)json_integer_value(json_object_get(s->json, "target_pid"));
	s->in.cgroups_path = specjson_text(s, "cgroups_path");
	s->in.hostname = specjson_text(s, "hostname");
	s->in.resolv_conf = specjson_text(s, "resolv_conf");
	s->in.hosts_file = specjson_text(s, "hosts_file");
	s->in.hostname_file = specjson_text(s, "hostname_file");
	s->in.shm = specjson_text(s, "shm");
	s->in.apparmor_default = specjson_text(s, "apparmor_default");
	s->in.cdi = s->cdi = cdi_catalog_read(s->conf.cdi_spec_dirs, NULL);
	s->in.conf = &s->conf;
	s->in.features = &s->features;
	s->in.host = &s->host;
}

static inline void specjson_done(struct specjson *s)
{
	size_t n_mounts = s->in.config ? s->in.config->n_mounts : 0;

	specjson_list_free((char **)(void *)s->in.image_mount_sources, n_mounts);
	specjson_list_free((char **)(void *)s->in.init_args, 0);
	if (s->in.config)
		protobuf_c_message_free_unpacked((ProtobufCMessage *)(void *)s->in.config, NULL);
	protobuf_c_message_free_unpacked((ProtobufCMessage *)(void *)s->in.sandbox, NULL);
	specjson_list_free(s->image.entrypoint, 0);
	specjson_list_free(s->image.cmd, 0);
	specjson_list_free(s->image.env, 0);
	specjson_list_free(s->image.volumes, 0);
	free(s->image.working_dir);
	free(s->image.user);
	free(s->image.stop_signal);
	free(s->image.architecture);
	cdi_catalog_unref(s->cdi);
	conf_done(&s->conf);
	json_decref(s->json);
}
