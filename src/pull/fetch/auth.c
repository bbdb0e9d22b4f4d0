/*
 * auth.c - the token flow of the distribution project's token specification: GET with Basic, or
 * POST with a refresh token.
 */
#include "pull/fetch/auth.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"
#include "pull/fetch/registries.h"

#define TOKEN_ANSWER_MAX (1024 * 1024)
#define BASIC_MAX (256 * 1024)
#define TRIES 4
#define RETRY_MS 250

static int basic_header(const struct credentials *cred, char **ret, struct err *e)
{
	_cleanup_free_ char *plain = NULL;
	_cleanup_free_ unsigned char *coded = NULL;
	size_t n;

	if (!cred->username)
		return err_set(e, ERR_UNAUTHENTICATED,
			       "the registry wants a user name and a password%s%s",
			       cred->hint ? "; " : "", cred->hint ? cred->hint : "");
	plain = xasprintf("%s:%s", cred->username, cred->password ? cred->password : "");
	n = strlen(plain);
	if (n > BASIC_MAX)
		return err_set(e, ERR_INVALID, "user name and password are too long");
	coded = xcalloc(1, n / 3 * 4 + 8);
	EVP_EncodeBlock(coded, (const unsigned char *)plain, (int)n);
	*ret = xasprintf("Basic %s", coded);
	explicit_bzero(plain, n);
	explicit_bzero(coded, n);
	return 0;
}

static int collect_answer(void *arg, uint64_t offset, const void *data, size_t size, struct err *e)
{
	struct buf *b = arg;

	(void)offset;
	if (size > TOKEN_ANSWER_MAX - b->len)
		return err_set(e, ERR_UNAUTHENTICATED, "the token server's answer is too long");
	buf_add(b, data, size);
	return 0;
}

static int read_answer(const struct exchange_response *resp, const struct buf *answer,
		       const char *realm, const struct credentials *cred, char **ret, struct err *e)
{
	_cleanup_free_ char *token = NULL;

	if (resp->status == 401 || resp->status == 403 || resp->status == 400)
		return err_set(e, ERR_UNAUTHENTICATED,
			       "token server %.200s refuses %s (HTTP %ld)%s%s", realm,
			       cred->username || cred->identity_token ? "the credentials"
								      : "anonymous clients",
			       resp->status, cred->hint ? "; " : "", cred->hint ? cred->hint : "");
	if (resp->status != 200)
		return err_set(e, ERR_UNAVAILABLE, "token server %.200s answers HTTP %ld", realm,
			       resp->status);
	if (credentials_token(answer->data ? answer->data : "", answer->len, &token, e) < 0)
		return err_wrap(e, "token server %.200s", realm);
	*ret = xasprintf("Bearer %s", token);
	return 0;
}

/* Ask the token server, with retries. Returns as exchange_perform. */
static int ask_patiently(struct exchange *h, struct exchange_request *req, struct buf *answer,
			 struct exchange_response *resp, const struct auth_peer *peer,
			 struct err *e)
{
	int64_t pause_ms = RETRY_MS;

	req->body = collect_answer;
	req->arg = answer;
	for (int tries = 1;; tries++, pause_ms *= 2) {
		int r = exchange_perform(h, req, resp, e);
		bool again = r > 0 ? !resp->untrusted : resp->status >= 500 || resp->status == 429;

		if (r < 0 || !again || tries == TRIES)
			return r;
		exchange_response_done(resp);
		buf_done(answer);
		atomic_fetch_add(peer->retries, 1);
		if (stop_wait(peer->stop, pause_ms))
			return err_set(e, ERR_CANCELLED, "cancelled");
	}
}

/* Use the token server's own certs.d directory, so that the registry's client certificate goes only
 * to the registry. */
static int ask_token(struct exchange *h, struct exchange_request *req, const char *realm,
		     const struct credentials *cred, const struct auth_peer *peer, char **ret,
		     struct err *e)
{
	_cleanup_(exchange_response_done) struct exchange_response resp = EXCHANGE_RESPONSE_NULL;
	_cleanup_(certs_done) struct certs certs = CERTS_NULL;
	_cleanup_free_ char *host = exchange_url_host(realm);
	_cleanup_buf_ struct buf answer = BUF_NULL;
	int r = certs_add(&certs, peer->certs_dirs, host, true, e);

	r = r < 0 ? r : certs_add(&certs, peer->certs_dirs, peer->host, false, e);
	if (r < 0)
		return r;
	req->certs = &certs;
	req->insecure = peer->insecure;
	req->direct = image_host_is_loopback(host);
	r = ask_patiently(h, req, &answer, &resp, peer, e);
	if (r > 0)
		r = err_set(e, ERR_UNAVAILABLE, "token server %.200s: %.300s", realm,
			    resp.text.data);
	else if (r == 0)
		r = read_answer(&resp, &answer, realm, cred, ret, e);
	if (answer.data)
		explicit_bzero(answer.data, answer.len);
	return r;
}

/* "&key=value", escaped. */
static void add_param(struct buf *b, const char *key, const char *value)
{
	_cleanup_free_ char *escaped = exchange_escape(value);

	buf_printf(b, "%s%s=%s", b->len ? "&" : "", key, escaped);
}

static int bearer_header(struct exchange *h, const struct challenge *c,
			 const struct credentials *cred, const struct auth_peer *peer, char **ret,
			 struct err *e)
{
	_cleanup_free_ char *scope =
		c->scope ? xstrdup(c->scope) : xasprintf("repository:%s:pull", peer->repository);
	_cleanup_free_ char *url = NULL, *basic = NULL;
	_cleanup_buf_ struct buf params = BUF_NULL;
	struct exchange_request req = { .url = c->realm };

	if (!str_starts(c->realm, "https://") &&
	    !(peer->insecure && str_starts(c->realm, "http://")))
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
		req.post = params.data;
		return ask_token(h, &req, c->realm, cred, peer, ret, e);
	}
	url = xasprintf("%s%s%s", c->realm, strchr(c->realm, '?') ? "&" : "?", params.data);
	if (cred->username && basic_header(cred, &basic, e) < 0)
		return -(int)e->code;
	req.url = url;
	req.authorization = basic;
	return ask_token(h, &req, c->realm, cred, peer, ret, e);
}

int auth_answer(struct exchange *h, const struct challenge *c, const struct credentials *cred,
		const struct auth_peer *peer, char **ret, struct err *e)
{
	switch (c->scheme) {
	case CHALLENGE_SCHEME_BASIC:
		return basic_header(cred, ret, e);
	case CHALLENGE_SCHEME_BEARER:
		return bearer_header(h, c, cred, peer, ret, e);
	case CHALLENGE_SCHEME_NONE:
		break;
	}
	return err_set(e, ERR_UNAUTHENTICATED,
		       "the registry wants a kind of authentication that is not supported");
}
