/*
 * crisp_check.c - `check`: every finding about configuration files, without a daemon.
 */
#include "crisp.h"

#include <stdio.h>

#include "conf/conf.h"

static size_t print(const char *kind, char *const *findings)
{
	size_t n = 0;

	for (; findings && findings[n]; n++)
		printf("%s: %s\n", kind, findings[n]);
	return n;
}

static int report(const struct conf *c)
{
	size_t n = print("error", c->errors) + print("error", c->ignored) + c->n_unlisted;

	if (c->n_unlisted)
		printf("error: and %zu more\n", c->n_unlisted);
	print("note", c->warnings);
	print("no effect yet", c->later);
	printf("%zu error%s\n", n, n == 1 ? "" : "s");
	return n ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}

int cmd_check(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "config-dir", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = NULL, *dir = "";
	struct err ignored = ERR_NULL;
	struct conf c;
	int o, r;

	while ((o = cli_option(cli, argc, argv, "c:d:", longs)) != -1) {
		if (o == 'c')
			file = optarg;
		else
			dir = optarg;
	}
	if (!file || optind < argc)
		return cli_usage(cli, "--config FILE is needed, and nothing else");
	conf_init(&c);
	(void)conf_load(&c, file, dir, &ignored);
	(void)conf_finish(&c, &ignored);
	r = report(&c);
	conf_done(&c);
	return r;
}
