/*
 * test_seccomp.c - the built-in seccomp profile decides as its table says, on the BPF that
 * libseccomp compiles. Profile files are parsed strictly.
 *
 * Decisions are taken from the very filters: libseccomp compiles a profile to BPF, which is
 * interpreted here for every system call number and for the arguments that rules look at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "os/caps.h"
#include "os/seccomp.h"
#include "os/seccomp_table.h"

#define PROGRAM_MAX 65536
#define LAST_NUMBER 1100
#define EVERYTHING (CAPS_BIT(CAP_LAST_CAP + 1) - 1)

struct program {
	struct sock_filter *code;
	size_t n;
};

/* --- a filter out of rules -------------------------------------------------------------------- */

static enum scmp_compare op_of(const char *name)
{
	static const char *const names[] = { "",
					     "SCMP_CMP_NE",
					     "SCMP_CMP_LT",
					     "SCMP_CMP_LE",
					     "SCMP_CMP_EQ",
					     "SCMP_CMP_GE",
					     "SCMP_CMP_GT",
					     "SCMP_CMP_MASKED_EQ" };

	for (size_t i = 1; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (enum scmp_compare)i;
	fail_msg("operator %s", name);
	return _SCMP_CMP_MIN;
}

/* As the runtime does: names that are not known are passed over. */
static void add_rule(scmp_filter_ctx ctx, const char *name, uint32_t action,
		     const struct seccomp_table_arg *arg)
{
	int number = seccomp_syscall_resolve_name(name);
	struct scmp_arg_cmp cmp = { .arg = 0 };

	if (number == __NR_SCMP_ERROR)
		return;
	if (arg)
		cmp = (struct scmp_arg_cmp){ arg->index, op_of(arg->op), arg->value, arg->value2 };
	assert_int_equal(seccomp_rule_add_array(ctx, action, number, arg != NULL, &cmp), 0);
}

static void export(scmp_filter_ctx ctx, struct program *ret)
{
	int fd = memfd_create("bpf", MFD_CLOEXEC);
	ssize_t size;

	assert_true(fd >= 0);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	ret->code = xcalloc(PROGRAM_MAX, sizeof(*ret->code));
	size = pread(fd, ret->code, PROGRAM_MAX * sizeof(*ret->code), 0);
	assert_true(size > 0);
	ret->n = (size_t)size / sizeof(*ret->code);
	close(fd);
	seccomp_release(ctx);
}

/* Every name of the table, for every architecture that engines list on this machine. */
static void compile_full(uint64_t caps, struct program *ret)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	assert_non_null(ctx);
	if (seccomp_arch_native() == SCMP_ARCH_X86_64) {
		assert_int_equal(seccomp_arch_add(ctx, SCMP_ARCH_X86), 0);
		assert_int_equal(seccomp_arch_add(ctx, SCMP_ARCH_X32), 0);
	}
	for (const struct seccomp_table_rule *rule = seccomp_table; rule->names; rule++) {
		_cleanup_free_ char *names = xstrdup(rule->names);
		char *rest = names, *name;

		if ((rule->caps_all & ~caps) || (rule->caps_none & caps))
			continue;
		if (rule->arches && !strstr(rule->arches, "SCMP_ARCH_X86_64"))
			continue;
		while ((name = strsep(&rest, " ")))
			add_rule(ctx, name,
				 rule->errno_ret ? SCMP_ACT_ERRNO((uint32_t)rule->errno_ret)
						 : SCMP_ACT_ALLOW,
				 rule->arg.op ? &rule->arg : NULL);
	}
	export(ctx, ret);
}

static void add_entry(scmp_filter_ctx ctx, json_t *entry)
{
	json_t *arg = json_array_get(json_object_get(entry, "args"), 0), *name;
	struct seccomp_table_arg cond = {
		.index = (unsigned)json_integer_value(json_object_get(arg, "index")),
		.value = (uint64_t)json_integer_value(json_object_get(arg, "value")),
		.value2 = (uint64_t)json_integer_value(json_object_get(arg, "valueTwo")),
		.op = json_string_value(json_object_get(arg, "op")),
	};
	json_int_t errno_ret = json_integer_value(json_object_get(entry, "errnoRet"));
	size_t i;

	json_array_foreach(json_object_get(entry, "names"), i, name)
	{
		/* None is left in for nothing. */
		assert_true(seccomp_syscall_resolve_name(json_string_value(name)) !=
			    __NR_SCMP_ERROR);
		add_rule(ctx, json_string_value(name),
			 errno_ret ? SCMP_ACT_ERRNO((uint32_t)errno_ret) : SCMP_ACT_ALLOW,
			 arg ? &cond : NULL);
	}
}

