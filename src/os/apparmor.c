/*
 * apparmor.c - load AppArmor profiles with apparmor_parser(8), which compiles them: the kernel
 * accepts only compiled policy, and every host with AppArmor has the parser.
 */
#include "os/apparmor.h"

#include <string.h>
#include <sys/apparmor.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"
#include "os/spawn.h"

#define PROFILES_FILE "/sys/kernel/security/apparmor/profiles"
#define PROFILES_MAX (4 * 1024 * 1024)
#define LOAD_TIMEOUT_MS 30000

/* Denied even to root in a container: writing kernel settings in /proc and /sys, mounting, and
 * signalling or tracing processes under another profile. */
static const char default_profile[] =
	"#include <tunables/global>\n"
	"profile " APPARMOR_DEFAULT_NAME " flags=(attach_disconnected,mediate_deleted) {\n"
	"  #include <abstractions/base>\n"
	"  network,\n"
	"  capability,\n"
	"  file,\n"
	"  umount,\n"
	"  # stopped by the runtime and by its own kind\n"
	"  signal (receive) peer=unconfined,\n"
	"  signal (receive) peer=/usr/{,local/}{,s}bin/{runc,crun},\n"
	"  signal (receive) peer={runc,crun},\n"
	"  signal (send,receive) peer=" APPARMOR_DEFAULT_NAME ",\n"
	"  ptrace (trace,read,tracedby,readby) peer=" APPARMOR_DEFAULT_NAME ",\n"
	"  deny mount,\n"
	"  # the kernel's switches; a process' own directory stays writable\n"
	"  deny @{PROC}/* w,\n"
	"  deny @{PROC}/{acpi,asound,bus,driver,fs,irq,scsi,sys,sysvipc,tty}/** w,\n"
	"  deny @{PROC}/{kcore,sysrq-trigger,keys,timer_list} rwklx,\n"
	"  deny /sys/{block,bus,class,dev,devices,hypervisor,module,power}/** wklx,\n"
	"  deny /sys/fs/{bpf,btrfs,ext4,f2fs,fuse,nfs,pstore,resctrl,selinux,smackfs,xfs}/** "
	"wklx,\n"
	"  deny /sys/{firmware,kernel}/** wklx,\n"
	"  deny /sys/{firmware,kernel/security,kernel/debug,kernel/tracing}/** rwklx,\n"
	"  deny /sys/devices/virtual/powercap/** rwklx,\n"
	"}\n";

bool apparmor_is_enabled(void)
{
	return aa_is_enabled() == 1;
}

int apparmor_find_profile(const char *name, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	size_t len = strlen(name);
	int r = fs_read_file(PROFILES_FILE, PROFILES_MAX, &text, e);

	if (r > 0)
		return err_set(e, ERR_PRECONDITION,
			       PROFILES_FILE " is missing: mount securityfs on "
					     "/sys/kernel/security");
	if (r < 0)
		return r;
	/* Lines are "NAME (mode)". */
	for (const char *line = text.data; line && *line;) {
		const char *end = strchrnul(line, '\n');

		if ((size_t)(end - line) > len + 1 && strncmp(line, name, len) == 0 &&
		    strncmp(line + len, " (", 2) == 0)
			return 0;
		line = *end ? end + 1 : end;
	}
	return 1;
}

int apparmor_load_default(struct err *e)
{
	static const char *const argv[] = { "apparmor_parser", "-Kr", NULL };
	static const char *const envp[] = { "PATH=/usr/sbin:/sbin:/usr/bin:/bin", NULL };
	_cleanup_(spawn_result_done) struct spawn_result out = SPAWN_RESULT_NULL;
	int r = spawn_run(argv, envp, default_profile, sizeof(default_profile) - 1, 64 * 1024,
			  LOAD_TIMEOUT_MS, &out, e);

	if (r < 0)
		return err_wrap(e, "load AppArmor profile " APPARMOR_DEFAULT_NAME);
	if (out.status != 0)
		return err_set(e, ERR_INTERNAL,
			       "load AppArmor profile " APPARMOR_DEFAULT_NAME
			       ": apparmor_parser ended with %d: %s",
			       out.status, out.err.data ? out.err.data : "");
	return 0;
}
