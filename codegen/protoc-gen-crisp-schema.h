/*
 * protoc-gen-crisp-schema.h - messages, enums and RPCs of a descriptor set, linked, with protoc-c's
 * C names.
 * The schema points into its descriptors, which must outlive it.  No memory is freed: the programs
 * print their result and exit.
 */
#pragma once

#include <google/protobuf/descriptor.pb-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "emit.h"

struct message;
struct enumeration;

/* Mistakes found during generation, one "file:line: text" a line. */
struct diag {
	struct emit text;
	unsigned n;
};

#define DIAG_NULL ((struct diag){ .n = 0 })

/* line 0: the whole file. */
void diag_add(struct diag *d, const char *file, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* printf into new memory; out of memory ends the program. */
char *text_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* calloc; out of memory ends the program. */
void *memory_zeroed(size_t n, size_t size);

struct field {
	const Google__Protobuf__FieldDescriptorProto *d;
	const char *name;
	const char *c_name; /* the struct member */
	struct message *parent;
	struct message *message; /* type of a message field, else NULL */
	struct enumeration *enumeration; /* type of an enum field, else NULL */
	bool repeated; /* maps too */
	bool map;
	bool redact;
	bool deprecated;
};

struct message {
	const Google__Protobuf__DescriptorProto *d;
	const char *full; /* "runtime.v1.SecurityProfile" */
	const char *name; /* the part after the package */
	const char *c_type; /* "Runtime__V1__SecurityProfile" */
	const char *c_lower; /* "runtime__v1__security_profile": prefix of functions */
	const char *c_upper; /* "RUNTIME__V1__SECURITY_PROFILE" */
	const char *c_init; /* "RUNTIME__V1__SECURITY_PROFILE__INIT" */
	const char *file;
	bool map_entry;
	struct field *fields;
	size_t n_fields;
	/* For the generators: the validator's marks messages that need a function. */
	bool wanted;
};

struct enumeration {
	const Google__Protobuf__EnumDescriptorProto *d;
	const char *full;
	const char *name;
	const char *c_type;
	const char *c_lower;
	const char *c_upper; /* "RUNTIME__V1__SIGNAL": prefix of its values */
	bool wanted;
};

struct rpc {
	const Google__Protobuf__MethodDescriptorProto *d;
	const char *name;
	const char *service; /* "RuntimeService" */
	const char *service_full; /* "runtime.v1.RuntimeService" */
	const char *snake; /* "run_pod_sandbox" */
	const char *upper; /* "RUN_POD_SANDBOX" */
	const char *comment; /* leading comment, one line, or NULL */
	const char *file;
	unsigned line;
	struct message *request;
	struct message *response;
	bool client_stream;
	bool server_stream;
};

struct schema {
	struct message *messages;
	size_t n_messages;
	struct enumeration *enums;
	size_t n_enums;
	struct rpc *rpcs;
	size_t n_rpcs;
};

/* Build the schema of n files.  paths[i]: name of files[i] in diagnostics.  Unsupported features
 * (oneofs, proto2, optional, client streams) are reported in d. */
void schema_load(struct schema *s, Google__Protobuf__FileDescriptorProto *const *files,
		 const char *const *paths, size_t n, struct diag *d);

/* schema_load of a descriptor set's file, without Google's own messages. */
void schema_read(struct schema *s, const char *path, struct diag *d);

/* Find by full name, or by the name after the package; name need not be NUL-terminated.  NULL: not
 * found.  *ret_ambiguous: a short name matches several packages. */
struct message *schema_find_message(const struct schema *s, const char *name, size_t len,
				    bool *ret_ambiguous);

struct field *message_find_field(const struct message *m, const char *name, size_t len);

/* "uint32", "string", the name of the message or enum, or "map<K, V>": as in a .proto file. */
const char *field_type_name(const struct field *f);

/* A string field, singular or repeated. */
bool field_is_text(const struct field *f);

/* protoc-c's spelling: "DNSConfig" to "dnsconfig", "PodIP" to "pod_ip". */
char *name_to_snake(const char *name);
char *name_to_camel(const char *name);
char *name_to_upper(const char *name);

/* Apply one to each part of a dotted name and join the results by "__". */
char *name_join(const char *dotted, char *(*one)(const char *));

/* The struct member of a field: lower case, an underscore behind C++'s keywords. */
const char *field_c_name(const char *name);
