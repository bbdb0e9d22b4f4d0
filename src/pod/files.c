/*
 * files.c - writes resolv.conf, hosts and hostname, and mounts the tmpfs for them and /dev/shm.
 */
#include "pod/files.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "os/mount.h"
#include "pod/podids.h"

#define SHM_SIZE (UINT64_C(64) * 1024 * 1024)
#define SHM_INODES (SHM_SIZE / 1024) /* an inode takes about 1 KiB of kernel memory */
#define FILES_DIR "files"
#define FILES_SIZE (UINT64_C(1) << 20)
#define FILES_INODES 16

char *sandbox_hostname(const Runtime__V1__PodSandboxConfig *c, bool host_network)
{
	struct utsname u;

	if (*c->hostname && !host_network)
		return xstrdup(c->hostname);
	return uname(&u) == 0 ? xstrdup(u.nodename) : xstrdup("localhost");
}

char *sandbox_files_path(const char *run_dir, const char *name)
{
	_cleanup_free_ char *dir = xasprintf("%s/" FILES_DIR, run_dir);

	return xasprintf("%s/%s", fs_exists(dir) ? dir : run_dir, name);
}

static int put_file(const char *run_dir, const Crisp__State__Sandbox *row, const char *name,
		    const struct buf *text, struct err *e)
{
	_cleanup_free_ char *path = sandbox_files_path(run_dir, name);
	int r = fs_replace_file(path, text->data, text->len, 0644, false, e);

	return r == 0 ? pod_userns_give(row, path, e) : r;
}

static void add_words(struct buf *b, const char *keyword, char *const *words, size_t n)
{
	if (!n)
		return;
	buf_puts(b, keyword);
	for (size_t i = 0; i < n; i++)
		buf_printf(b, " %s", words[i]);
	buf_puts(b, "\n");
}

/* Write resolv.conf; without a DNS config, copy the node's. */
static int make_resolv(const char *dir, const Crisp__State__Sandbox *row,
		       const Runtime__V1__DNSConfig *dns, struct err *e)
{
	_cleanup_buf_ struct buf b = BUF_NULL;

	if (!dns || (!dns->n_servers && !dns->n_searches && !dns->n_options)) {
		int r = fs_read_file("/etc/resolv.conf", LIMIT_CONF_FILE, &b, e);

		if (r < 0)
			return r;
		return put_file(dir, row, SANDBOX_FILE_RESOLV, &b, e);
	}
	add_words(&b, "search", dns->searches, dns->n_searches);
	for (size_t i = 0; i < dns->n_servers; i++)
		buf_printf(&b, "nameserver %s\n", dns->servers[i]);
	add_words(&b, "options", dns->options, dns->n_options);
	return put_file(dir, row, SANDBOX_FILE_RESOLV, &b, e);
}

int sandbox_files_hosts(const char *run_dir, const Crisp__State__Sandbox *row, const char *hostname,
			char *const *ips, struct err *e)
{
	_cleanup_buf_ struct buf b = BUF_NULL;

	buf_puts(&b, "127.0.0.1\tlocalhost\n"
		     "::1\tlocalhost ip6-localhost ip6-loopback\n"
		     "fe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n"
		     "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	for (size_t i = 0; ips && ips[i]; i++)
		buf_printf(&b, "%s\t%s\n", ips[i], hostname);
	return put_file(run_dir, row, SANDBOX_FILE_HOSTS, &b, e);
}

static int make_hosts(const char *dir, const Crisp__State__Sandbox *row, const char *hostname,
		      struct err *e)
{
	_cleanup_buf_ struct buf b = BUF_NULL;

	if (!row->host_network)
		return sandbox_files_hosts(dir, row, hostname, NULL, e);
	if (fs_read_file("/etc/hosts", LIMIT_CONF_FILE, &b, e) < 0)
		return -(int)e->code;
	return put_file(dir, row, SANDBOX_FILE_HOSTS, &b, e);
}

int sandbox_files_make(const char *run_dir, const Crisp__State__Sandbox *row,
		       const Runtime__V1__PodSandboxConfig *c, struct err *e)
{
	_cleanup_free_ char *hostname = sandbox_hostname(c, row->host_network);
	_cleanup_free_ char *files = xasprintf("%s/" FILES_DIR, run_dir);
	_cleanup_free_ char *shm = xasprintf("%s/" SANDBOX_FILE_SHM, run_dir);
	_cleanup_buf_ struct buf b = BUF_NULL;
	int r;

	/* Copies of the node's files may have LIMIT_CONF_FILE bytes each. */
	r = mount_tmpfs(files, FILES_SIZE + 3 * LIMIT_CONF_FILE, FILES_INODES, 0755, NULL, e);
	if (r == 0)
		r = make_resolv(run_dir, row, c->dns_config, e);
	if (r == 0)
		r = make_hosts(run_dir, row, hostname, e);
	if (r == 0) {
		buf_printf(&b, "%s\n", hostname);
		r = put_file(run_dir, row, SANDBOX_FILE_HOSTNAME, &b, e);
	}
	if (r == 0 && !row->host_ipc)
		r = mount_tmpfs(shm, SHM_SIZE, SHM_INODES, 01777, NULL, e);
	return r == 0 && !row->host_ipc ? pod_userns_give(row, shm, e) : r;
}