static void compile_profile(json_t *profile, struct program *ret)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	json_t *entry;
	size_t i;

	assert_string_equal(json_string_value(json_object_get(profile, "defaultAction")),
			    "SCMP_ACT_ERRNO");
	assert_int_equal(json_integer_value(json_object_get(profile, "defaultErrnoRet")), EPERM);
	json_array_foreach(json_object_get(profile, "syscalls"), i, entry) add_entry(ctx, entry);
	export(ctx, ret);
}

/* --- running it ------------------------------------------------------------------------------- */

static uint32_t alu(const struct sock_filter *in, uint32_t a)
{
	assert_int_equal(BPF_OP(in->code), BPF_AND);
	return a & in->k;
}

static bool jump(const struct sock_filter *in, uint32_t a)
{
	switch (BPF_OP(in->code)) {
	case BPF_JEQ:
		return a == in->k;
	case BPF_JGT:
		return a > in->k;
	case BPF_JGE:
		return a >= in->k;
	case BPF_JSET:
		return a & in->k;
	}
	fail_msg("jump %x", in->code);
	return false;
}

static uint32_t run(const struct program *p, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < p->n; pc++) {
		const struct sock_filter *in = &p->code[pc];

		switch (BPF_CLASS(in->code)) {
		case BPF_LD:
			assert_true(in->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + in->k, 4);
			break;
		case BPF_ALU:
			a = alu(in, a);
			break;
		case BPF_JMP:
			if (BPF_OP(in->code) == BPF_JA)
				pc += in->k;
			else
				pc += jump(in, a) ? in->jt : in->jf;
			break;
		case BPF_RET:
			return in->k;
		default:
			fail_msg("instruction %x", in->code);
		}
	}
	fail_msg("the filter has no end");
	return 0;
}

static uint32_t decide(const struct program *p, int number, uint64_t arg0, uint64_t arg1)
{
	struct seccomp_data data = { .nr = number,
				     .arch = seccomp_arch_native(),
				     .args = { arg0, arg1 } };

	return run(p, &data);
}

static int number_of(const char *name)
{
	return seccomp_syscall_resolve_name(name);
}

static const uint64_t interesting[] = {
	0,	    1,		8,	    16,	     39,	 40,	      41,
	0x20000,    0x20008,	0x20009,    0x40000, 0xffffffff, 0x100000000, 0x100000028,
	0x10000000, 0x7e020000, 0x02000000, 0x80,    0x11,	 UINT64_MAX,
};

static void compare(uint64_t caps, bool compat)
{
	json_t *profile = seccomp_profile_default(caps, compat);
	struct program full, pruned;

	compile_full(caps, &full);
	compile_profile(profile, &pruned);
	for (int nr = 0; nr < LAST_NUMBER; nr++) {
		for (size_t i = 0; i < ARRAY_LEN(interesting); i++) {
			uint32_t want = decide(&full, nr, interesting[i], 0);
			uint32_t got = decide(&pruned, nr, interesting[i], 0);

			if (want != got)
				fail_msg("call %d, argument %llx, capabilities %llx: %x, was %x",
					 nr, (unsigned long long)interesting[i],
					 (unsigned long long)caps, got, want);
		}
	}
	free(full.code);
	free(pruned.code);
	json_decref(profile);
}

static void pruned_decides_as_full(void **state)
{
	(void)state;
	compare(0, false);
	compare(0, true);
	compare(caps_known(), false);
	for (unsigned i = 0; caps_name(i); i++)
		compare(CAPS_BIT(i), false);
}

