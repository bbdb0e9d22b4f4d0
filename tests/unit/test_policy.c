/*
 * test_policy.c - policy.json: the scope of an image, the identities that a signature may have, and
 * the line of each mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/util.h"
#include "image/policy.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "@sha256:" HEX

#define ACCEPT "[{\"type\":\"insecureAcceptAnything\"}]"
#define REJECT "[{\"type\":\"reject\"}]"

static struct policy *parse(const char *json)
{
	struct policy *p = NULL;
	struct err e = ERR_NULL;

	if (policy_parse(json, strlen(json), &p, &e) < 0)
		fail_msg("%s", e.text);
	return p;
}

/* As the image of a pod: with a tag. */
static struct image_ref image(const char *text)
{
	struct image_ref named, ref;
	struct err e = ERR_NULL;

	assert_int_equal(image_ref_parse(text, &named, &e), 0);
	assert_int_equal(policy_ref_copy(&named, &ref, &e), 0);
	image_ref_done(&named);
	return ref;
}

static void assert_names(const char *text, const char *const *expected)
{
	_cleanup_(image_ref_done) struct image_ref ref = image(text);
	char **names = policy_names(&ref);
	size_t i = 0;

	for (; expected[i]; i++)
		assert_string_equal(names[i], expected[i]);
	assert_null(names[i]);
	policy_names_free(names);
}

static void names_of_an_image(void **state)
{
	(void)state;
	assert_names("busybox",
		     (const char *const[]){ "docker.io/library/busybox:latest",
					    "docker.io/library/busybox", "docker.io/library",
					    "docker.io", "*.io", NULL });
	assert_names("index.docker.io/a/b:1",
		     (const char *const[]){ "docker.io/a/b:1", "docker.io/a/b", "docker.io/a",
					    "docker.io", "*.io", NULL });
	assert_names("r.example.com:5000/a/b:1" DIGEST,
		     (const char *const[]){ "r.example.com:5000/a/b" DIGEST,
					    "r.example.com:5000/a/b", "r.example.com:5000/a",
					    "r.example.com:5000", "*.example.com", "*.com", NULL });
	assert_names("localhost/x", (const char *const[]){ "localhost/x:latest", "localhost/x",
							   "localhost", NULL });
}

static void assert_scope(const struct policy *p, const char *text, const char *expected)
{
	_cleanup_(image_ref_done) struct image_ref ref = image(text);
	_cleanup_free_ char *scope = policy_scope_text(policy_of_image(p, &ref));

	assert_string_equal(scope, expected);
}

static void most_precise_scope(void **state)
{
	struct policy *p = parse("{\"default\":" REJECT ",\"transports\":{\"docker\":{"
				 "\"docker.io/library/busybox:1\":" ACCEPT ","
				 "\"docker.io/library/busybox\":" ACCEPT ","
				 "\"docker.io/library\":" ACCEPT ",\"docker.io\":" ACCEPT ","
				 "\"*.example.com\":" ACCEPT ",\"*.com\":" ACCEPT ","
				 "\"x.com:5000\":" ACCEPT ",\"\":" ACCEPT "},"
				 "\"atomic\":{\"y.org\":" ACCEPT "}}}");

	(void)state;
	assert_scope(p, "busybox:1", "scope docker.io/library/busybox:1 of transport docker");
	assert_scope(p, "busybox:2", "scope docker.io/library/busybox of transport docker");
	assert_scope(p, "busybox" DIGEST, "scope docker.io/library/busybox of transport docker");
	assert_scope(p, "busybox-more:1", "scope docker.io/library of transport docker");
	assert_scope(p, "docker.io/a/b", "scope docker.io of transport docker");
	assert_scope(p, "r.example.com:1/a", "scope *.example.com of transport docker");
	assert_scope(p, "example.com/a", "scope *.com of transport docker");
	assert_scope(p, "x.com:5000/a", "scope x.com:5000 of transport docker");
	assert_scope(p, "x.com:5001/a", "scope *.com of transport docker");
	assert_scope(p, "y.org/a", "the default of transport docker");
	policy_free(p);
}

static void assert_layout(const struct policy *p, const char *dir, const char *expected)
{
	_cleanup_free_ char *scope = policy_scope_text(policy_of_layout(p, dir, "tag"));

	assert_string_equal(scope, expected);
}

static void scope_of_a_layout(void **state)
{
	struct policy *p = parse("{\"default\":" REJECT ",\"transports\":{\"oci\":{"
				 "\"/a/b:tag\":" ACCEPT ",\"/a/b\":" ACCEPT ",\"/a\":" ACCEPT
				 "},\"docker\":{\"\":" ACCEPT "}}}");

	(void)state;
	assert_layout(p, "/a/b", "scope /a/b:tag of transport oci");
	assert_layout(p, "/a/b/c", "scope /a/b of transport oci");
	assert_layout(p, "/a/c", "scope /a of transport oci");
	assert_layout(p, "/ab", "the policy's default");
	policy_free(p);
}

