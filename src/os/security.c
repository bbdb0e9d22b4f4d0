/*
 * security.c - probe capabilities, LSMs, seccomp, mount_setattr and cgroup controllers.
 */
#include "os/security.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "os/apparmor.h"
#include "os/caps.h"
#include "os/selinux.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

static int read_oom_score_adj(int64_t *ret, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_file("/proc/self/oom_score_adj", 64, &text, e);

	if (r < 0)
		return r;
	if (r > 0 || text.len == 0)
		return err_set(e, ERR_INTERNAL, "/proc/self/oom_score_adj is missing");
	text.data[strcspn(text.data, "\n")] = '\0';
	if (str_to_i64(text.data, -1000, 1000, ret) < 0)
		return err_set(e, ERR_INTERNAL, "/proc/self/oom_score_adj: \"%s\" is no number",
			       text.data);
	return 0;
}

/* mount_setattr with a bad descriptor: ENOSYS only if the kernel lacks the call. */
static bool has_mount_setattr(void)
{
	return syscall(SYS_mount_setattr, -1, "", 0, NULL, 0) == 0 || errno != ENOSYS;
}

static bool cgroup_is_v2(void)
{
	struct statfs st;

	return statfs(CGROUP_ROOT, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC;
}

/* Swap accounting: the root cgroup of v2 has no such file, so check the cgroup of this process. */
static bool v2_has_swap(void)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	char path[4096];
	struct err e = ERR_NULL;

	if (fs_read_file("/proc/self/cgroup", 64 * 1024, &text, &e) != 0 || !text.data ||
	    !str_starts(text.data, "0::/"))
		return false;
	text.data[strcspn(text.data, "\n")] = '\0';
	snprintf(path, sizeof(path), CGROUP_ROOT "%s/memory.swap.max", text.data + 3);
	return fs_exists(path);
}

static bool v2_has_controller(const char *name)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err e = ERR_NULL;
	const char *at;

	if (fs_read_file(CGROUP_ROOT "/cgroup.controllers", 4096, &text, &e) != 0 || !text.data)
		return false;
	at = strstr(text.data, name);
	return at && (at == text.data || at[-1] == ' ') && strchr(" \n", at[strlen(name)]);
}

int os_security_probe(struct os_security *ret, struct err *e)
{
	struct caps_own caps = { .bounding = 0 };
	int r = caps_read_own(&caps, e);

	if (r == 0)
		r = read_oom_score_adj(&ret->oom_score_adj_min, e);
	if (r < 0)
		return r;
	/* The runtime raises a capability from its permitted set, so both sets must have it. */
	ret->bounding = caps.bounding & caps.permitted & caps_known();
	ret->may_raise_limits = caps.effective & CAPS_BIT(CAP_SYS_RESOURCE);
	if (ret->may_raise_limits)
		ret->oom_score_adj_min = -1000;
	ret->seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
	ret->apparmor = apparmor_is_enabled();
	ret->selinux = selinux_is_enabled();
	ret->rro = has_mount_setattr();
	ret->cgroup_v2 = cgroup_is_v2();
	ret->swap = ret->cgroup_v2 ? v2_has_swap()
				   : fs_exists(CGROUP_ROOT "/memory/memory.memsw.limit_in_bytes");
	ret->hugetlb =
		ret->cgroup_v2 ? v2_has_controller("hugetlb") : fs_exists(CGROUP_ROOT "/hugetlb");
	return 0;
}
