/*
 * selfcare.h - what the shim does to itself: its cgroup, its standing with the OOM killer, the
 * size of its log.
 */
#pragma once

/* Move into path (absolute, below the root of each mounted hierarchy), made when missing.  What
 * does not work is logged and left as it is. */
void selfcare_join_cgroup(const char *path);

/* As unlikely a victim as we are allowed to be. */
void selfcare_protect_from_oom(void);

/* Start the log on stderr anew when it has grown too large. */
void selfcare_cap_log(void);
