/*
 * vulnerable.h - known vulnerabilities of OCI runtimes, by the version that they report.
 */
#pragma once

/* version: what `RUNTIME --version` prints. What is known of that version, malloc'ed, for a
 * warning; NULL: nothing, or it is no runtime or version that is understood. A distribution may
 * have patched an older version: the text says so. */
char *oci_vulnerable_text(const char *version);
