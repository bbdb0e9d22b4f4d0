/*
 * crisp_table.c - columns aligned by display characters; ages, durations and sizes.
 */
#include "crisp_table.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"

#define ID_SHOWN 13

struct table {
	size_t n_columns, n_cells;
	char **cells; /* headings first */
};

/* Characters, not bytes. */
static size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void cell_add(struct table *t, char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	t->cells = xrealloc(t->cells, (t->n_cells + 1) * sizeof(*t->cells));
	t->cells[t->n_cells++] = text;
}

struct table *table_new(const char *const *headings, size_t n_columns)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->n_columns = MIN(n_columns, (size_t)TABLE_COLUMNS_MAX);
	for (size_t i = 0; i < t->n_columns; i++)
		table_add(t, headings[i]);
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

void table_add(struct table *t, const char *text)
{
	cell_add(t, xstrdup(text ? text : ""));
}

void table_add_id(struct table *t, const char *id)
{
	if (strncmp(id, "sha256:", 7) == 0)
		id += 7;
	cell_add(t, xstrndup(id, ID_SHOWN));
}

void table_print(const struct table *t, FILE *out)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < t->n_cells; i++)
		widths[i % t->n_columns] = MAX(widths[i % t->n_columns], text_width(t->cells[i]));
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t pad = widths[i % t->n_columns] - text_width(t->cells[i]) + 3;

		fputs(t->cells[i], out);
		if ((i + 1) % t->n_columns == 0)
			fputc('\n', out);
		else
			fprintf(out, "%*s", (int)pad, "");
	}
}

void format_duration(int64_t ns, char out[32])
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {
		{ 365 * 86400, "year" }, { 30 * 86400, "month" }, { 7 * 86400, "week" },
		{ 86400, "day" },	 { 3600, "hour" },	  { 60, "minute" },
	};
	int64_t seconds = MAX(ns, (int64_t)0) / NSEC_PER_SEC;

	/* Use a unit from two of it on: "90 minutes" is more precise than "1 hour". */
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (seconds < 2 * units[i].seconds)
			continue;
		snprintf(out, 32, "%" PRId64 " %ss", seconds / units[i].seconds, units[i].name);
		return;
	}
	if (seconds == 0)
		snprintf(out, 32, "less than a second");
	else
		snprintf(out, 32, "%" PRId64 " second%s", seconds, seconds == 1 ? "" : "s");
}

void format_ago(int64_t at_ns, int64_t now_ns, char out[32])
{
	char duration[32];

	if (at_ns <= 0) {
		snprintf(out, 32, "-");
		return;
	}
	format_duration(now_ns - at_ns, duration);
	snprintf(out, 32, "%.26s ago", duration);
}

void format_bytes(uint64_t n, char out[32])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	double v = (double)n;
	size_t i = 0;

	while (v >= 1000 && i + 1 < ARRAY_LEN(units)) {
		v /= 1000;
		i++;
	}
	snprintf(out, 32, "%.*f%s", i && v < 100 ? 1 : 0, v, units[i]);
}