static int decide(const char *requirements)
{
	_cleanup_free_ char *json = xasprintf("{\"default\":%s}", requirements);
	_cleanup_(image_ref_done) struct image_ref ref = image("a.b/c");
	struct policy *p = parse(json);
	struct err e = ERR_NULL;
	int r = policy_decide(policy_of_image(p, &ref), &e);

	policy_free(p);
	if (r < 0)
		assert_int_equal(e.code, ERR_DENIED);
	return r;
}

static void all_requirements_hold(void **state)
{
	static const char sign[] =
		"{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\",\"keyPath\":\"/k\"}";
	_cleanup_free_ char *both = xasprintf("[{\"type\":\"insecureAcceptAnything\"},%s]", sign);
	_cleanup_free_ char *never = xasprintf("[%s,{\"type\":\"reject\"}]", sign);

	(void)state;
	assert_int_equal(decide(ACCEPT), 0);
	assert_int_equal(decide(both), 1);
	assert_true(decide(never) < 0);
	assert_true(decide(REJECT) < 0);
}

/* Does a signature of signed_as mean the image, by this signedIdentity ("": none)? */
static bool fits(const char *identity, const char *name, const char *signed_as)
{
	_cleanup_free_ char *json =
		xasprintf("{\"default\":[{\"type\":\"sigstoreSigned\",\"keyData\":\"QUJD\"%s%s}]}",
			  *identity ? ",\"signedIdentity\":" : "", identity);
	_cleanup_(image_ref_done) struct image_ref ref = image(name);
	struct policy *p = parse(json);
	struct image_ref as;
	struct err e = ERR_NULL;
	bool ret;

	assert_int_equal(policy_ref_parse(signed_as, &as, &e), 0);
	ret = policy_identity_fits(&policy_of_image(p, &ref)->list[0].identity, &ref, &as);
	image_ref_done(&as);
	policy_free(p);
	return ret;
}

static void identities(void **state)
{
	static const char exact[] = "{\"type\":\"matchExact\"}";
	static const char either[] = "{\"type\":\"matchRepoDigestOrExact\"}";
	static const char repository[] = "{\"type\":\"matchRepository\"}";
	static const char one[] = "{\"type\":\"exactReference\",\"dockerReference\":\"busybox:1\"}";
	static const char all[] = "{\"type\":\"exactRepository\",\"dockerRepository\":\"v.w/x\"}";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *id = i ? either : "";

		assert_true(fits(id, "a.b/c:1", "a.b/c:1"));
		assert_true(fits(id, "a.b/c", "a.b/c:latest"));
		assert_false(fits(id, "a.b/c:1", "a.b/c:2"));
		assert_false(fits(id, "a.b/c:1", "a.b/c"));
		assert_false(fits(id, "a.b/c:1", "a.b/d:1"));
		assert_false(fits(id, "a.b/c:1", "a.b:5000/c:1"));
		assert_true(fits(id, "a.b/c" DIGEST, "a.b/c:2"));
		assert_true(fits(id, "a.b/c:1" DIGEST, "a.b/c:2"));
		assert_false(fits(id, "a.b/c" DIGEST, "a.b/d:2"));
	}
	assert_true(fits(exact, "busybox:1", "docker.io/library/busybox:1"));
	assert_true(fits(exact, "a.b/c" DIGEST, "a.b/c" DIGEST));
	assert_false(fits(exact, "a.b/c" DIGEST, "a.b/c:1"));
	assert_true(fits(repository, "a.b/c:1", "a.b/c"));
	assert_false(fits(repository, "a.b/c:1", "a.b/c/d:1"));
	assert_true(fits(one, "a.b/c:2", "docker.io/library/busybox:1"));
	assert_false(fits(one, "a.b/c:1", "busybox:2"));
	assert_true(fits(all, "a.b/c:1", "v.w/x:9"));
	assert_false(fits(all, "a.b/c:1", "a.b/c:1"));
}

