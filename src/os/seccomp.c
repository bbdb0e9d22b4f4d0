/*
 * seccomp.c - build the built-in profile from its table, and parse profile files.
 */
#include "os/seccomp.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "os/caps.h"
#include "os/seccomp_table.h"

#define ENTRIES_MAX 4096 /* of "syscalls" */
#define NAMES_MAX 2048 /* of one entry */
#define ARGS_MAX 32 /* conditions of one entry */
#define ARCHES_MAX 16
#define FLAGS_MAX 8
#define NAME_MAX_BYTES 64
#define ERRNO_LAST 4095

/* The architectures of a profile. */
struct arches {
	uint32_t token[ARCHES_MAX];
	size_t n;
};

static void put(json_t *object, const char *key, json_t *value)
{
	int r = json_object_set_new(object, key, value);

	assert(r == 0);
}

static void push(json_t *array, json_t *value)
{
	int r = json_array_append_new(array, value);

	assert(r == 0);
}

/* --- architectures ------------------------------------------------------------------------ */

/* Names in the runtime spec, in Go programs, and the 32-bit sibling. */
static const struct arch_name {
	const char *name, *go_name;
	uint32_t token, compat;
} arch_names[] = {
	{ "SCMP_ARCH_X86_64", "amd64", SCMP_ARCH_X86_64, SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X86", "x86", SCMP_ARCH_X86, 0 },
	{ "SCMP_ARCH_X32", "x32", SCMP_ARCH_X32, 0 },
	{ "SCMP_ARCH_AARCH64", "arm64", SCMP_ARCH_AARCH64, SCMP_ARCH_ARM },
	{ "SCMP_ARCH_ARM", "arm", SCMP_ARCH_ARM, 0 },
	{ "SCMP_ARCH_PPC64LE", "ppc64le", SCMP_ARCH_PPC64LE, 0 },
	{ "SCMP_ARCH_PPC64", "ppc64", SCMP_ARCH_PPC64, 0 },
	{ "SCMP_ARCH_PPC", "ppc", SCMP_ARCH_PPC, 0 },
	{ "SCMP_ARCH_S390X", "s390x", SCMP_ARCH_S390X, 0 },
	{ "SCMP_ARCH_S390", "s390", SCMP_ARCH_S390, 0 },
	{ "SCMP_ARCH_RISCV64", "riscv64", SCMP_ARCH_RISCV64, 0 },
	{ "SCMP_ARCH_MIPS", "mips", SCMP_ARCH_MIPS, 0 },
	{ "SCMP_ARCH_MIPS64", "mips64", SCMP_ARCH_MIPS64, 0 },
	{ "SCMP_ARCH_MIPS64N32", "mips64n32", SCMP_ARCH_MIPS64N32, 0 },
	{ "SCMP_ARCH_MIPSEL", "mipsel", SCMP_ARCH_MIPSEL, 0 },
	{ "SCMP_ARCH_MIPSEL64", "mipsel64", SCMP_ARCH_MIPSEL64, 0 },
	{ "SCMP_ARCH_MIPSEL64N32", "mipsel64n32", SCMP_ARCH_MIPSEL64N32, 0 },
	{ "SCMP_ARCH_PARISC", "parisc", SCMP_ARCH_PARISC, 0 },
	{ "SCMP_ARCH_PARISC64", "parisc64", SCMP_ARCH_PARISC64, 0 },
};

static const struct arch_name *arch_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(arch_names); i++)
		if (strcmp(name, arch_names[i].name) == 0 ||
		    strcmp(name, arch_names[i].go_name) == 0)
			return &arch_names[i];
	return NULL;
}

static const struct arch_name *arch_by_token(uint32_t token)
{
	for (size_t i = 0; i < ARRAY_LEN(arch_names); i++)
		if (arch_names[i].token == token)
			return &arch_names[i];
	return NULL;
}

static const struct arch_name *arch_native(void)
{
	const struct arch_name *native = arch_by_token(seccomp_arch_native());

	assert(native);
	return native;
}

/* Does one of them have the system call?  Negative numbers mean "no". */
static bool arches_have(const struct arches *a, const char *syscall_name)
{
	for (size_t i = 0; i < a->n; i++)
		if (seccomp_syscall_resolve_name_arch(a->token[i], syscall_name) >= 0)
			return true;
	return false;
}

static json_t *arches_json(const struct arches *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->n; i++)
		push(list, json_string(arch_by_token(a->token[i])->name));
	return list;
}

/* --- the built-in profile ----------------------------------------------------------------- */

