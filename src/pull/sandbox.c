/*
 * sandbox.c - see sandbox.h.
 *
 * The filter lists what is refused, not what is allowed: what libcurl, TLS and the resolver need
 * changes with each of their versions, what a puller must never do does not.
 */
#include "pull/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"

#define OPEN_FILES 1024

static const int capabilities[] = {
	CAP_CHOWN,           CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
	CAP_FOWNER,          CAP_FSETID,       CAP_MKNOD,
	CAP_SETFCAP,         CAP_SYS_ADMIN, /* trusted.overlay.opaque */
};

static const int refused[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal), SCMP_SYS(kill), SCMP_SYS(tkill),
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree),
	SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns),
	SCMP_SYS(unshare), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(reboot), SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex),
	SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(acct), SCMP_SYS(quotactl),
	SCMP_SYS(syslog), SCMP_SYS(personality), SCMP_SYS(iopl), SCMP_SYS(ioperm),
	SCMP_SYS(fanotify_init), SCMP_SYS(lookup_dcookie), SCMP_SYS(vhangup),
};

static int limit(int resource, rlim_t value, const char *name, struct err *e)
{
	const struct rlimit l = { .rlim_cur = value, .rlim_max = value };

	return setrlimit((__rlimit_resource_t)resource, &l) < 0
		       ? err_errno(e, ERR_INTERNAL, errno, "limit %s", name)
		       : 0;
}

static int drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2] = { { 0 } }, keep[2] = { { 0 } };

	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		keep[capabilities[i] / 32].permitted |= 1U << (capabilities[i] % 32);
	if (syscall(SYS_capget, &header, now) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "read the capabilities");
	/* While CAP_SETPCAP is there still; a kernel knows fewer than 64 and says so. */
	for (int c = 0; c < 64; c++)
		if (!(keep[c / 32].permitted & 1U << (c % 32)) &&
		    prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 && errno != EINVAL && errno != EPERM)
			return err_errno(e, ERR_INTERNAL, errno, "drop capability %d", c);
	for (int i = 0; i < 2; i++) {
		/* Nobody gets what the daemon itself lacks. */
		keep[i].permitted &= now[i].permitted;
		keep[i].effective = keep[i].permitted;
	}
	if (syscall(SYS_capset, &header, keep) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "drop capabilities");
	return 0;
}

static int fill_filter(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(refused) && r == 0; i++) {
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
		/* Not a system call of this architecture. */
		if (r == -EDOM || r == -EFAULT)
			r = 0;
	}
	/* Threads, but no processes; clone3 keeps its flags where a filter cannot see them, and
	 * libc falls back to clone when there is none. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	return r < 0 ? r : seccomp_load(filter);
}

int sandbox_enter(struct err *e)
{
	scmp_filter_ctx filter;
	int r = limit(RLIMIT_CORE, 0, "core dumps", e);

	r = r < 0 ? r : limit(RLIMIT_NOFILE, OPEN_FILES, "open files", e);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set no_new_privs");
	r = drop_capabilities(e);
	if (r < 0)
		return r;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	r = filter ? fill_filter(filter) : -ENOMEM;
	seccomp_release(filter);
	return r < 0 ? err_errno(e, ERR_INTERNAL, -r, "install the system call filter") : 0;
}