static void remapped_identities(void **state)
{
	static const char ns[] = "{\"type\":\"remapIdentity\",\"prefix\":\"m.n:5000/vendor\","
				 "\"signedPrefix\":\"vendor.com\"}";
	static const char host[] = "{\"type\":\"remapIdentity\",\"prefix\":\"m.n:5000\","
				   "\"signedPrefix\":\"docker.io/library\"}";

	(void)state;
	assert_true(fits(ns, "m.n:5000/vendor/a/b:1", "vendor.com/a/b:1"));
	assert_true(fits(ns, "m.n:5000/vendor/a" DIGEST, "vendor.com/a:7"));
	assert_false(fits(ns, "m.n:5000/vendor/a:1", "vendor.com/a:2"));
	assert_false(fits(ns, "m.n:5000/vendor/a:1", "m.n:5000/vendor/a:1"));
	assert_false(fits(ns, "m.n:5000/vendors/a:1", "vendor.com/a:1"));
	assert_true(fits(ns, "m.n:5000/other:1", "m.n:5000/other:1"));
	/* What is left is no full name. */
	assert_false(fits(ns, "m.n:5000/vendor:1", "vendor.com:1"));
	assert_true(fits(host, "m.n:5000/busybox:1", "busybox:1"));
}

static void refused(const char *json, const char *why)
{
	struct policy *p = NULL;
	struct err e = ERR_NULL;

	assert_true(policy_parse(json, strlen(json), &p, &e) < 0);
	assert_null(p);
	assert_int_equal(e.code, ERR_PRECONDITION);
	if (!strstr(e.text, why))
		fail_msg("\"%s\" does not say \"%s\"", e.text, why);
}

static void refused_requirement(const char *requirement, const char *why)
{
	_cleanup_free_ char *json = xasprintf("{\"default\":[%s]}", requirement);

	refused(json, why);
}

static void wrong_documents(void **state)
{
	(void)state;
	refused("", "line 1");
	refused("[]", "the document: not an object");
	refused("{}", "default: missing");
	refused("{\"default\":[]}", "default: not a list of requirements, or empty");
	refused("{\"default\":{}}", "default: not a list");
	refused("{\"default\":" ACCEPT ",\"default\":" ACCEPT "}", "line 1");
	refused("{\"default\":" ACCEPT ",\"defalt\":1}", "unknown member \"defalt\"");
	refused("{\"default\":" ACCEPT ",\"transports\":[]}", "transports: not an object");
	refused("{\"default\":" ACCEPT ",\"transports\":{\"docker\":[]}}",
		"transports.docker: not an object");
	refused("{\"default\":" ACCEPT ",\"transports\":{\"docker\":{\"a.b/c\":[1]}}}",
		"transports.docker[\"a.b/c\"][0]: not an object");
}

static void wrong_requirements(void **state)
{
	(void)state;
	refused_requirement("{}", "default[0].type: missing");
	refused_requirement("{\"type\":1}", "default[0].type: not a text");
	refused_requirement("{\"type\":\"signedby\"}", "default[0].type: \"signedby\" is unknown");
	refused_requirement("{\"type\":\"reject\",\"keyPath\":\"/k\"}",
			    "unknown member \"keyPath\"");
	refused_requirement("{\"type\":\"signedBy\",\"keyPath\":\"/k\"}", "keyType: missing");
	refused_requirement("{\"type\":\"signedBy\",\"keyType\":\"X\",\"keyPath\":\"/k\"}",
			    "keyType: \"X\" is unknown");
#define GPG "{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\""
	refused_requirement(GPG "}", "default[0]: no keyPath");
	refused_requirement(GPG ",\"keyPath\":\"/k\",\"keyData\":\"QUJD\"}",
			    "both keyPath and keyData");
	refused_requirement(GPG ",\"keyPath\":\"k\"}", "keyPath: \"k\" is not an absolute path");
	refused_requirement(GPG ",\"keyPaths\":[]}", "keyPaths: not a list, or empty");
	refused_requirement(GPG ",\"keyPaths\":[\"/k\",2]}", "keyPaths[1]: not a text");
	refused_requirement(GPG ",\"keyData\":\"QUJ\"}", "keyData: not base64");
	refused_requirement(GPG ",\"keyData\":\"QU=D\"}", "keyData: not base64");
	refused_requirement(GPG ",\"keyDatas\":[\"QUJD\"]}", "unknown member \"keyDatas\"");
#define SIGSTORE "{\"type\":\"sigstoreSigned\",\"keyPath\":\"/k\""
	refused_requirement(SIGSTORE ",\"keyType\":\"GPGKeys\"}", "unknown member \"keyType\"");
}