/* Is word one of the words of list, separated by single spaces?  False for an empty word and for
 * two words at once, since word may be untrusted. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	if (len == 0 || strchr(word, ' '))
		return false;
	for (const char *at = list; (at = strstr(at, word)); at += len)
		if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

static bool table_applies(const struct seccomp_table_rule *rule, uint64_t caps)
{
	if ((rule->caps_all & ~caps) || (rule->caps_none & caps))
		return false;
	return !rule->arches || has_word(rule->arches, arch_native()->name);
}

static void table_names(const struct seccomp_table_rule *rule, const struct arches *a, json_t *ret)
{
	char name[NAME_MAX_BYTES];

	for (const char *at = rule->names; *at;) {
		size_t len = strcspn(at, " ");

		assert(len < sizeof(name));
		memcpy(name, at, len);
		name[len] = '\0';
		if (arches_have(a, name))
			push(ret, json_string(name));
		at += len + (at[len] == ' ');
	}
}

static json_t *arg_json(const struct seccomp_table_arg *arg)
{
	json_t *out = json_object();

	put(out, "index", json_integer(arg->index));
	put(out, "value", json_integer((json_int_t)arg->value));
	put(out, "valueTwo", json_integer((json_int_t)arg->value2));
	put(out, "op", json_string(arg->op));
	return out;
}

json_t *seccomp_profile_default(uint64_t caps, bool compat)
{
	struct arches a = { .token = { arch_native()->token }, .n = 1 };
	json_t *profile = json_object(), *entries = json_array(), *plain = json_array();
	json_t *allow = json_object();

	if (compat && arch_native()->compat)
		a.token[a.n++] = arch_native()->compat;
	put(profile, "defaultAction", json_string("SCMP_ACT_ERRNO"));
	put(profile, "defaultErrnoRet", json_integer(EPERM));
	put(profile, "architectures", arches_json(&a));
	/* One entry for all unconditional names: each create and exec parses the text. */
	put(allow, "names", plain);
	put(allow, "action", json_string("SCMP_ACT_ALLOW"));
	push(entries, allow);
	for (const struct seccomp_table_rule *rule = seccomp_table; rule->names; rule++) {
		json_t *entry, *names, *args;

		if (!table_applies(rule, caps))
			continue;
		if (!rule->arg.op && !rule->errno_ret) {
			table_names(rule, &a, plain);
			continue;
		}
		entry = json_object();
		names = json_array();
		table_names(rule, &a, names);
		put(entry, "names", names);
		put(entry, "action",
		    json_string(rule->errno_ret ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW"));
		if (rule->errno_ret)
			put(entry, "errnoRet", json_integer(rule->errno_ret));
		if (rule->arg.op) {
			args = json_array();
			push(args, arg_json(&rule->arg));
			put(entry, "args", args);
		}
		if (json_array_size(names) > 0)
			push(entries, entry);
		else
			json_decref(entry);
	}
	put(profile, "syscalls", entries);
	return profile;
}

/* --- profile files ------------------------------------------------------------------------ */

/* Position of the parser, for error texts. */
struct profile_cursor {
	struct err *e;
	char path[128];
	uint64_t caps;
	struct arches arches;
	struct buf *unknown;
};

static int wrong(const struct profile_cursor *c, const char *member, const char *what)
{
	return err_set(c->e, ERR_INVALID, "%s%s: %s", c->path, member, what);
}

/* Check that every key of object is in allowed (separated by spaces). */
static int check_keys(const struct profile_cursor *c, json_t *object, const char *allowed)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		if (!has_word(allowed, key)) {
			_cleanup_buf_ struct buf clean = BUF_NULL;

			buf_add_clean(&clean, key, MIN(strlen(key), (size_t)64));
			return wrong(c, clean.data ? clean.data : "", "is not a known member");
		}
	}
	return 0;
}

/* 0 with *ret NULL: the member is absent or null. */
static int get_text(const struct profile_cursor *c, json_t *object, const char *key,
		    const char **ret)
{
	json_t *value = json_object_get(object, key);

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return wrong(c, key, "is not a string");
	*ret = json_string_value(value);
	return 0;
}

static int get_array(const struct profile_cursor *c, json_t *object, const char *key, size_t max,
		     json_t **ret)
{
	json_t *value = json_object_get(object, key);

	*ret = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_array(value))
		return wrong(c, key, "is not an array");
	if (json_array_size(value) > max)
		return wrong(c, key, "has too many elements");
	*ret = value;
	return 0;
}

