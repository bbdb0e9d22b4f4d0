/*
 * conf.h - the configuration: the result of the crio.conf(5) tables and crispd's flags.
 * Precedence: flag > variable > drop-in files in lexical order > file > default.  Names that crisp
 * does not know are ignored, as CRI-O does, and listed with file, line and the nearest known key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct oci_features;

/* The paths where kubelets and cAdvisor look for CRI-O. */
#define CONF_CRIO_SOCKET "/var/run/crio/crio.sock"
#define CONF_CRIO_RUN_SOCKET "/run/crio/crio.sock"

#define CONF_FILE "/etc/crisp/crisp.conf"
#define CONF_DIR "/etc/crisp/crisp.conf.d"

enum conf_cgroup_manager {
	CONF_CGROUP_MANAGER_CGROUPFS,
	CONF_CGROUP_MANAGER_SYSTEMD,
};

/* One [crio.runtime.runtimes.NAME].  crisp.keys explains the members. */
struct conf_runtime {
	char *name;
	const struct oci_features *features; /* set by pod/runtimes.h; NULL: none known */
#include "gen/conf_runtime_fields.h"
};

#define CONF_TLS12 "VersionTLS12"
#define CONF_TLS13 "VersionTLS13"

struct conf {
#include "gen/conf_fields.h"
	struct conf_runtime *runtimes;
	size_t n_runtimes;

	char **warnings; /* for the log at start; NULL-terminated, NULL: none */
	/* "FILE:LINE: KEY" of each key that nothing reads yet with a value of its own. */
	char **later;
	/* One line for each name in a file that was ignored, and for each bad value. */
	char **ignored, **errors;
	size_t n_unlisted; /* further ones */
	bool *set_by_flag; /* internal: keys set by conf_set */
	struct conf_place *places; /* internal: source of each key's value */
	size_t n_places;
};

/* Set defaults.  c owns all values; free with conf_done. */
void conf_init(struct conf *c);
void conf_done(struct conf *c);

/* Merge one TOML file: values replace, a list as a whole, a handler key by key.  1: no such file.
 * <0: c is partly merged; e is the first of the errors that are listed in c->errors. */
int conf_load_file(struct conf *c, const char *path, struct err *e);
/* Merge every file of a directory and of those below it in lexical order, as CRI-O does; a missing
 * directory is success.  Goes on after an error. */
int conf_load_dir(struct conf *c, const char *dir, struct err *e);

/* Merge a file and a directory of drop-ins.  NULL: CONF_FILE and CONF_DIR, or CRI-O's own on a node
 * that has neither, with a warning.  "": none.  ERR_NOT_FOUND: a given file does not exist. */
int conf_load(struct conf *c, const char *file, const char *dir, struct err *e);

/* Set a string, a number or a list entry, as a flag does; key is "crio.runtime.log_level".  The
 * first entry of a list replaces the files' value, later ones append; commas separate several
 * entries.  "crio.runtime.runtimes" takes NAME:PATH and up to five further fields. */
int conf_set(struct conf *c, const char *key, const char *value, struct err *e);

/* Call after all merges: derive values from other values, look up runtimes in PATH, check
 * combinations of keys.  An unusable handler is dropped with a warning, but is an error if it is
 * the default. */
int conf_finish(struct conf *c, struct err *e);

/* Normalise a pod's cgroup parent, malloc'ed: an absolute path, or with the systemd manager a
 * slice's name.  text may be the slice's name or, as the kubelet sends it, its whole path. */
int conf_cgroup_parent(enum conf_cgroup_manager manager, const char *text, char **ret,
		       struct err *e);

/* Parent of the cgroup of a pod's shim, with the cgroupfs manager: pod_parent if the handler's
 * monitor_cgroup is "pod", monitor_cgroup if that is a path, else default_cgroup_parent.  Owned by
 * c or the caller. */
const char *conf_shim_parent(const struct conf *c, const struct conf_runtime *rt,
			     const char *pod_parent);

/* Do containers' cgroups have CRI-O's names, so that cAdvisor takes them for its containers? */
bool conf_has_crio_cgroups(const struct conf *c);

/* The handler of that name; NULL or "": the default one.  Returns NULL: not configured. */
const struct conf_runtime *conf_runtime_find(const struct conf *c, const char *name);
