/*
 * credentials.c - parse auth.json with jansson, and choose the best entry.
 */
#include "pull/fetch/credentials.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

#define TOKEN_MAX (64 * 1024)
#define SECRET_MAX (64 * 1024)

static void forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void credentials_done(struct credentials *c)
{
	forget(c->username);
	forget(c->password);
	forget(c->identity_token);
	forget(c->registry_token);
	free(c->hint);
	*c = CREDENTIALS_NULL;
}

static char *copy_text(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

struct credentials credentials_copy(const struct credentials *c)
{
	return (struct credentials){
		.username = copy_text(c->username),
		.password = copy_text(c->password),
		.identity_token = copy_text(c->identity_token),
		.registry_token = copy_text(c->registry_token),
		.hint = copy_text(c->hint),
	};
}

/* Decode base64 of "username:password"; some tools append NULs. */
static int decode_auth(const char *auth, struct credentials *c, struct err *e)
{
	size_t n = strlen(auth);
	char *text, *colon;
	int size;

	if (n > SECRET_MAX)
		return err_set(e, ERR_INVALID, "auth is longer than %d bytes", SECRET_MAX);
	text = xcalloc(1, n + 4);
	size = EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)auth, (int)n);
	colon = size > 0 ? strchr(text, ':') : NULL;
	if (colon) {
		c->username = xstrndup(text, (size_t)(colon - text));
		c->password = xstrdup(colon + 1);
	}
	explicit_bzero(text, n + 4);
	free(text);
	return colon ? 0 : err_set(e, ERR_INVALID, "auth is not base64 of username:password");
}

/* Strip the scheme: old files and docker use "https://host/v1/" instead of "host/namespace". */
static const char *without_scheme(const char *key)
{
	return str_starts(key, "https://")  ? key + strlen("https://")
	       : str_starts(key, "http://") ? key + strlen("http://")
					    : key;
}

/* true: key (a URL or name prefix) refers to host. */
static bool is_host(const char *key, const char *host)
{
	const char *text = without_scheme(key);
	size_t n = strcspn(text, "/");

	if (strlen(host) == n && strncmp(text, host, n) == 0)
		return true;
	return strcmp(host, "docker.io") == 0 &&
	       ((n == strlen("index.docker.io") && str_starts(text, "index.docker.io")) ||
		(n == strlen("registry-1.docker.io") && str_starts(text, "registry-1.docker.io")));
}

int credentials_from_request(const Crisp__Pull__Credentials *msg, const char *host,
			     struct credentials *ret, struct err *e)
{
	*ret = CREDENTIALS_NULL;
	if (!msg || (*msg->server_address && !is_host(msg->server_address, host)))
		return 1;
	ret->identity_token = copy_text(msg->identity_token);
	ret->registry_token = copy_text(msg->registry_token);
	if (*msg->username || *msg->password) {
		ret->username = xstrdup(msg->username);
		ret->password = xstrdup(msg->password);
	} else if (*msg->auth) {
		return decode_auth(msg->auth, ret, e);
	}
	return ret->username || ret->identity_token || ret->registry_token ? 0 : 1;
}

/* 0: no match. A namespace scores above the host, the host above a URL of it. */
static size_t key_score(const char *key, const char *name, const char *host)
{
	size_t n = strlen(key);

	if (without_scheme(key) != key)
		return is_host(key, host) ? strlen(host) : 0;
	if (!strchr(key, '/'))
		return !is_host(key, host) ? 0 : strcmp(key, host) == 0 ? n + 1 : strlen(host);
	return strncmp(name, key, n) == 0 && (!name[n] || name[n] == '/') ? n + 2 : 0;
}

static int read_entry(const json_t *entry, struct credentials *ret, struct err *e)
{
	const char *auth = json_string_value(json_object_get(entry, "auth"));
	const char *token = json_string_value(json_object_get(entry, "identitytoken"));
	const char *username = json_string_value(json_object_get(entry, "username"));
	const char *password = json_string_value(json_object_get(entry, "password"));

	ret->identity_token = copy_text(token);
	if (auth && *auth)
		return decode_auth(auth, ret, e);
	if (username && password) {
		ret->username = xstrdup(username);
		ret->password = xstrdup(password);
		return 0;
	}
	return ret->identity_token ? 0 : 1;
}

/* Only mention credential helpers: the puller executes no programs. */
static void find_helper(const json_t *root, const char *path, const char *host,
			struct credentials *ret)
{
	const char *helper =
		json_string_value(json_object_get(json_object_get(root, "credHelpers"), host));

	if (!helper)
		helper = json_string_value(json_object_get(root, "credsStore"));
	if (helper && *helper)
		ret->hint = xasprintf("%.200s leaves %.200s to the credential helper %.60s, which "
				      "is not executed: put the credentials into its \"auths\"",
				      path, host, helper);
}

static int find_entry(json_t *root, const char *path, const char *host, const char *name,
		      struct credentials *ret, struct err *e)
{
	json_t *auths = json_object_get(root, "auths"), *v, *best = NULL;
	const char *key;
	size_t most = 0;
	int r;

	if (!json_is_object(root) || (auths && !json_is_object(auths)))
		return err_set(e, ERR_PRECONDITION, "%s: \"auths\" is no object", path);
	json_object_foreach(auths, key, v)
	{
		size_t score = key_score(key, name, host);

		if (score > most) {
			most = score;
			best = v;
		}
	}
	r = best ? read_entry(best, ret, e) : 1;
	if (r < 0)
		return err_wrap(e, "%s, entry for %s", path, host);
	if (r > 0)
		find_helper(root, path, host, ret);
	return r;
}

int credentials_from_text(const char *text, size_t size, const char *path, const char *host,
			  const char *repository, struct credentials *ret, struct err *e)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", host, repository);
	json_error_t bad;
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &bad);
	int r;

	*ret = CREDENTIALS_NULL;
	if (!root)
		return err_set(e, ERR_PRECONDITION, "%s:%d: not JSON", path, bad.line);
	r = find_entry(root, path, host, name, ret, e);
	json_decref(root);
	return r;
}

/* Valid in a header: printable ASCII only. */
static bool token_is_valid(const char *s)
{
	if (!*s || strlen(s) > TOKEN_MAX)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

int credentials_token(const char *text, size_t size, char **ret, struct err *e)
{
	json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const char *token = json_string_value(json_object_get(root, "token"));
	int r = 0;

	if (!token || !*token)
		token = json_string_value(json_object_get(root, "access_token"));
	if (token && token_is_valid(token))
		*ret = xstrdup(token);
	else
		r = err_set(e, ERR_UNAUTHENTICATED, "the token server's answer has no token");
	json_decref(root);
	return r;
}
