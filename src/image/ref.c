/*
 * ref.c - parse image references character by character: no regular expressions, no backtracking;
 * each part is bounded before it is copied.
 */
#include "image/ref.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

#define NAME_MAX_BYTES 255 /* domain/path; limit of registries */
#define TAG_MAX_BYTES 128
#define SHA256_PREFIX "sha256:"

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

bool image_digest_is_valid(const char *s)
{
	size_t n = strlen(SHA256_PREFIX);

	return str_starts(s, SHA256_PREFIX) && strlen(s) == n + 64 && str_is_hex(s + n, 64);
}

/* Length of the bracketed address "[::1]" before the port; 0: none. */
static size_t ipv6_length(const char *s, size_t n)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char address[16];
	size_t i = 1;

	while (i < n && s[i] != ']')
		i++;
	if (i == n || i - 1 >= sizeof(text))
		return 0;
	memcpy(text, s + 1, i - 1);
	text[i - 1] = '\0';
	return inet_pton(AF_INET6, text, address) == 1 ? i + 1 : 0;
}

static bool host_is_valid(const char *s, size_t n)
{
	size_t label = 0; /* start of the current label */

	for (size_t i = 0; i <= n; i++) {
		if (i < n && s[i] != '.') {
			if (!is_alnum(s[i]) && s[i] != '-')
				return false;
			continue;
		}
		if (i == label || s[label] == '-' || s[i - 1] == '-')
			return false;
		label = i + 1;
	}
	return n > 0;
}

static bool domain_is_valid(const char *s, size_t n)
{
	size_t host = *s == '[' ? ipv6_length(s, n) : strcspn(s, ":/");
	bool v6 = *s == '[';

	if (host > n)
		host = n;
	if (host == 0 || (!v6 && !host_is_valid(s, host)))
		return false;
	if (host == n)
		return true;
	if (s[host] != ':' || n - host - 1 < 1 || n - host - 1 > 5)
		return false;
	for (size_t i = host + 1; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

/* One path component: runs of [a-z0-9] joined by ".", "_", "__" or dashes. */
static bool component_is_valid(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t sep;

		if (!is_lower_alnum(s[i]))
			return false;
		while (i < n && is_lower_alnum(s[i]))
			i++;
		if (i == n)
			return true;
		sep = i;
		if (s[i] == '.') {
			i++;
		} else if (s[i] == '_') {
			i += i + 1 < n && s[i + 1] == '_' ? 2 : 1;
		} else {
			while (i < n && s[i] == '-')
				i++;
		}
		if (i == sep)
			return false;
	}
	return false;
}

static bool path_is_valid(const char *s, size_t n)
{
	size_t start = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && s[i] != '/')
			continue;
		if (!component_is_valid(s + start, i - start))
			return false;
		start = i + 1;
	}
	return true;
}

bool image_tag_is_valid(const char *s)
{
	size_t n = strlen(s);

	if (n < 1 || n > TAG_MAX_BYTES || *s == '.' || *s == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s[i]) && !strchr("_.-", s[i]))
			return false;
	return true;
}

/* Length of the domain before the first slash; 0: a short name. */
static size_t domain_length(const char *s, size_t n)
{
	const char *slash = memchr(s, '/', n);
	size_t first = slash ? (size_t)(slash - s) : 0;

	if (!slash)
		return 0;
	if (first == 9 && strncmp(s, "localhost", 9) == 0)
		return first;
	for (size_t i = 0; i < first; i++)
		if (s[i] == '.' || s[i] == ':' || (s[i] >= 'A' && s[i] <= 'Z'))
			return first;
	return 0;
}

/* docker.io/busybox is the usual spelling of docker.io/library/busybox. */
static void fill_docker(struct image_ref *r)
{
	char *path = r->path;

	if (strcmp(r->domain, "index.docker.io") == 0) {
		free(r->domain);
		r->domain = xstrdup("docker.io");
	}
	if (strcmp(r->domain, "docker.io") == 0 && !strchr(path, '/')) {
		r->path = xasprintf("library/%s", path);
		free(path);
	}
}

static int parse_name(const char *text, size_t n, struct image_ref *r, struct err *e)
{
	size_t domain = domain_length(text, n);
	const char *path = domain ? text + domain + 1 : text;
	size_t path_len = n - (size_t)(path - text);

	if (n > NAME_MAX_BYTES)
		return err_set(e, ERR_INVALID, "the name is longer than %d bytes", NAME_MAX_BYTES);
	if (domain && !domain_is_valid(text, domain))
		return err_set(e, ERR_INVALID, "%.*s is not a host name with an optional port",
			       (int)domain, text);
	if (!path_is_valid(path, path_len))
		return err_set(e, ERR_INVALID,
			       "the name may have lower-case letters, digits, and single "
			       "separators (. _ __ - /) between them");
	if (!domain && path_len == 64 && str_is_hex(path, 64))
		return err_set(e, ERR_INVALID, "64 hexadecimal digits are an id, not a name");
	r->domain = xstrndup(text, domain);
	r->path = xstrndup(path, path_len);
	fill_docker(r);
	return 0;
}

static int parse_parts(const char *text, struct image_ref *r, struct err *e)
{
	const char *at = strchr(text, '@');
	size_t n = at ? (size_t)(at - text) : strlen(text);
	size_t name = n;

	/* A colon after the last slash starts a tag; an earlier colon starts a port. */
	for (size_t i = n; i-- > 0 && text[i] != '/';)
		if (text[i] == ':')
			name = i;
	r->digest = xstrdup(at ? at + 1 : "");
	r->tag = name < n ? xstrndup(text + name + 1, n - name - 1) : xstrdup("");
	if (at && !image_digest_is_valid(r->digest))
		return err_set(e, ERR_INVALID,
			       "the digest must be sha256: and 64 lower-case hexadecimal digits");
	if (name < n && !image_tag_is_valid(r->tag))
		return err_set(e, ERR_INVALID,
			       "the tag must be 1 to %d letters, digits, or _ . - behind the first",
			       TAG_MAX_BYTES);
	return parse_name(text, name, r, e);
}

int image_ref_parse(const char *text, struct image_ref *ret, struct err *e)
{
	struct image_ref r = IMAGE_REF_NULL;
	int ret_code;

	if (!*text)
		return err_set(e, ERR_INVALID, "the image reference is empty");
	ret_code = parse_parts(text, &r, e);
	if (ret_code < 0) {
		image_ref_done(&r);
		return err_wrap(e, "image reference \"%.300s\"", text);
	}
	*ret = r;
	return 0;
}

void image_ref_done(struct image_ref *r)
{
	free(r->domain);
	free(r->path);
	free(r->tag);
	free(r->digest);
	*r = IMAGE_REF_NULL;
}

char *image_ref_name(const struct image_ref *r)
{
	return *r->domain ? xasprintf("%s/%s", r->domain, r->path) : xstrdup(r->path);
}

char *image_ref_tagged(const struct image_ref *r)
{
	_cleanup_free_ char *name = image_ref_name(r);

	if (!*r->tag && *r->digest)
		return NULL;
	return xasprintf("%s:%s", name, *r->tag ? r->tag : "latest");
}