/* Get an array of strings of bounded length; NULL: absent. */
static int get_texts(const struct profile_cursor *c, json_t *object, const char *key, size_t max,
		     json_t **ret)
{
	int r = get_array(c, object, key, max, ret);
	json_t *value;
	size_t i;

	if (r < 0)
		return r;
	json_array_foreach(
		*ret, i,
		value) if (!json_is_string(value) || json_string_length(value) == 0 ||
			   json_string_length(value) >=
				   NAME_MAX_BYTES) return wrong(c, key,
								"has an element that is not a "
								"string of 1 to 63 bytes");
	return 0;
}

static int get_number(const struct profile_cursor *c, json_t *object, const char *key,
		      json_int_t max, json_int_t *ret)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		return 1;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > max)
		return wrong(c, key, "is not a number in range");
	*ret = json_integer_value(value);
	return 0;
}

static int get_action(const struct profile_cursor *c, json_t *object, const char *key,
		      const char **ret)
{
	static const char actions[] =
		"SCMP_ACT_KILL SCMP_ACT_KILL_THREAD SCMP_ACT_KILL_PROCESS SCMP_ACT_TRAP "
		"SCMP_ACT_ERRNO SCMP_ACT_TRACE SCMP_ACT_ALLOW SCMP_ACT_LOG SCMP_ACT_NOTIFY";
	int r = get_text(c, object, key, ret);

	if (r < 0)
		return r;
	if (!*ret || !has_word(actions, *ret))
		return wrong(c, key, "is not an action such as SCMP_ACT_ERRNO");
	return 0;
}

/* Compare "4.8" with this kernel. */
static int kernel_at_least(const struct profile_cursor *c, const char *want, bool *ret)
{
	unsigned want_major, want_minor, major, minor;
	struct utsname name;
	char tail;

	if (sscanf(want, "%4u.%4u%c", &want_major, &want_minor, &tail) != 2)
		return wrong(c, "minKernel", "is not of the form \"4.8\"");
	if (uname(&name) < 0 || sscanf(name.release, "%4u.%4u", &major, &minor) != 2)
		return wrong(c, "minKernel", "cannot be compared with the version of this kernel");
	*ret = major > want_major || (major == want_major && minor >= want_minor);
	return 0;
}

/* Result of a filter ("includes" or "excludes") for this container, machine and kernel. */
struct condition {
	bool has_arch, arch;
	bool has_caps, caps_all, caps_any;
	bool has_kernel, kernel;
};

static int read_condition(struct profile_cursor *c, json_t *entry, const char *key,
			  struct condition *ret)
{
	json_t *object = json_object_get(entry, key), *list, *value;
	const char *text;
	size_t i;
	int r;

	if (!object || json_is_null(object))
		return 0;
	if (!json_is_object(object))
		return wrong(c, key, "is not an object");
	r = check_keys(c, object, "caps arches minKernel");
	if (r == 0)
		r = get_texts(c, object, "arches", ARCHES_MAX, &list);
	if (r < 0)
		return r;
	ret->has_arch = json_array_size(list) > 0;
	json_array_foreach(list, i, value) ret->arch |=
		arch_by_name(json_string_value(value)) == arch_native();
	r = get_texts(c, object, "caps", 64, &list);
	if (r < 0)
		return r;
	ret->has_caps = json_array_size(list) > 0;
	ret->caps_all = true;
	json_array_foreach(list, i, value)
	{
		unsigned number;
		bool have = caps_parse(json_string_value(value), &number) == 0 &&
			    (c->caps & CAPS_BIT(number));

		ret->caps_all &= have;
		ret->caps_any |= have;
	}
	r = get_text(c, object, "minKernel", &text);
	if (r < 0 || !text || !*text)
		return r;
	ret->has_kernel = true;
	return kernel_at_least(c, text, &ret->kernel);
}

static int entry_applies(struct profile_cursor *c, json_t *entry, bool *ret)
{
	struct condition in = { .has_arch = false }, out = { .has_arch = false };
	int r = read_condition(c, entry, "includes", &in);

	if (r == 0)
		r = read_condition(c, entry, "excludes", &out);
	if (r < 0)
		return r;
	*ret = !(in.has_arch && !in.arch) && !(in.has_caps && !in.caps_all) &&
	       !(in.has_kernel && !in.kernel) && !(out.has_arch && out.arch) &&
	       !(out.has_caps && out.caps_any) && !(out.has_kernel && out.kernel);
	return 0;
}

static bool name_is_sane(const char *name)
{
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && *name != '_')
			return false;
	return true;
}

static int read_name(struct profile_cursor *c, const char *name, json_t *ret)
{
	if (!name_is_sane(name))
		return wrong(c, "names", "has an element that is not the name of a system call");
	if (arches_have(&c->arches, name)) {
		push(ret, json_string(name));
		return 0;
	}
	/* Known for another architecture: not an unknown name. */
	if (c->unknown && seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR)
		buf_printf(c->unknown, "%s%s", c->unknown->len ? " " : "", name);
	return 0;
}

