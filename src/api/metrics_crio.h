/*
 * metrics_crio.h - the families of CRI-O, container_runtime_crio_*, with its types and labels, for
 * dashboards and alerts that know them.  [crio.metrics] crio_names.  Loop thread only.
 *
 * Differences: quantiles are exact to a sixteenth, bytes of a pull are counted when it ends, and
 * containers_seccomp_notifier_count_total has no value, since there is no notifier.
 */
#pragma once

#include "conf/conf.h"

struct buf;

/* Append all families. */
void metrics_crio_add(const struct conf *conf, struct buf *out);
