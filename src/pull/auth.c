/*
 * auth.c - see auth.h.  The token flow is that of the distribution project's token specification:
 * GET with Basic, or POST with a refresh token.
 */
#include "pull/auth.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define TOKEN_MAX (64 * 1024)
#define TOKEN_ANSWER_MAX (1024 * 1024)
#define SECRET_MAX (64 * 1024)

void credentials_done(struct credentials *c)
{
	free(c->username);
	free(c->password);
	free(c->identity_token);
	free(c->registry_token);
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
	};
}

/* base64 of "username:password"; some tools end it with NULs. */
static int decode_auth(const char *auth, struct credentials *c, struct err *e)
{
	size_t n = strlen(auth);
	_cleanup_free_ char *text = NULL;
	char *colon;
	int size;

	if (n > SECRET_MAX)
		return err_set(e, ERR_INVALID, "auth is longer than %d bytes", SECRET_MAX);
	text = xcalloc(1, n + 4);
	size = EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)auth, (int)n);
	colon = size > 0 ? strchr(text, ':') : NULL;
	if (!colon)
		return err_set(e, ERR_INVALID, "auth is not base64 of username:password");
	*colon = '\0';
	c->username = xstrdup(text);
	c->password = xstrdup(colon + 1);
	return 0;
}

int credentials_from_request(const Crisp__Pull__Credentials *msg, struct credentials *ret,
			     struct err *e)
{
	*ret = CREDENTIALS_NULL;
	if (!msg)
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

/* Keys are "host", "host/namespace", ...; old files have "https://host/v1/". */
static bool key_covers(const char *key, const char *name, const char *host)
{
	size_t n;

	if (str_starts(key, "https://") || str_starts(key, "http://")) {
		key = strstr(key, "://") + 3;
		n = strcspn(key, "/");
		return strlen(host) == n && strncmp(key, host, n) == 0;
	}
	n = strlen(key);
	return strncmp(name, key, n) == 0 && (!name[n] || name[n] == '/');
}

static int read_entry(const json_t *entry, struct credentials *ret, struct err *e)
{
	const char *auth = json_string_value(json_object_get(entry, "auth"));
	const char *token = json_string_value(json_object_get(entry, "identitytoken"));

	ret->identity_token = copy_text(token);
	if (auth && *auth)
		return decode_auth(auth, ret, e);
	return token ? 0 : 1;
}

int credentials_from_file(const char *path, const char *host, const char *repository,
			  struct credentials *ret, struct err *e)
{
	_cleanup_free_ char *name = xasprintf("%s/%s", host, repository);
	_cleanup_buf_ struct buf text = BUF_NULL;
	json_t *root, *auths, *v, *best = NULL;
	size_t longest = 0;
	const char *key;
	int r;

	*ret = CREDENTIALS_NULL;
	r = fs_read_file(path, LIMIT_CONF_FILE, &text, e);
	if (r != 0)
		return r;
	root = json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	auths = json_object_get(root, "auths");
	if (!json_is_object(auths)) {
		json_decref(root);
		return err_set(e, ERR_PRECONDITION, "%s is not a JSON file with \"auths\"", path);
	}
	json_object_foreach(auths, key, v)
		if (key_covers(key, name, host) && strlen(key) > longest) {
			longest = strlen(key);
			best = v;
		}
	r = best ? read_entry(best, ret, e) : 1;
	json_decref(root);
	return r < 0 ? err_wrap(e, "%s, entry for %s", path, host) : r;
}

static int basic_header(const struct credentials *cred, char **ret, struct err *e)
{
	_cleanup_free_ char *plain = NULL;
	_cleanup_free_ unsigned char *coded = NULL;
	size_t n;

	if (!cred->username)
		return err_set(e, ERR_UNAUTHENTICATED,
			       "the registry wants a user name and a password");
	plain = xasprintf("%s:%s", cred->username, cred->password ? cred->password : "");
	n = strlen(plain);
	if (n > SECRET_MAX)
		return err_set(e, ERR_INVALID, "user name and password are too long");
	coded = xcalloc(1, n / 3 * 4 + 8);
	EVP_EncodeBlock(coded, (const unsigned char *)plain, (int)n);
	*ret = xasprintf("Basic %s", coded);
	return 0;
}

static int collect_answer(void *arg, uint64_t offset, const void *data, size_t size,
			  struct err *e)
{
	struct buf *b = arg;