static void default_decides_as_meant(void **state)
{
	static const struct {
		const char *name;
		uint64_t caps, arg0;
		uint32_t action;
	} cases[] = {
		{ "read", 0, 0, SECCOMP_RET_ALLOW },
		{ "openat2", 0, 0, SECCOMP_RET_ALLOW },
		{ "mount", 0, 0, SECCOMP_RET_ERRNO | EPERM },
		{ "mount", CAPS_BIT(CAP_SYS_ADMIN), 0, SECCOMP_RET_ALLOW },
		{ "unshare", 0, 0x10000000, SECCOMP_RET_ERRNO | EPERM },
		{ "clone", 0, 0x11, SECCOMP_RET_ALLOW },
		{ "clone", 0, 0x10000011, SECCOMP_RET_ERRNO | EPERM },
		{ "clone", CAPS_BIT(CAP_SYS_ADMIN), 0x10000011, SECCOMP_RET_ALLOW },
		{ "clone3", 0, 0, SECCOMP_RET_ERRNO | ENOSYS },
		{ "clone3", CAPS_BIT(CAP_SYS_ADMIN), 0, SECCOMP_RET_ALLOW },
		{ "socket", 0, 2, SECCOMP_RET_ALLOW },
		{ "socket", 0, 40, SECCOMP_RET_ERRNO | EPERM },
		{ "personality", 0, 0, SECCOMP_RET_ALLOW },
		{ "personality", 0, 0x40000, SECCOMP_RET_ERRNO | EPERM },
		{ "io_uring_setup", EVERYTHING, 0, SECCOMP_RET_ERRNO | EPERM },
		{ "keyctl", EVERYTHING, 0, SECCOMP_RET_ERRNO | EPERM },
		{ "kexec_load", EVERYTHING, 0, SECCOMP_RET_ERRNO | EPERM },
		{ "init_module", 0, 0, SECCOMP_RET_ERRNO | EPERM },
		{ "init_module", CAPS_BIT(CAP_SYS_MODULE), 0, SECCOMP_RET_ALLOW },
		{ "bpf", CAPS_BIT(CAP_BPF), 0, SECCOMP_RET_ALLOW },
		{ "chroot", CAPS_BIT(CAP_SYS_CHROOT), 0, SECCOMP_RET_ALLOW },
		{ "ptrace", 0, 0, SECCOMP_RET_ALLOW },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *profile = seccomp_profile_default(cases[i].caps, false);
		struct program p;
		uint32_t got;

		compile_profile(profile, &p);
		got = decide(&p, number_of(cases[i].name), cases[i].arg0, 0);
		if (got != cases[i].action)
			fail_msg("%s(%llx): %x", cases[i].name, (unsigned long long)cases[i].arg0,
				 got);
		free(p.code);
		json_decref(profile);
	}
}

/* --- profile files ---------------------------------------------------------------------------- */

#define ALLOW_ENTRY(more) \
	"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"action\":\"SCMP_ACT_ALLOW\"," more \
	"}]}"

static void refuses_bad_profiles(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "line 1" },
		{ "[]", "not a JSON object" },
		{ "{}", "defaultAction: is not an action" },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTHING\"}", "defaultAction" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO SCMP_ACT_TRACE\"}", "defaultAction" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
		  "duplicate" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"sycalls\":[]}",
		  "sycalls: is not a known" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"\":1}", "is not a known" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls comment\":1}",
		  "is not a known" },
		{ "{\"defaultAction\":\"\"}", "defaultAction" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":-1}",
		  "defaultErrnoRet" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_VAX\"]}",
		  "architectures" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86\"],"
		  "\"archMap\":[{}]}",
		  "exclude each other" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[7]}", "syscalls[0]" },
		{ ALLOW_ENTRY("\"names\":[]"), "syscalls[0].names: is required" },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"name\":\"read\""), "exclude each other" },
		{ ALLOW_ENTRY("\"names\":[\"re ad\"]"), "not the name of a system call" },
		{ ALLOW_ENTRY("\"names\":[7]"), "syscalls[0].names" },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"arg\":[]"),
		  "syscalls[0].arg: is not a known" },
		{ ALLOW_ENTRY(
			  "\"names\":[\"read\"],\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]"),
		  "index" },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"args\":[{\"index\":0,\"op\":\"EQ\"}]"),
		  "op" },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"includes\":{\"minKernel\":\"4\"}"),
		  "minKernel" },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"includes\":{\"cap\":[]}"),
		  "cap: is not a known" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_NULL;
		json_t *profile = NULL;

		assert_true(seccomp_profile_parse(cases[i].text, strlen(cases[i].text), 0, NULL,
						  &profile, &e) < 0);
		assert_null(profile);
		if (!strstr(e.text, cases[i].error))
			fail_msg("%s: \"%s\"", cases[i].text, e.text);
	}
}

