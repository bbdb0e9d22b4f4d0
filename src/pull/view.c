/*
 * view.c - collect the paths of the fetcher's view.
 */
#include "pull/view.h"

#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define CERTS_DEPTH 2 /* certs.d/HOST/FILE */

static const char *const system_files[] = {
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/nsswitch.conf",
	"/etc/host.conf",
	"/etc/gai.conf",
	"/etc/services",
	/* CA directories of the distributions. */
	"/etc/ssl/certs",
	"/etc/ssl/cert.pem",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/openssl.cnf",
	"/usr/lib/ssl/openssl.cnf",
	"/usr/lib/ssl/certs",
	"/usr/lib/ssl/cert.pem",
	"/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates",
	"/etc/pki/tls/certs",
	"/etc/pki/tls/cert.pem",
	"/etc/pki/tls/openssl.cnf",
	"/etc/pki/ca-trust/extracted",
	"/var/lib/ca-certificates",
	"/etc/crypto-policies/back-ends",
};

static void add(struct confine_view *v, const char *path)
{
	if (fs_path_is_clean(path))
		confine_view_add(v, path, NULL, false, true);
}

/* Add symlink targets, such as a CA shared by several hosts. */
static void add_links(struct confine_view *v, const char *dir, int depth)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, entry->d_name), *real = NULL;

		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_LNK && (real = realpath(path, NULL)))
			add(v, real);
		if (depth > 1 && entry->d_type != DT_REG)
			add_links(v, path, depth - 1);
	}
}

static void add_environment(struct confine_view *v)
{
	_cleanup_free_ char *dirs = xstrdup(getenv("SSL_CERT_DIR") ? getenv("SSL_CERT_DIR") : "");
	char *rest = dirs, *dir;

	if (getenv("SSL_CERT_FILE"))
		add(v, getenv("SSL_CERT_FILE"));
	while ((dir = strsep(&rest, ":")))
		add(v, dir);
}

static void add_place(void *arg, const char *url)
{
	if (str_starts(url, "file://"))
		add(arg, url + strlen("file://"));
}

void view_of_fetcher(const Crisp__Pull__Request *q, const struct admit *trust,
		     struct confine_view *ret)
{
	if (*q->layout_dir) {
		add(ret, q->layout_dir);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(system_files); i++)
		add(ret, system_files[i]);
	add_environment(ret);
	for (size_t i = 0; i < q->n_certs_dirs; i++) {
		add(ret, q->certs_dirs[i]);
		add_links(ret, q->certs_dirs[i], CERTS_DEPTH);
	}
	admit_each_place(trust, add_place, ret);
}

static void load_module(const char *name, size_t n)
{
	char file[64];

	if (n < 32 && !memchr(name, '/', n)) {
		snprintf(file, sizeof(file), "libnss_%.*s.so.2", (int)n, name);
		/* Stays loaded, so the resolver finds it by name. */
		(void)dlopen(file, RTLD_NOW);
	}
}

/* "hosts: files resolve [!UNAVAIL=return] dns" */
static void load_modules(const char *line)
{
	while (*line) {
		size_t n;

		line += strspn(line, " \t");
		n = strcspn(line, " \t#[");
		if (*line == '#')
			return;
		if (*line == '[')
			n = strcspn(line, "]") + 1;
		else if (n)
			load_module(line, n);
		line += strnlen(line, n);
	}
}

void view_load_resolver(void)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	struct err ignored = ERR_NULL;
	char *rest, *line;

	if (fs_read_file("/etc/nsswitch.conf", LIMIT_CONF_FILE, &text, &ignored) == 0 &&
	    text.data) {
		for (rest = text.data; (line = strsep(&rest, "\n"));)
			if (str_starts(line, "hosts:"))
				load_modules(line + strlen("hosts:"));
	}
	/* Make the resolver open and load its own files now. */
	if (getaddrinfo("localhost", NULL, &hints, &found) == 0)
		freeaddrinfo(found);
}
