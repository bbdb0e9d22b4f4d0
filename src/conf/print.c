/*
 * print.c - writes the values of the table of keys as TOML, table by table.
 */
#include "conf/print.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/util.h"
#include "conf/apply.h"

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
	case CONF_KIND_MANAGER:
		print_string(out,
			     *(const enum conf_cgroup_manager *)field == CONF_CGROUP_MANAGER_SYSTEMD
				     ? "systemd"
				     : "cgroupfs");
		return;
	case CONF_KIND_ADDS: /* the paths are a list of another key */
	case CONF_KIND_MAP:
		return;
	}
}

/* Each line of text behind a #. */
static void print_comment(struct buf *out, const char *text)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		buf_printf(out, "# %.*s\n", (int)n, text);
	}
}

static void print_doc(struct buf *out, const struct conf_key *k)
{
	buf_puts(out, "\n");
	print_comment(out, k->doc);
	if (k->derived)
		buf_printf(out, "# Empty: %s.\n", k->derived);
	if (k->reload)
		buf_puts(out, "# SIGHUP reloads it.\n");
	if (k->role == CONF_ROLE_LATER)
		buf_puts(out, "# No effect yet.\n");
	if (k->role == CONF_ROLE_MOOT)
		buf_printf(out, "# No effect: %s.\n", k->why);
}

/* The keys of a table; object: the struct with their members. */
static void print_keys(struct buf *out, const char *table, bool comments, const void *object)
{
	size_t len = strlen(table);

	for (size_t i = 0; i < conf_n_keys; i++) {
		const struct conf_key *k = &conf_keys[i];

		if (k->kind == CONF_KIND_ADDS || !conf_member(k, object) ||
		    !str_starts(k->name, table) || k->name[len] != '.' ||
		    strchr(k->name + len + 1, '.'))
			continue;
		if (comments)
			print_doc(out, k);
		buf_printf(out, "%s = ", k->name + len + 1);
		print_value(out, k->kind, conf_member(k, object));
		buf_puts(out, "\n");
	}
}

static void print_runtimes(const struct conf *c, const char *table, bool comments, struct buf *out)
{
	for (size_t i = 0; i < c->n_runtimes; i++) {
		buf_puts(out, "\n[" CONF_RUNTIMES ".");
		print_string(out, c->runtimes[i].name);
		buf_puts(out, "]\n");
		print_keys(out, table, comments && i == 0, &c->runtimes[i]);
	}
}

void conf_print(const struct conf *c, bool comments, struct buf *out)
{
	for (size_t i = 0; i < conf_n_tables; i++) {
		const struct conf_table *t = &conf_tables[i];

		buf_puts(out, i && comments ? "\n\n" : i ? "\n" : "");
		if (comments)
			print_comment(out, t->doc);
		if (strcmp(t->name, CONF_RUNTIMES ".*") == 0) {
			print_runtimes(c, t->name, comments, out);
		} else if (!strchr(t->name, '*')) {
			buf_printf(out, "[%s]\n", t->name);
			print_keys(out, t->name, comments, c);
		}
	}
}
