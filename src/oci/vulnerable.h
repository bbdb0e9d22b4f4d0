/*
 * vulnerable.h - known vulnerabilities of OCI runtimes, by the version that they report.
 */
#pragma once

/* Known vulnerabilities of a version, malloc'ed, for a warning.  version: output of `RUNTIME
 * --version`.  NULL: none known, or runtime or version not recognised.  The text says that a
 * distribution may have patched an older version. */
char *oci_vulnerable_text(const char *version);
