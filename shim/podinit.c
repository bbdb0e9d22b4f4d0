/*
 * podinit.c - start the pod's init, and adopt that of an earlier shim.
 *
 * Containers of the pod see this process as pid 1 and may be allowed to trace it.  Invariant: it
 * gives no access to the host.  Its program (shim/init/init.c, embedded in this one) runs from a
 * sealed memfd, the target of /proc/1/exe; jail.c detaches the rest.
 */
#include "shim/podinit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/util.h"
#include "shim/child.h"
#include "shim/spawner.h"
#include "shimproto/shimproto.h"

static struct child init_child;
static char *pid_path; /* its identity, for the next shim */

/* PODINIT_ELF is the program's path in the build directory. */
__asm__(".pushsection .rodata\n"
	"podinit_elf: .incbin \"" PODINIT_ELF "\"\n"
	"podinit_elf_end:\n"
	".popsection\n");
extern const char podinit_elf[], podinit_elf_end[];

/* Since Linux 6.3 an executable memfd needs a flag, and its mode can be sealed. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

static int new_memory(void)
{
	const char name[] = "crisp-init";
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

static int seal(int fd)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	if (fcntl(fd, F_ADD_SEALS, seals | F_SEAL_EXEC) == 0)
		return 0;
	return errno == EINVAL ? fcntl(fd, F_ADD_SEALS, seals) : -1;
}

/* A program that its user may not read cannot be traced, from its first instruction on. */
static int copy_program(int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = new_memory();

	if (fd < 0 || fs_write_all(fd, podinit_elf, (size_t)(podinit_elf_end - podinit_elf)) < 0 ||
	    fchmod(fd, 0111) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "copy the pod's init");
	if (seal(fd) < 0)
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
		/* child_adopt_pid opens its pidfd before the close: both are the same process. */
		r = child_adopt_pid(&init_child, pid, init_ended, &e);
		close(fd);
	}
	if (r < 0)
		log_err(LOG_LEVEL_WARN, "watch the pod's init", &e);
}

static int spawn_init(const int *ns, struct err *e)
{
	_cleanup_close_ int exe = -1;
	size_t n_ns = 0;
	pid_t pid;
	int r;

	while (n_ns < SHIM_FDS_MAX && ns[n_ns] >= 0)
		n_ns++;
	if (n_ns > SPAWNER_NS_MAX)
		return err_set(e, ERR_INVALID, "init: %zu namespaces are more than %d", n_ns,
			       SPAWNER_NS_MAX);
	r = copy_program(&exe, e);
	if (r < 0)
		return r;
	r = spawner_run_init(exe, ns, n_ns, &pid, e);
	if (r < 0)
		return r;
	r = child_adopt_pid(&init_child, pid, init_ended, e);
	if (r == 0)
		r = proc_save(pid_path, pid, init_child.start_ticks, e);
	if (r < 0)
		kill(pid, SIGKILL);
	return r;
}

int podinit_start(const int ns[SHIM_FDS_MAX], uint32_t *ret_pid, uint64_t *ret_start_ticks,
		  struct err *e)
{
	int r = init_child.alive ? 0 : spawn_init(ns, e);

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
