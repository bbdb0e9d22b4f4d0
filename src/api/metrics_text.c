/*
 * metrics_text.c - writes families of metrics as text.
 */
#include "api/metrics_text.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "conf/checks.h"

/* [crio.metrics] metrics_collectors lists names; an empty list is all. */
static bool wanted(const struct conf *conf, const char *family)
{
	if (!conf->metrics_collectors || !*conf->metrics_collectors)
		return true;
	for (char **c = conf->metrics_collectors; *c; c++)
		if (strcmp(conf_collector_family(*c), family) == 0)
			return true;
	return false;
}

bool metrics_begin(const struct conf *conf, struct buf *out, const char *prefix, const char *family,
		   const char *type, const char *help)
{
	if (!wanted(conf, family))
		return false;
	buf_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, family, help, prefix, family,
		   type);
	return true;
}

void metrics_label(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			buf_puts(out, "\\");
		buf_add(out, *value == '\n' ? " " : value, 1);
	}
	buf_puts(out, "\"");
}

void metrics_seconds(struct buf *out, uint64_t ns)
{
	buf_printf(out, "%" PRIu64 ".%09" PRIu64 "\n", ns / NSEC_PER_SEC, ns % NSEC_PER_SEC);
}

void metrics_value(struct buf *out, uint64_t value)
{
	buf_printf(out, "%" PRIu64 "\n", value);
}

void metrics_plain(const struct conf *conf, struct buf *out, const char *prefix, const char *family,
		   const char *type, const char *help, uint64_t value)
{
	if (!metrics_begin(conf, out, prefix, family, type, help))
		return;
	buf_printf(out, "%s%s ", prefix, family);
	metrics_value(out, value);
}