static int read_names(struct profile_cursor *c, json_t *entry, json_t *ret)
{
	const char *single;
	json_t *list, *value;
	size_t i;
	int r = get_text(c, entry, "name", &single);

	if (r == 0)
		r = get_texts(c, entry, "names", NAMES_MAX, &list);
	if (r < 0)
		return r;
	if (single && *single && json_array_size(list) > 0)
		return wrong(c, "name", "and names exclude each other");
	if (!(single && *single) && json_array_size(list) == 0)
		return wrong(c, "names", "is required");
	if (single && *single)
		return read_name(c, single, ret);
	json_array_foreach(list, i, value)
	{
		r = read_name(c, json_string_value(value), ret);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_arg(struct profile_cursor *c, json_t *arg, json_t *ret)
{
	static const char ops[] = "SCMP_CMP_NE SCMP_CMP_LT SCMP_CMP_LE SCMP_CMP_EQ SCMP_CMP_GE "
				  "SCMP_CMP_GT SCMP_CMP_MASKED_EQ";
	struct seccomp_table_arg out = { .index = 0 };
	json_int_t index = 0, value = 0, value2 = 0;
	int r;

	if (!json_is_object(arg))
		return wrong(c, "args", "has an element that is not an object");
	r = check_keys(c, arg, "index value valueTwo op");
	if (r == 0)
		r = get_number(c, arg, "index", 5, &index);
	if (r >= 0)
		r = get_number(c, arg, "value", INT64_MAX, &value);
	if (r >= 0)
		r = get_number(c, arg, "valueTwo", INT64_MAX, &value2);
	if (r >= 0)
		r = get_text(c, arg, "op", &out.op);
	if (r < 0)
		return r;
	if (!out.op || !has_word(ops, out.op))
		return wrong(c, "op", "is not a comparison such as SCMP_CMP_EQ");
	out.index = (unsigned)index;
	out.value = (uint64_t)value;
	out.value2 = (uint64_t)value2;
	push(ret, arg_json(&out));
	return 0;
}

static int read_args(struct profile_cursor *c, json_t *entry, json_t *out)
{
	json_t *list, *value, *args;
	size_t i;
	int r = get_array(c, entry, "args", ARGS_MAX, &list);

	if (r < 0 || json_array_size(list) == 0)
		return r;
	args = json_array();
	put(out, "args", args);
	json_array_foreach(list, i, value)
	{
		r = read_arg(c, value, args);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_entry(struct profile_cursor *c, json_t *entry, json_t *ret)
{
	json_t *out, *names;
	json_int_t number;
	const char *action;
	bool applies = false;
	int r;

	if (!json_is_object(entry))
		return wrong(c, "", "is not an object");
	r = check_keys(c, entry, "names name action errnoRet errno args includes excludes comment");
	if (r == 0)
		r = entry_applies(c, entry, &applies);
	if (r < 0)
		return r;
	/* Check an entry that does not apply too: it applies on other hosts. */
	out = json_object();
	names = json_array();
	put(out, "names", names);
	r = read_names(c, entry, names);
	if (r == 0)
		r = get_action(c, entry, "action", &action);
	if (r == 0) {
		put(out, "action", json_string(action));
		r = get_number(c, entry, "errnoRet", ERRNO_LAST, &number);
	}
	if (r == 0)
		put(out, "errnoRet", json_integer(number));
	if (r >= 0)
		r = read_args(c, entry, out);
	if (r >= 0 && applies && json_array_size(names) > 0)
		push(ret, json_incref(out));
	json_decref(out);
	return r < 0 ? r : 0;
}

static int add_arch(struct profile_cursor *c, const char *name)
{
	const struct arch_name *arch = arch_by_name(name);

	if (!arch)
		return wrong(c, "architectures", "has an element that no one knows here");
	for (size_t i = 0; i < c->arches.n; i++)
		if (c->arches.token[i] == arch->token)
			return 0;
	if (c->arches.n == ARCHES_MAX)
		return wrong(c, "architectures", "has too many elements");
	c->arches.token[c->arches.n++] = arch->token;
	return 0;
}

/* Read the entry of archMap for this machine. */
static int read_arch_map(struct profile_cursor *c, json_t *map)
{
	json_t *entry, *subs, *value;
	const char *name = NULL;
	size_t i, j;
	int r;

	json_array_foreach(map, i, entry)
	{
		if (!json_is_object(entry))
			return wrong(c, "archMap", "has an element that is not an object");
		r = check_keys(c, entry, "architecture subArchitectures");
		if (r == 0)
			r = get_text(c, entry, "architecture", &name);
		if (r == 0)
			r = get_texts(c, entry, "subArchitectures", ARCHES_MAX, &subs);
		if (r < 0)
			return r;
		if (!name || arch_by_name(name) != arch_native())
			continue;
		r = add_arch(c, name);
		json_array_foreach(subs, j, value) if (r == 0) r =
			add_arch(c, json_string_value(value));
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_arches(struct profile_cursor *c, json_t *root, json_t *out)
{
	json_t *list, *map, *value;
	size_t i;
	int r = get_texts(c, root, "architectures", ARCHES_MAX, &list);

	if (r == 0)
		r = get_array(c, root, "archMap", ARCHES_MAX * 4, &map);
	if (r < 0)
		return r;
	if (json_array_size(list) > 0 && json_array_size(map) > 0)
		return wrong(c, "architectures", "and archMap exclude each other");
	json_array_foreach(list, i, value)
	{
		r = add_arch(c, json_string_value(value));
		if (r < 0)
			return r;
	}
	r = read_arch_map(c, map);
	if (r < 0)
		return r;
	if (c->arches.n > 0)
		put(out, "architectures", arches_json(&c->arches));
	/* The runtime's filter always includes the native architecture. */
	return add_arch(c, arch_native()->name);
}

static int read_head(struct profile_cursor *c, json_t *root, json_t *out)
{
	const char *action, *text;
	json_int_t number;
	json_t *flags;
	int r = check_keys(c, root,
			   "defaultAction defaultErrnoRet defaultErrno architectures archMap flags "
			   "listenerPath listenerMetadata syscalls comment");

	if (r == 0)
		r = get_action(c, root, "defaultAction", &action);
	if (r < 0)
		return r;
	put(out, "defaultAction", json_string(action));
	r = get_number(c, root, "defaultErrnoRet", ERRNO_LAST, &number);
	if (r == 0)
		put(out, "defaultErrnoRet", json_integer(number));
	if (r >= 0)
		r = get_texts(c, root, "flags", FLAGS_MAX, &flags);
	if (r == 0 && flags)
		put(out, "flags", json_incref(flags));
	if (r == 0)
		r = get_text(c, root, "listenerPath", &text);
	if (r == 0 && text)
		put(out, "listenerPath", json_string(text));
	if (r == 0)
		r = get_text(c, root, "listenerMetadata", &text);
	if (r == 0 && text)
		put(out, "listenerMetadata", json_string(text));
	return r == 0 ? read_arches(c, root, out) : r;
}

static int read_profile(struct profile_cursor *c, json_t *root, json_t *out)
{
	json_t *list, *entry, *entries = json_array();
	size_t i;
	int r = 0;

	put(out, "syscalls", entries);
	if (!json_is_object(root))
		return wrong(c, "", "the profile is not a JSON object");
	r = read_head(c, root, out);
	if (r == 0)
		r = get_array(c, root, "syscalls", ENTRIES_MAX, &list);
	if (r < 0)
		return r;
	json_array_foreach(list, i, entry)
	{
		snprintf(c->path, sizeof(c->path), "syscalls[%zu].", i);
		r = read_entry(c, entry, entries);
		if (r < 0)
			return r;
	}
	return 0;
}

int seccomp_profile_parse(const char *text, size_t size, uint64_t caps, struct buf *unknown,
			  json_t **ret, struct err *e)
{
	struct profile_cursor c = { .e = e, .caps = caps, .unknown = unknown };
	json_error_t why;
	json_t *root, *out;
	int r;

	if (size > SECCOMP_PROFILE_MAX)
		return err_set(e, ERR_INVALID, "the profile is larger than %d bytes",
			       SECCOMP_PROFILE_MAX);
	root = json_loadb(text ? text : "", size, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return err_set(e, ERR_INVALID, "line %d: %s", why.line, why.text);
	out = json_object();
	r = read_profile(&c, root, out);
	json_decref(root);
	if (r < 0) {
		json_decref(out);
		return r;
	}
	*ret = out;
	return 0;
}

int seccomp_profile_load(const char *path, uint64_t caps, struct buf *unknown, json_t **ret,
			 struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_trusted(path, SECCOMP_PROFILE_MAX, &text, e);

	if (r > 0)
		return err_set(e, ERR_PRECONDITION, "seccomp profile %s does not exist", path);
	if (r == 0)
		r = seccomp_profile_parse(text.data, text.len, caps, unknown, ret, e);
	return r < 0 ? err_wrap(e, "seccomp profile %s", path) : 0;
}
