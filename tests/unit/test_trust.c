/*
 * test_trust.c - signature files of the puller: registries.d, payloads, base64, and answers of the
 * crypto library.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "image/policy.h"
#include "pull/trust/lookaside.h"
#include "pull/trust/sigpayload.h"
#include "pull/trust/sigstore.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* --- registries.d --- */

static void assert_place(const struct lookaside *l, const char *name, const char *url,
			 bool attachments)
{
	struct lookaside_place place;
	struct image_ref ref;
	struct err e = ERR_NULL;

	assert_int_equal(policy_ref_parse(name, &ref, &e), 0);
	lookaside_find(l, &ref, &place);
	assert_string_equal(place.url, url);
	assert_int_equal(place.attachments, attachments);
	image_ref_done(&ref);
}

static void add(struct lookaside *l, const char *text)
{
	struct err e = ERR_NULL;

	if (lookaside_add(l, text, strlen(text), "test.yaml", &e) < 0)
		fail_msg("%s", e.text);
}

static void places(void **state)
{
	_cleanup_(lookaside_freep) struct lookaside *l = lookaside_new();

	(void)state;
	assert_place(l, "a.b/c:1", "file:///var/lib/containers/sigstore", false);
	add(l, "# nothing\n");
	add(l, "default-docker:\n  sigstore: file:///default/\n  unknown: [1, 2]\n"
	       "docker:\n  a.b:\n    lookaside: https://a.b/sigs//\n    sigstore: http://old\n"
	       "  a.b/c:\n    use-sigstore-attachments: true\n");
	add(l, "docker:\n  a.b/c/d:1:\n    lookaside: http://d\n  'a.b/c/e':\n"
	       "    use-sigstore-attachments: false\n  '*.x.org':\n    lookaside: http://x\n");
	assert_place(l, "z.y/c:1", "file:///default", false);
	assert_place(l, "a.b/d:1", "https://a.b/sigs", false);
	assert_place(l, "a.b/c:1", "https://a.b/sigs", true);
	assert_place(l, "a.b/c/d:1", "http://d", true);
	assert_place(l, "a.b/c/d:2", "https://a.b/sigs", true);
	assert_place(l, "a.b/c/e/f:1", "https://a.b/sigs", false);
	assert_place(l, "r.x.org:5000/a:1", "http://x", false);
}

static void refused(const char *text, const char *why)
{
	_cleanup_(lookaside_freep) struct lookaside *l = lookaside_new();
	struct err e = ERR_NULL;

	add(l, "default-docker: {}\ndocker: {a.b: {}}\n");
	assert_true(lookaside_add(l, text, strlen(text), "test.yaml", &e) < 0);
	assert_int_equal(e.code, ERR_PRECONDITION);
	if (!strstr(e.text, why))
		fail_msg("\"%s\" does not say \"%s\"", e.text, why);
}

static void wrong_places(void **state)
{
	(void)state;
	refused("[", "test.yaml:2: not YAML");
	refused("- a", "test.yaml:1: not a mapping");
	refused("docker: a", "test.yaml:1: not a mapping");
	refused("docker:\n  c.d: [1]", "test.yaml:2: not a mapping");
	refused("docker:\n  [1]: {}", "test.yaml:2: the key is not a text");
	refused("docker: {}\ndocker: {}", "test.yaml:2: the key stands twice");
	refused("default-docker: {}", "this section was there already");
	refused("docker:\n  c.d: {}\n  a.b: {}", "test.yaml:3: this section was there already");
	refused("docker:\n  c.d:\n    lookaside: ftp://x", "test.yaml:3: not a plain URL");
	refused("docker:\n  c.d:\n    lookaside: file://x", "test.yaml:3: not a plain URL");
	refused("docker:\n  c.d:\n    lookaside: http://x/?q=1", "test.yaml:3: not a plain URL");
	refused("docker:\n  c.d:\n    lookaside: file:///", "test.yaml:3: not a plain URL");
	refused("docker:\n  c.d:\n    lookaside: http:///x", "test.yaml:3: not a plain URL");
	refused("docker:\n  c.d:\n    sigstore: [1]", "test.yaml:3: not a plain URL");
	refused("docker:\n  c.d:\n    use-sigstore-attachments: yes", "neither true nor false");
}

/* --- payloads --- */

#define IMAGE "\"image\":{\"docker-manifest-digest\":\"" DIGEST "\"}"
#define IDENTITY "\"identity\":{\"docker-reference\":\"busybox:1\"}"
#define SIMPLE "\"type\":\"atomic container signature\""
#define COSIGN "\"type\":\"cosign container image signature\""

static void payloads(void **state)
{
	static const char *const simple[] = {
		"{\"critical\":{" SIMPLE "," IMAGE "," IDENTITY "},\"optional\":{\"creator\":\"x\","
		"\"timestamp\":1,\"more\":[]}}",
		"{\"critical\":{" IMAGE "," IDENTITY "," SIMPLE "},\"optional\":null}",
		"{\"critical\":{" IMAGE "," IDENTITY "," SIMPLE "}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(simple); i++) {
		struct sigpayload p;
		struct err e = ERR_NULL;

		if (sigpayload_parse(simple[i], strlen(simple[i]), false, &p, &e) < 0)
			fail_msg("%s", e.text);
		assert_string_equal(p.digest, DIGEST);
		assert_string_equal(p.signed_as.path, "library/busybox");
		sigpayload_done(&p);
		assert_true(sigpayload_parse(simple[i], strlen(simple[i]), true, &p, &e) < 0);
		sigpayload_done(&p);
	}
}

