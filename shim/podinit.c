/*
 * podinit.c - see podinit.h.
 *
 * Containers of the pod see this process as pid 1 and may have its uid.  What must hold: through
 * it nothing of the host can be reached.  So it is a sealed copy of our program (not the file
 * itself, which /proc/1/exe would lead to), its root is an empty directory, it has no
 * capabilities, no descriptors, and cannot be traced.
 */
#include "shim/podinit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/shimproto.h"
#include "base/util.h"
#include "shim/child.h"

static struct child init_child;
static char *pid_path; /* who it is, for the next shim */

static int copy_self(int *ret_fd, struct err *e)
{
	_cleanup_close_ int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int fd = memfd_create("crisp-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	off_t at = 0;

	if (exe < 0 || fd < 0 || fstat(exe, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "copy the pod's init");
	while (at < st.st_size)
		if (sendfile(fd, exe, &at, (size_t)(st.st_size - at)) <= 0)
			return err_errno(e, ERR_INTERNAL, errno, "copy the pod's init");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "seal the pod's init");
	*ret_fd = take_fd(fd);
	return 0;
}

static void init_ended(struct child *c, const struct reaped *r)
{
	(void)c;
	log_warn("the pod's init ended", "pid=%d code=%d", (int)r->pid, r->code);
}

void podinit_find(const char *dir)
{
	struct err e = ERR_NULL;
	pid_t pid;
	int fd, r;

	pid_path = xasprintf("%s/" SHIM_INIT_NAME, dir);
	r = proc_load(pid_path, &pid, &fd, &e);
	if (r == 0) {
		/* Our own pidfd is opened before this one is closed: it is the same process. */
		r = child_adopt_pid(&init_child, pid, init_ended, &e);
		close(fd);
	}
	if (r < 0)
		log_err(LOG_LEVEL_WARN, "the pod's init", &e);
}

static int spawn_init(struct err *e)
{
	static char *const argv[] = { "crisp-init", "--init", NULL };
	static char *const envp[] = { NULL };
	_cleanup_close_ int exe = -1;
	pid_t pid;
	int r = copy_self(&exe, e);

	if (r < 0)
		return r;
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		fexecve(exe, argv, envp);
		_exit(127);
	}
	if (pid < 0)
		return err_errno(e, ERR_INTERNAL, errno, "start the pod's init");
	r = child_adopt_pid(&init_child, pid, init_ended, e);
	if (r == 0)
		r = proc_save(pid_path, pid, init_child.start_ticks, e);
	if (r < 0)
		kill(pid, SIGKILL);
	return r;
}

int podinit_start(uint32_t *ret_pid, uint64_t *ret_start_ticks, struct err *e)
{
	int r = init_child.alive ? 0 : spawn_init(e);

	child_deliver(&init_child);
	if (r == 0 && !init_child.alive)
		r = err_set(e, ERR_INTERNAL, "the pod's init ended at once");
	*ret_pid = (uint32_t)init_child.pid;
	*ret_start_ticks = init_child.start_ticks;
	return r;
}

void podinit_stop(void)
{
	child_kill(&init_child, SIGKILL);
}

/* --- as pid 1 --- */

static int give_up_everything(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { .effective = 0 } };

	/* The descriptors of a process that does not have this one: a directory that is empty
	 * for as long as it is someone's root. */
	if (chdir("/proc/self/fdinfo") < 0 || chroot(".") < 0 || chdir("/") < 0)
		return -1;
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -1;
	return 0;
}

int podinit_main(void)
{
	sigset_t wanted;

	prctl(PR_SET_NAME, "crisp-init", 0, 0, 0);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_SETMASK, &wanted, NULL);
	if (give_up_everything() < 0)
		return 1;
	close_range(0, ~0U, 0);
	for (;;) {
		siginfo_t si;

		if (sigwaitinfo(&wanted, &si) < 0)
			continue;
		if (si.si_signo != SIGCHLD)
			return 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
