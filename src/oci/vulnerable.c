/*
 * vulnerable.c - table of vulnerabilities, and comparison of versions.  To add one: a line with
 * the first fixed version of each maintained series, the newest series last.
 */
#include "oci/vulnerable.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"

#define FIXES_MAX 4
#define NO_RC 1000 /* a release comes after all of its candidates */

struct version {
	unsigned part[3], rc; /* rc 0 in a table: a release */
};

static const struct {
	const char *runtime, *cve, *what;
	/* First fixed version of each series; every series after the last is fixed. */
	struct version fixed[FIXES_MAX];
} known[] = {
	{ "runc", "CVE-2019-5736", "a container overwrites the runtime", { { { 1, 0, 0 }, 7 } } },
	{ "runc",
	  "CVE-2021-30465",
	  "mounts lead out of the root file system",
	  { { { 1, 0, 0 }, 95 } } },
	{ "runc",
	  "CVE-2024-21626",
	  "a container starts in a directory of the host",
	  { { { 1, 1, 12 }, 0 } } },
	{ "runc",
	  "CVE-2024-45310",
	  "files are made on the host",
	  { { { 1, 1, 14 }, 0 }, { { 1, 2, 0 }, 3 } } },
	{ "runc",
	  "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881",
	  "masked paths and /dev/console lead to files of the host",
	  { { { 1, 2, 8 }, 0 }, { { 1, 3, 3 }, 0 }, { { 1, 4, 0 }, 3 } } },
	{ "crun", "CVE-2022-27650", "capabilities are inheritable", { { { 1, 4, 4 }, 0 } } },
	{ "crun",
	  "CVE-2025-24965",
	  "with the krun handler a file is written on the host",
	  { { { 1, 20, 0 }, 0 } } },
};

static int compare(const struct version *a, const struct version *b)
{
	unsigned rc_a = a->rc ? a->rc : NO_RC, rc_b = b->rc ? b->rc : NO_RC;

	for (size_t i = 0; i < ARRAY_LEN(a->part); i++)
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	return (rc_a > rc_b) - (rc_a < rc_b);
}

static bool is_fixed(const struct version *v, const struct version fixed[FIXES_MAX])
{
	size_t n = 0;

	while (n < FIXES_MAX && fixed[n].part[0])
		n++;
	for (size_t i = 0; i < n; i++)
		if (fixed[i].part[0] == v->part[0] && fixed[i].part[1] == v->part[1])
			return compare(v, &fixed[i]) >= 0;
	return compare(v, &fixed[n - 1]) > 0;
}

/* "runc version 1.1.5+ds1", "crun version 1.8.1", "1.0.0-rc93", "1.0-rc6", "1.4.0-rc.2". */
static bool parse(const char *text, char name[16], struct version *ret)
{
	const char *rc;
	char number[64];

	*ret = (struct version){ .rc = 0 };
	if (sscanf(text, "%15s version %63s", name, number) != 2 ||
	    sscanf(number, "%u.%u.%u", &ret->part[0], &ret->part[1], &ret->part[2]) < 2)
		return false;
	rc = strstr(number, "-rc");
	if (rc && sscanf(rc + strlen("-rc") + (rc[3] == '.'), "%u", &ret->rc) != 1)
		ret->rc = 0;
	return true;
}

char *oci_vulnerable_text(const char *version)
{
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct version v;
	bool any = false;
	char name[16];

	if (!version || !parse(version, name, &v))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const struct version *first = &known[i].fixed[0];

		if (strcmp(known[i].runtime, name) != 0 || is_fixed(&v, known[i].fixed))
			continue;
		if (!b.len)
			buf_printf(&b, "%s reports version %u.%u.%u; releases", name, v.part[0],
				   v.part[1], v.part[2]);
		buf_printf(&b, "%s before %u.%u.%u have %s (%s)", any ? "," : "", first->part[0],
			   first->part[1], first->part[2], known[i].cve, known[i].what);
		any = true;
	}
	if (!b.len)
		return NULL;
	buf_puts(&b, "; install a newer one, unless its distribution has patched it");
	return buf_take(&b);
}