	(void)offset;
	if (b->len + size > TOKEN_ANSWER_MAX)
		return err_set(e, ERR_UNAUTHENTICATED, "the token server's answer is too long");
	buf_add(b, data, size);
	return 0;
}

/* It goes into a header: printable ASCII only. */
static bool token_is_valid(const char *s)
{
	if (!*s || strlen(s) > TOKEN_MAX)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static int read_token(const struct buf *answer, char **ret, struct err *e)
{
	json_t *root = json_loadb(answer->data ? answer->data : "", answer->len,
				  JSON_REJECT_DUPLICATES, NULL);
	const char *token = json_string_value(json_object_get(root, "token"));
	int r = 0;

	if (!token || !*token)
		token = json_string_value(json_object_get(root, "access_token"));
	if (token && token_is_valid(token))
		*ret = xasprintf("Bearer %s", token);
	else
		r = err_set(e, ERR_UNAUTHENTICATED, "the token server's answer has no token");
	json_decref(root);
	return r;
}

static int ask_token(struct http *h, struct http_request *req, const char *realm, char **ret,
		     struct err *e)
{
	_cleanup_buf_ struct buf answer = BUF_NULL;
	_cleanup_(http_response_done) struct http_response resp = HTTP_RESPONSE_NULL;
	int r;

	req->body = collect_answer;
	req->arg = &answer;
	r = http_perform(h, req, &resp, e);
	if (r < 0)
		return r;
	if (r > 0)
		return err_set(e, ERR_UNAVAILABLE, "token server %.200s: %.300s", realm,
			       resp.text.data);
	if (resp.status == 401 || resp.status == 403 || resp.status == 400)
		return err_set(e, ERR_UNAUTHENTICATED,
			       "token server %.200s refuses the credentials (HTTP %ld)", realm,
			       resp.status);
	if (resp.status != 200)
		return err_set(e, ERR_UNAVAILABLE, "token server %.200s answers HTTP %ld", realm,
			       resp.status);
	return read_token(&answer, ret, e);
}

/* "&key=value", escaped. */
static void add_param(struct buf *b, const char *key, const char *value)
{
	_cleanup_free_ char *escaped = http_escape(value);

	buf_printf(b, "%s%s=%s", b->len ? "&" : "", key, escaped);
}

static int bearer_header(struct http *h, const struct challenge *c,
			 const struct credentials *cred, const char *repository, bool insecure,
			 char **ret, struct err *e)
{
	_cleanup_free_ char *scope = c->scope ? xstrdup(c->scope)
					      : xasprintf("repository:%s:pull", repository);
	_cleanup_free_ char *url = NULL, *basic = NULL;
	_cleanup_buf_ struct buf params = BUF_NULL;
	struct http_request req = { .insecure = insecure };

	if (!str_starts(c->realm, "https://") && !(insecure && str_starts(c->realm, "http://")))
		return err_set(e, ERR_UNAUTHENTICATED,
			       "the registry names token server %.200s, which is not https",
			       c->realm);
	if (c->service)
		add_param(&params, "service", c->service);
	add_param(&params, "scope", scope);
	if (cred->identity_token) {
		add_param(&params, "grant_type", "refresh_token");
		add_param(&params, "client_id", "crisp");
		add_param(&params, "refresh_token", cred->identity_token);
		req.url = c->realm;
		req.post = params.data;
		return ask_token(h, &req, c->realm, ret, e);
	}
	url = xasprintf("%s%s%s", c->realm, strchr(c->realm, '?') ? "&" : "?", params.data);
	if (cred->username && basic_header(cred, &basic, e) < 0)
		return -(int)e->code;
	req.url = url;
	req.authorization = basic;
	return ask_token(h, &req, c->realm, ret, e);
}

int auth_answer(struct http *h, const struct challenge *c, const struct credentials *cred,
		const char *repository, bool insecure, char **ret, struct err *e)
{
	switch (c->scheme) {
	case CHALLENGE_SCHEME_BASIC:
		return basic_header(cred, ret, e);
	case CHALLENGE_SCHEME_BEARER:
		return bearer_header(h, c, cred, repository, insecure, ret, e);
	case CHALLENGE_SCHEME_NONE:
		break;
	}
	return err_set(e, ERR_UNAUTHENTICATED,
		       "the registry wants a kind of authentication that is not supported");
}