/* A requirement that crisp cannot check is an error for its scope only; a reject beside it wins. */
static void lacking_requirements(void **state)
{
	static const struct {
		const char *requirements, *why;
		enum err_code code;
	} cases[] = {
		{ SIGSTORE ",\"fulcio\":{}}", "fulcio: not supported", ERR_PRECONDITION },
		{ SIGSTORE ",\"rekorPublicKeyData\":\"x\"}", "rekorPublicKeyData: not supported",
		  ERR_PRECONDITION },
		{ "{\"type\":\"sigstoreSigned\",\"pki\":{}}", "pki: not supported",
		  ERR_PRECONDITION },
		{ "{\"type\":\"signedBy\",\"keyType\":\"X509Certificates\",\"keyPath\":\"/k\"}",
		  "\"X509Certificates\" is not supported", ERR_PRECONDITION },
		{ GPG ",\"keyPath\":\"/k\"}," SIGSTORE ",\"fulcio\":{}}", "a.b/c\"][1].fulcio",
		  ERR_PRECONDITION },
		{ SIGSTORE ",\"fulcio\":{}},{\"type\":\"reject\"}", "reject (requirement 2)",
		  ERR_DENIED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *json = xasprintf(
			"{\"default\":" ACCEPT ",\"transports\":{\"docker\":{\"a.b/c\":[%s]}}}",
			cases[i].requirements);
		_cleanup_(policy_freep) struct policy *p = NULL;
		struct image_ref ref = IMAGE_REF_NULL;
		struct err e = ERR_NULL;

		assert_int_equal(policy_parse(json, strlen(json), &p, &e), 0);
		assert_int_equal(image_ref_parse("a.b/other:1", &ref, &e), 0);
		assert_int_equal(policy_decide(policy_of_image(p, &ref), &e), 0);
		image_ref_done(&ref);
		assert_int_equal(image_ref_parse("a.b/c:1", &ref, &e), 0);
		assert_int_equal(policy_decide(policy_of_image(p, &ref), &e), -(int)cases[i].code);
		image_ref_done(&ref);
		if (!strstr(e.text, cases[i].why))
			fail_msg("\"%s\" does not say \"%s\"", e.text, cases[i].why);
	}
}

static void wrong_identities(void **state)
{
#define ID(more) SIGSTORE ",\"signedIdentity\":" more "}"
	(void)state;
	refused_requirement(ID("1"), "default[0].signedIdentity: not an object");
	refused_requirement(ID("{}"), "signedIdentity.type: missing");
	refused_requirement(ID("{\"type\":\"match\"}"), "type: \"match\" is unknown");
	refused_requirement(ID("{\"type\":\"matchExact\",\"prefix\":\"a.b\"}"),
			    "unknown member \"prefix\"");
	refused_requirement(ID("{\"type\":\"exactReference\"}"), "dockerReference: missing");
	refused_requirement(ID("{\"type\":\"exactReference\",\"dockerReference\":\"A\"}"),
			    "signedIdentity.dockerReference: image reference");
	refused_requirement(ID("{\"type\":\"exactReference\",\"dockerReference\":\"a.b/c\"}"),
			    "dockerReference: without a tag or a digest");
	refused_requirement(ID("{\"type\":\"remapIdentity\",\"prefix\":\"a.b/c\"}"),
			    "signedPrefix: missing");
	refused_requirement(ID("{\"type\":\"remapIdentity\",\"prefix\":\"a.b/c:1\","
			       "\"signedPrefix\":\"a.b\"}"),
			    "prefix: \"a.b/c:1\" is not a host");
}

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	memcpy(dir, "/tmp/test_policy.XXXXXX", sizeof("/tmp/test_policy.XXXXXX"));
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	return fs_remove_tree(dir, &e);
}

static void assert_found(const char *global, const char *namespace, const char *expected)
{
	_cleanup_free_ char *path = NULL;
	struct err e = ERR_NULL;

	assert_int_equal(policy_find(global, dir, namespace, &path, &e), 0);
	assert_string_equal(path, expected);
}

static void which_file(void **state)
{
	_cleanup_free_ char *own = xasprintf("%s/one.json", dir);
	_cleanup_free_ char *path = NULL;
	struct err e = ERR_NULL;
	struct policy *p = NULL;

	(void)state;
	assert_int_equal(fs_replace_file(own, "{", 1, 0600, false, &e), 0);
	assert_found("/global", "one", own);
	assert_found("/global", "two", "/global");
	assert_found("/global", "", "/global");
	assert_true(policy_find("/global", dir, "../x", &path, &e) < 0);
	assert_int_equal(e.code, ERR_INVALID);
	assert_true(policy_load(own, &p, &e) < 0);
	assert_non_null(strstr(e.text, own));
	assert_true(policy_load("/does/not/exist", &p, &e) < 0);
	assert_int_equal(e.code, ERR_PRECONDITION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_an_image),	cmocka_unit_test(most_precise_scope),
		cmocka_unit_test(scope_of_a_layout),	cmocka_unit_test(all_requirements_hold),
		cmocka_unit_test(identities),		cmocka_unit_test(remapped_identities),
		cmocka_unit_test(wrong_documents),	cmocka_unit_test(wrong_requirements),
		cmocka_unit_test(lacking_requirements), cmocka_unit_test(which_file),
		cmocka_unit_test(wrong_identities),	cmocka_unit_test(which_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
