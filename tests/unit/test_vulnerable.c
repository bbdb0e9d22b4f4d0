/*
 * test_vulnerable.c - versions of OCI runtimes that are known to be vulnerable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "oci/vulnerable.h"

static void versions(void **state)
{
	static const struct {
		const char *version, *has, *has_not; /* has NULL: nothing is known */
	} cases[] = {
		{ "runc version 1.0-rc6\n", "CVE-2019-5736", NULL },
		{ "runc version 1.0.0-rc93\n", "CVE-2021-30465", "CVE-2019-5736" },
		{ "runc version 1.1.5+ds1\ncommit: 1\n", "CVE-2024-21626", "CVE-2021" },
		{ "runc version 1.1.11\n", "CVE-2024-21626", NULL },
		{ "runc version 1.1.12\n", "CVE-2024-45310", "CVE-2024-21626" },
		{ "runc version 1.1.15\n", "CVE-2025-31133", "CVE-2024" },
		{ "runc version 1.2.0-rc.2\n", "CVE-2024-45310", "CVE-2024-21626" },
		{ "runc version 1.2.7\n", "CVE-2025-52881", "CVE-2024" },
		{ "runc version 1.2.8\n", NULL, NULL },
		{ "runc version 1.3.2\n", "CVE-2025-52565", NULL },
		{ "runc version 1.3.3\n", NULL, NULL },
		{ "runc version 1.4.0-rc.2\n", "CVE-2025-31133", NULL },
		{ "runc version 1.4.0-rc.3\n", NULL, NULL },
		{ "runc version 1.4.0\n", NULL, NULL },
		{ "runc version 2.0.0\n", NULL, NULL },
		{ "crun version 1.8.1\ncommit: f8a\n", "CVE-2025-24965", "CVE-2022" },
		{ "crun version 1.4.3\n", "CVE-2022-27650", NULL },
		{ "crun version 1.20\n", NULL, NULL },
		{ "youki version 0.1\n", NULL, NULL },
		{ "runc version unknown\n", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_free_ char *text = oci_vulnerable_text(cases[i].version);

		if (!text != !cases[i].has || (text && !strstr(text, cases[i].has)) ||
		    (text && cases[i].has_not && strstr(text, cases[i].has_not)))
			fail_msg("%s: %s", cases[i].version, text ? text : "nothing");
		if (text)
			assert_non_null(strstr(text, "unless its distribution has patched it"));
	}
	assert_null(oci_vulnerable_text(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(versions) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
