/*
 * checks.h - does a key accept this text, a value or an entry of a list?  crisp.keys names the
 * checks without their prefix.
 */
#pragma once

#include <stdbool.h>

bool conf_is_log_level(const char *s);
bool conf_is_log_filter(const char *s);
bool conf_is_port(const char *s);
bool conf_is_idle_timeout(const char *s);
bool conf_is_tls_version(const char *s);
bool conf_is_cipher_suite(const char *s);
bool conf_is_setting(const char *s);
bool conf_is_ulimit(const char *s);
bool conf_is_capability(const char *s);
bool conf_is_pod_sysctl(const char *text);
bool conf_is_empty(const char *s);
bool conf_is_selinux_here(const char *s);
bool conf_is_default_apparmor(const char *s);
bool conf_is_no_hooks(const char *dir);
bool conf_is_device(const char *s);
bool conf_is_timezone(const char *s);
bool conf_is_duration(const char *s);
bool conf_is_short_name_mode(const char *s);
bool conf_is_runtime_type(const char *s);
bool conf_is_cgroup_prefix(const char *s);
bool conf_is_remove_image(const char *s);
bool conf_is_image_volumes(const char *s);
bool conf_is_collector(const char *s);
/* The family's name without a prefix: "operations_total" of "crio_operations_total".  Part of s. */
const char *conf_collector_family(const char *s);
bool conf_is_checkpoint_level(const char *s);
bool conf_is_metric_group(const char *s);
bool conf_is_transport(const char *s);
bool conf_is_path_word(const char *s);

/* "NAME=VALUE" of a text that may have blanks around both, malloc'ed. */
char *conf_clean_setting(const char *s);
