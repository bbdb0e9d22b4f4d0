/*
 * print.c - writes the values of the table of keys as TOML, table by table.
 */
#include "conf/print.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/conf.h"
#include "conf/keys.h"

static void print_string(struct buf *out, const char *s)
{
	buf_puts(out, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_printf(out, "\\%c", *s);
		else if ((unsigned char)*s < ' ' || *s == 0x7f)
			buf_printf(out, "\\u%04x", (unsigned)*s);
		else
			buf_add(out, s, 1);
	}
	buf_puts(out, "\"");
}

static void print_list(struct buf *out, char *const *list)
{
	buf_puts(out, "[");
	for (size_t i = 0; list && list[i]; i++) {
		buf_puts(out, i ? ", " : "");
		print_string(out, list[i]);
	}
	buf_puts(out, "]");
}

static void print_value(struct buf *out, enum conf_kind kind, const void *field)
{
	switch (kind) {
	case CONF_KIND_STRING:
	case CONF_KIND_PATH:
		print_string(out, *(char *const *)field);
		return;
	case CONF_KIND_BOOLEAN:
		buf_puts(out, *(const bool *)field ? "true" : "false");
		return;
	case CONF_KIND_INTEGER:
	case CONF_KIND_SIZE:
		buf_printf(out, "%" PRId64, *(const int64_t *)field);
		return;
	case CONF_KIND_LIST:
	case CONF_KIND_PATHS:
		print_list(out, *(char *const *const *)field);
		return;
	case CONF_KIND_CGROUP_MANAGER:
		print_string(out,
			     *(const enum conf_cgroup_manager *)field == CONF_CGROUP_MANAGER_SYSTEMD
				     ? "systemd"
				     : "cgroupfs");
		return;
	case CONF_KIND_ADD_PATH: /* the paths are a list of another key */
	case CONF_KIND_MAP:
		return;
	}
}

/* owner: whose keys; object: the struct that has their fields. */
static void print_keys(struct buf *out, const char *table, enum conf_owner owner,
		       const void *object)
{
	size_t len = strlen(table);

	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *k = &conf_keys[i];

		if (k->owner != owner || k->kind == CONF_KIND_ADD_PATH ||
		    !str_starts(k->name, table) || k->name[len] != '.' ||
		    strchr(k->name + len + 1, '.'))
			continue;
		buf_printf(out, "%s = ", k->name + len + 1);
		print_value(out, k->kind, (const char *)object + k->offset);
		buf_puts(out, "\n");
	}
}

void conf_print(const struct conf *c, struct buf *out)
{
	static const char *const tables[] = { "crio",	    "crio.api",	    "crio.runtime",
					      "crio.image", "crio.network", "crio.metrics",
					      "crio.stats" };

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		buf_printf(out, "%s[%s]\n", i ? "\n" : "", tables[i]);
		print_keys(out, tables[i], CONF_OWNER_CONF, c);
	}
	for (size_t i = 0; i < c->n_runtimes; i++) {
		buf_puts(out, "\n[crio.runtime.runtimes.");
		print_string(out, c->runtimes[i].name);
		buf_puts(out, "]\n");
		print_keys(out, "crio.runtime.runtimes.*", CONF_OWNER_RUNTIME, &c->runtimes[i]);
	}
}