static void decides_conditions(void **state)
{
	static const struct {
		const char *text;
		uint64_t caps;
		bool applies;
	} cases[] = {
		{ ALLOW_ENTRY("\"name\":\"read\""), 0, true },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"includes\":{},\"excludes\":{}"), 0, true },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"includes\":{\"caps\":[\"CAP_CHOWN\"]}"), 0,
		  false },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"includes\":{\"caps\":[\"CAP_CHOWN\"]}"), 1,
		  true },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"includes\":{\"caps\":[\"CAP_CHOWN\",\"CAP_"
			      "NEW\"]}"),
		  1, false },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"excludes\":{\"caps\":[\"CAP_KILL\",\"CAP_"
			      "CHOWN\"]}"),
		  1, false },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"excludes\":{\"caps\":[\"CAP_KILL\"]}"), 1,
		  true },
		{ ALLOW_ENTRY(
			  "\"names\":[\"read\"],\"includes\":{\"arches\":[\"s390\",\"s390x\"]}"),
		  0, false },
		{ ALLOW_ENTRY(
			  "\"names\":[\"read\"],\"excludes\":{\"arches\":[\"s390\",\"s390x\"]}"),
		  0, true },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"includes\":{\"minKernel\":\"4.8\"}"), 0,
		  true },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"includes\":{\"minKernel\":\"999.0\"}"), 0,
		  false },
		{ ALLOW_ENTRY("\"names\":[\"read\"],\"excludes\":{\"minKernel\":\"4.8\"}"), 0,
		  false },
		{ ALLOW_ENTRY("\"names\":[\"no_such_call\"]"), 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_NULL;
		json_t *profile = NULL;
		int r = seccomp_profile_parse(cases[i].text, strlen(cases[i].text), cases[i].caps,
					      NULL, &profile, &e);

		if (r < 0)
			fail_msg("%s: %s", cases[i].text, e.text);
		if (json_array_size(json_object_get(profile, "syscalls")) != cases[i].applies)
			fail_msg("%s", cases[i].text);
		json_decref(profile);
	}
}

static void keeps_what_it_understands(void **state)
{
	static const char text[] =
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"archMap\":["
		"{\"architecture\":\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_X86\"]},"
		"{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":[\"SCMP_ARCH_ARM\"]}]"
		","
		"\"syscalls\":[{\"names\":[\"read\",\"made_up\",\"other_one\"],\"action\":"
		"\"SCMP_ACT_ERRNO\",\"errnoRet\":7,\"comment\":\"\",\"args\":[{\"index\":1,"
		"\"value\":3,"
		"\"valueTwo\":4,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]}";
	_cleanup_buf_ struct buf unknown = BUF_NULL;
	struct err e = ERR_NULL;
	json_t *profile = NULL, *entry, *arg;

	(void)state;
	assert_int_equal(seccomp_profile_parse(text, strlen(text), 0, &unknown, &profile, &e), 0);
	assert_string_equal(unknown.data, "made_up other_one");
	assert_int_equal(json_integer_value(json_object_get(profile, "defaultErrnoRet")), 38);
	assert_int_equal(json_array_size(json_object_get(profile, "architectures")), 2);
	entry = json_array_get(json_object_get(profile, "syscalls"), 0);
	assert_int_equal(json_array_size(json_object_get(entry, "names")), 1);
	assert_int_equal(json_integer_value(json_object_get(entry, "errnoRet")), 7);
	arg = json_array_get(json_object_get(entry, "args"), 0);
	assert_int_equal(json_integer_value(json_object_get(arg, "index")), 1);
	assert_int_equal(json_integer_value(json_object_get(arg, "valueTwo")), 4);
	json_decref(profile);
}

static void names_capabilities(void **state)
{
	unsigned number = 99;

	(void)state;
	assert_int_equal(caps_parse("CAP_NET_ADMIN", &number), 0);
	assert_int_equal(number, CAP_NET_ADMIN);
	assert_int_equal(caps_parse("net_raw", &number), 0);
	assert_int_equal(number, CAP_NET_RAW);
	assert_int_equal(caps_parse("CAP_", &number), -1);
	assert_int_equal(caps_parse("ALL", &number), -1);
	for (unsigned i = 0; caps_name(i); i++) {
		assert_int_equal(caps_parse(caps_name(i), &number), 0);
		assert_int_equal(number, i);
	}
	assert_true(caps_known() & CAPS_BIT(CAP_CHECKPOINT_RESTORE));
	assert_false(caps_known() & CAPS_BIT(CAP_CHECKPOINT_RESTORE + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pruned_decides_as_full),
		cmocka_unit_test(default_decides_as_meant),
		cmocka_unit_test(refuses_bad_profiles),
		cmocka_unit_test(decides_conditions),
		cmocka_unit_test(keeps_what_it_understands),
		cmocka_unit_test(names_capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
