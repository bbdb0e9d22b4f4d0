/*
 * crisp.c - the operator's command: list objects, run containers, explain pending work.
 * Tables for readers go to stdout; -o json prints the daemon's responses.  Exit codes: 0, 1
 * failed, 2 usage; `run` and `exec` return the program's.
 */
#include "crisp.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/grpc_env.h"
#include "base/log.h"
#include "base/str.h"

#define SOCKET_DEFAULT "/run/crisp/crisp.sock"

static const struct cli_command commands[] = {
	{ "attach", "[-i] [-t] CONTAINER", "this terminal at a container's own program",
	  cmd_attach },
	{ "cancel", "IMAGE|PULL", "end a pull that is under way", cmd_cancel },
	{ "cdi", "[-d|--dir DIRECTORY]... [-c|--config FILE] [--config-dir DIRECTORY]",
	  "devices of CDI specifications, and their mistakes", cmd_cdi },
	{ "check", "--config FILE [--config-dir DIRECTORY]",
	  "every mistake in files of the daemon's configuration", cmd_check },
	{ "checkpoint",
	  "[-t|--timeout SECONDS] [-O|--option NAME=VALUE]... POD DIRECTORY [CONTAINER...]",
	  "write a pod's running containers to files", cmd_checkpoint },
	{ "exec", "[-i] [-t] [--timeout SECONDS] CONTAINER COMMAND [ARG...]",
	  "run a command in a container", cmd_exec },
	{ "explain", "[ID]", "where an object stands and what it waits for", cmd_explain },
	{ "gc", "[-n|--dry-run]", "remove what nobody uses from the image store", cmd_gc },
	{ "images", "[-q] [-t|--tree [IMAGE]]", "list images, or who has which layers",
	  cmd_images },
	{ "info", "", "the daemon's conditions and its image store", cmd_info },
	{ "inspect", "ID", "everything about a container, pod or image, as JSON", cmd_inspect },
	{ "load", "DIRECTORY [NAME]", "take images from an OCI layout on this node", cmd_load },
	{ "logs", "[-f] [-t] [-n LINES] CONTAINER", "print what a container has written",
	  cmd_logs },
	{ "pods", "[-q]", "list pods", cmd_pods },
	{ "port-forward", "[--address ADDRESS] POD [LOCAL:]REMOTE...",
	  "lead ports of this node into a pod", cmd_port_forward },
	{ "ps", "[-a] [-q] [-p POD]", "list containers", cmd_ps },
	{ "pull", "[-q] [--creds USER:PASSWORD] [--runtime HANDLER] IMAGE",
	  "pull an image from its registry", cmd_pull },
	{ "pulls", "[-q] [IMAGE|PULL]", "images on their way, and how far they are", cmd_pulls },
	{ "restore",
	  "[-t|--timeout SECONDS] [-O|--option NAME=VALUE]... [-n|--name NAME] "
	  "[-r|--runtime HANDLER] [-p|--pod FILE] [-c|--container FILE]... [-s|--start] DIRECTORY",
	  "make a pod from the files of checkpoint", cmd_restore },
	{ "rm", "[-f] ID...", "remove containers and pods", cmd_rm },
	{ "rmi", "[--runtime HANDLER] IMAGE...", "remove images", cmd_rmi },
	{ "run", "[OPTIONS] IMAGE [ARG...]", "run a container in a pod of its own", cmd_run },
	{ "status", "", "is the daemon up, what it has, and what waits", cmd_status },
	{ "stop", "[-t SECONDS] ID...", "stop containers and pods", cmd_stop },
	{ "version", "", "versions of this command, the daemon and its interface", cmd_version },
	{ "wipe", "[-f] [-i|--images] [-- CRISPD-OPTION...]",
	  "remove all pods and containers, and on demand all images", cmd_wipe },
};

