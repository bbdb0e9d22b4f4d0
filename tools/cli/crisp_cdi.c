/*
 * crisp_cdi.c - `cdi`: the devices of CDI specification files, and the files that cannot be used.
 * Reads the files itself, with the daemon's code; no daemon need run.
 */
#include "crisp.h"

#include <jansson.h>
#include <stdio.h>

#include "cdi/catalog.h"
#include "conf/conf.h"
#include "crisp_table.h"

#define DIRS_MAX 64

static void print_error(const struct err *e, void *arg)
{
	(void)arg;
	cli_fail(e);
}

static void note_error(const struct err *e, void *arg)
{
	json_array_append_new(arg, json_string(e->text));
}

static void print_table(const struct cdi_catalog *r)
{
	static const char *const headings[] = { "DEVICE", "FILE" };
	_cleanup_table_ struct table *t = table_new(headings, ARRAY_LEN(headings));
	const struct cdi_device *d;
	size_t n;

	d = cdi_catalog_devices(r, &n);
	for (size_t i = 0; i < n; i++) {
		if (d[i].rival)
			continue;
		table_add(t, d[i].name);
		table_add(t, d[i].file->path);
	}
	table_print(t, stdout);
	cdi_catalog_errors(r, NULL, print_error, NULL);
}

static void print_json(const struct cdi_catalog *r)
{
	json_t *devices = json_array(), *errors = json_array(), *all;
	const struct cdi_device *d;
	size_t n;

	d = cdi_catalog_devices(r, &n);
	for (size_t i = 0; i < n; i++)
		if (!d[i].rival)
			json_array_append_new(devices, json_pack("{s:s, s:s}", "name", d[i].name,
								 "file", d[i].file->path));
	cdi_catalog_errors(r, NULL, note_error, errors);
	all = json_pack("{s:o, s:o}", "devices", devices, "errors", errors);
	json_dumpf(all, stdout, JSON_INDENT(2));
	puts("");
	json_decref(all);
}

static void count_error(const struct err *e, void *arg)
{
	(void)e;
	++*(size_t *)arg;
}

static int show(const struct cli *cli, char *const *dirs)
{
	struct cdi_catalog *r = cdi_catalog_read(dirs, NULL);
	size_t bad = 0;

	if (cli->json)
		print_json(r);
	else
		print_table(r);
	cdi_catalog_errors(r, NULL, count_error, &bad);
	cdi_catalog_unref(r);
	return bad ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}

/* The directories of the daemon's configuration; file and dir as in conf_load. */
static int show_configured(const struct cli *cli, const char *file, const char *dir)
{
	struct err e = ERR_NULL;
	struct conf c;
	int r;

	conf_init(&c);
	if (conf_load(&c, file, dir, &e) < 0)
		r = cli_fail(&e);
	else
		r = show(cli, c.cdi_spec_dirs);
	if (!c.enable_cdi)
		fprintf(stderr, "crisp: the configuration has enable_cdi = false\n");
	conf_done(&c);
	return r;
}

int cmd_cdi(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "config", required_argument, NULL, 'c' },
		{ "config-dir", required_argument, NULL, 'D' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = NULL, *drop_ins = NULL;
	char *dirs[DIRS_MAX + 1] = { NULL };
	size_t n = 0;
	int o;

	while ((o = cli_option(cli, argc, argv, "d:c:", longs)) != -1) {
		if (o == 'c')
			file = optarg;
		else if (o == 'D')
			drop_ins = optarg;
		else if (n == DIRS_MAX)
			return cli_usage(cli, "more than %d directories", DIRS_MAX);
		else
			dirs[n++] = optarg;
	}
	if (optind < argc)
		return cli_usage(cli, "\"%s\" is too much", argv[optind]);
	return n ? show(cli, dirs) : show_configured(cli, file, drop_ins);
}