static void refused_payload(const char *json, const char *why)
{
	struct sigpayload p;
	struct err e = ERR_NULL;

	assert_true(sigpayload_parse(json, strlen(json), true, &p, &e) < 0);
	assert_int_equal(e.code, ERR_INVALID);
	if (!strstr(e.text, why))
		fail_msg("\"%s\" does not say \"%s\"", e.text, why);
	sigpayload_done(&p);
}

static void wrong_payloads(void **state)
{
	(void)state;
	refused_payload("", "payload: line 1");
	refused_payload("[]", "not an object");
	refused_payload("{\"critical\":{" COSIGN "," IMAGE "," IDENTITY "},\"x\":1}",
			"not an object of critical and optional");
	refused_payload("{\"critical\":{" COSIGN "," IMAGE "," IDENTITY "},\"optional\":[]}",
			"optional is not an object");
	refused_payload("{\"critical\":1}", "critical is missing or not an object");
	refused_payload("{\"critical\":{" COSIGN "," IMAGE "}}", "critical.identity is missing");
	refused_payload("{\"critical\":{" COSIGN "," IMAGE "," IDENTITY ",\"x\":1}}",
			"critical has members that are not known");
	refused_payload("{\"critical\":{" SIMPLE "," IMAGE "," IDENTITY "}}", "critical: type is");
	refused_payload("{\"critical\":{\"type\":1," IMAGE "," IDENTITY "}}", "type is not a text");
	refused_payload("{\"critical\":{" COSIGN "," IDENTITY
			",\"image\":{\"docker-manifest-digest\":\"sha256:12\"}}}",
			"is not a sha256 digest");
	refused_payload("{\"critical\":{" COSIGN "," IMAGE
			",\"identity\":{\"docker-reference\":\"A B\"}}}",
			"docker-reference: image reference");
	refused_payload("{\"critical\":{" COSIGN "," IMAGE "," IMAGE "," IDENTITY "}}", "line 1");
}

/* --- base64 and keys --- */

static void base64(void **state)
{
	static const struct {
		const char *text, *bytes; /* bytes NULL: refused */
	} cases[] = {
		{ "QUJD", "ABC" }, { "QUI=", "AB" },	 { "QQ==", "A" },    { "", NULL },
		{ "QUJ", NULL },   { "QU J", NULL },	 { "QUJD\n", NULL }, { "====", NULL },
		{ " QUJD", NULL }, { "QUJD====", NULL }, { "-_-_", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_buf_ struct buf b = BUF_NULL;
		struct err e = ERR_NULL;
		int r = sigstore_base64(cases[i].text, &b, &e);

		if (!cases[i].bytes) {
			assert_true(r < 0);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(b.len, strlen(cases[i].bytes));
		assert_memory_equal(b.data, cases[i].bytes, b.len);
	}
}

/* The public half in PEM. */
static struct buf public_half(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf ret = BUF_NULL;
	char *data;
	long n;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	n = BIO_get_mem_data(bio, &data);
	buf_add(&ret, data, (size_t)n);
	BIO_free(bio);
	return ret;
}

static char *sign(EVP_PKEY *key, const char *hash, const char *text)
{
	unsigned char bytes[512], base[1024];
	size_t n = sizeof(bytes);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, hash, NULL, NULL, key, NULL), 1);
	assert_int_equal(EVP_DigestSign(ctx, bytes, &n, (const unsigned char *)text, strlen(text)),
			 1);
	EVP_MD_CTX_free(ctx);
	EVP_EncodeBlock(base, bytes, (int)n);
	return xstrdup((char *)base);
}

static int verify(const struct buf *keys, size_t n, const char *text, const char *signature,
		  enum err_code *ret_code)
{
	struct err e = ERR_NULL;
	int r = sigstore_verify(keys, n, text, strlen(text), signature, &e);

	*ret_code = e.code;
	return r;
}

static void keys(void **state)
{
	EVP_PKEY *pairs[] = { EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"),
			      EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
			      EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048) };
	static const char *const hashes[] = { "SHA256", NULL, "SHA256" };
	struct buf pem[ARRAY_LEN(pairs)];
	enum err_code code;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		pem[i] = public_half(pairs[i]);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		_cleanup_free_ char *s = sign(pairs[i], hashes[i], "text");
		size_t other = (i + 1) % ARRAY_LEN(pairs);

		assert_int_equal(verify(&pem[i], 1, "text", s, &code), 0);
		assert_int_equal(verify(pem, ARRAY_LEN(pem), "text", s, &code), 0);
		assert_true(verify(&pem[i], 1, "texT", s, &code) < 0);
		assert_int_equal(code, ERR_DENIED);
		assert_true(verify(&pem[other], 1, "text", s, &code) < 0);
		assert_int_equal(code, ERR_DENIED);
		assert_true(verify(&pem[i], 1, "text", "QUJD", &code) < 0);
		assert_int_equal(code, ERR_DENIED);
		assert_true(verify(&pem[i], 0, "text", s, &code) < 0);
	}
	pem[0].data[40] ^= 1;
	assert_true(verify(pem, 1, "text", "QUJD", &code) < 0);
	assert_int_equal(code, ERR_PRECONDITION);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		buf_done(&pem[i]);
		EVP_PKEY_free(pairs[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),   cmocka_unit_test(wrong_places),
		cmocka_unit_test(payloads), cmocka_unit_test(wrong_payloads),
		cmocka_unit_test(base64),   cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