static void help(FILE *out)
{
	fprintf(out, "usage: crisp [--socket PATH] [-o json] COMMAND ...\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
	fprintf(out, "\ncrisp COMMAND -h shows a command's arguments; crisp(1) explains them.\n");
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "crisp %s: ", cli->command->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: crisp %s %s\n", cli->command->name, cli->command->args);
	return CLI_EXIT_USAGE;
}

int cli_fail(const struct err *e)
{
	fprintf(stderr, "crisp: %s (%s)\n", e->text[0] ? e->text : "no reason given",
		err_code_name(e->code));
	return CLI_EXIT_FAILED;
}

int64_t cli_number(const struct cli *cli, const char *option, const char *text, int64_t max)
{
	int64_t n;

	if (str_to_i64(text, 0, max, &n) < 0)
		exit(cli_usage(cli, "%s takes a number, not \"%s\"", option, text));
	return n;
}

void cli_pair(const struct cli *cli, const char *option, char *text, char **ret_name,
	      char **ret_value)
{
	char *equals = strchr(text, '=');

	if (!equals)
		exit(cli_usage(cli, "%s takes NAME=VALUE, not \"%s\"", option, text));
	*equals = '\0';
	*ret_name = text;
	*ret_value = equals + 1;
}

static int set_output(struct cli *cli, const char *format)
{
	if (strcmp(format, "json") == 0)
		cli->json = true;
	else if (strcmp(format, "table") == 0)
		cli->json = false;
	else
		return -1;
	return 0;
}

int cli_option(struct cli *cli, int argc, char **argv, const char *shorts,
	       const struct option *longs)
{
	static const struct option none[] = { { NULL, 0, NULL, 0 } };
	char all[64];
	int c;

	snprintf(all, sizeof(all), "%sho:", shorts);
	c = getopt_long(argc, argv, all, longs ? longs : none, NULL);
	switch (c) {
	case 'h':
		printf("usage: crisp %s %s\n\n%s\n", cli->command->name, cli->command->args,
		       cli->command->help);
		exit(CLI_EXIT_OK);
	case '?':
		exit(cli_usage(cli, "unknown option or an option without its value"));
	case 'o':
		if (set_output(cli, optarg) < 0)
			exit(cli_usage(cli, "-o takes json or table, not \"%s\"", optarg));
		return cli_option(cli, argc, argv, shorts, longs);
	default: /* the command's own, or -1 */
		return c;
	}
}

int cli_connect(struct cli *cli, int64_t timeout_ms, struct err *e)
{
	if (!cli->client)
		return rpc_client_open(cli->socket, timeout_ms, &cli->client, e);
	rpc_client_set_timeout(cli->client, timeout_ms);
	return 0;
}

static const struct cli_command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* The command nearest to name, if any is near. */
static const char *command_nearest(const char *name)
{
	const char *best = NULL;
	unsigned distance = 3;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		unsigned d = str_distance(name, commands[i].name);

		if (d < distance) {
			distance = d;
			best = commands[i].name;
		}
	}
	return best;
}

static int unknown_command(const char *name)
{
	const char *near = command_nearest(name);

	fprintf(stderr, "crisp: unknown command \"%s\"%s%s%s\n", name,
		near ? ", did you mean " : "", near ? near : "",
		near ? "?" : "; crisp --help lists them");
	return CLI_EXIT_USAGE;
}

/* Block the signals that a command reads itself: SIGWINCH, and for some SIGINT.  The library's
 * threads inherit the mask. */
static void signals_block(const struct cli_command *command)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	if (command->run == cmd_run || command->run == cmd_port_forward) {
		sigaddset(&set, SIGINT);
		sigaddset(&set, SIGTERM);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int command_run(struct cli *cli, int argc, char **argv)
{
	int r;

	cli->command = command_find(argv[0]);
	if (!cli->command)
		return unknown_command(argv[0]);
	signals_block(cli->command);
	optind = 0; /* glibc: restart with another option string */
	r = cli->command->run(cli, argc, argv);
	rpc_client_close(cli->client);
	if (fflush(stdout) || ferror(stdout)) {
		perror("crisp: write");
		return r ? r : CLI_EXIT_FAILED;
	}
	return r;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "socket", required_argument, NULL, 's' },
		{ "output", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	struct cli cli = { .socket = getenv("CRISP_SOCKET") };
	int c;

	if (!cli.socket || !cli.socket[0])
		cli.socket = SOCKET_DEFAULT;
	log_set_level(LOG_LEVEL_ERROR); /* hide the library's messages from the operator */
	grpc_env_init();
	while ((c = getopt_long(argc, argv, "+ho:", longs, NULL)) != -1) {
		if (c == 's') {
			cli.socket = optarg;
		} else if (c == 'h') {
			help(stdout);
			return CLI_EXIT_OK;
		} else if (c != 'o' || set_output(&cli, optarg) < 0) {
			help(stderr);
			return CLI_EXIT_USAGE;
		}
	}
	if (optind == argc) {
		help(stderr);
		return CLI_EXIT_USAGE;
	}
	return command_run(&cli, argc - optind, argv + optind);
}
