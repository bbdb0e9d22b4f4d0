/*
 * caps.c - names of capabilities, and the calling thread's sets.  Without libcap, which crisp would
 * need only for the names, whose numbers never change.
 */
#include "os/caps.h"

#include <linux/capability.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/util.h"

#define STATUS_MAX (64 * 1024)

static const char *const cap_names[] = {
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETPCAP] = "CAP_SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_IPC_LOCK] = "CAP_IPC_LOCK",
	[CAP_IPC_OWNER] = "CAP_IPC_OWNER",
	[CAP_SYS_MODULE] = "CAP_SYS_MODULE",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_PACCT] = "CAP_SYS_PACCT",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_BOOT] = "CAP_SYS_BOOT",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
	[CAP_MKNOD] = "CAP_MKNOD",
	[CAP_LEASE] = "CAP_LEASE",
	[CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "CAP_AUDIT_READ",
	[CAP_PERFMON] = "CAP_PERFMON",
	[CAP_BPF] = "CAP_BPF",
	[CAP_CHECKPOINT_RESTORE] = "CAP_CHECKPOINT_RESTORE",
};

int caps_parse(const char *name, unsigned *ret)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (unsigned i = 0; i < ARRAY_LEN(cap_names); i++) {
		if (strcasecmp(name, cap_names[i] + 4) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -1;
}

const char *caps_name(unsigned number)
{
	return number < ARRAY_LEN(cap_names) ? cap_names[number] : NULL;
}

uint64_t caps_known(void)
{
	return CAPS_BIT(ARRAY_LEN(cap_names)) - 1;
}

static int read_set(const char *status, const char *label, uint64_t *ret, struct err *e)
{
	const char *line = strstr(status, label);
	uint64_t set = 0;

	if (!line)
		return err_set(e, ERR_INTERNAL, "/proc/thread-self/status has no line %s", label);
	line += strlen(label);
	while (*line == '\t' || *line == ' ')
		line++;
	for (; *line && *line != '\n'; line++) {
		const char *digits = "0123456789abcdef";
		const char *at = strchr(digits, *line);

		if (!at)
			return err_set(e, ERR_INTERNAL,
				       "/proc/thread-self/status: %s is not a hexadecimal number",
				       label);
		set = set << 4 | (uint64_t)(at - digits);
	}
	*ret = set;
	return 0;
}

int caps_read_own(struct caps_own *ret, struct err *e)
{
	_cleanup_buf_ struct buf status = BUF_NULL;
	int r;

	r = fs_read_file("/proc/thread-self/status", STATUS_MAX, &status, e);
	if (r > 0)
		return err_set(e, ERR_INTERNAL, "/proc is not mounted: mount it and try again");
	if (r < 0)
		return r;
	r = read_set(status.data, "CapBnd:", &ret->bounding, e);
	if (r == 0)
		r = read_set(status.data, "CapPrm:", &ret->permitted, e);
	if (r == 0)
		r = read_set(status.data, "CapEff:", &ret->effective, e);
	return r;
}
